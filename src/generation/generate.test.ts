/** The guarded door, with small models of both families: real files, real guards, nothing simulated but what a guard finds. */
import { createHash, createPublicKey, type KeyObject } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { OrreryError } from "../errors.ts";
import { openGuards, parsePolicy, verifyRecord, type Finding, type Guard, type Guards, type Processor } from "../guardrail/index.ts";
import type { ProgressEvent } from "../progress.ts";
import { openRuntime, type Runtime } from "../tensor/runtime/node.ts";
import { psnr } from "../evaluation/metrics.ts";
import { searchRegistry, verifyC2pa } from "../provenance/index.ts";
import { makeDemoClip, probeVideo, readClip, sliceClip, writePng } from "../video/index.ts";
import { clearText, clearVideo, newTrail, requireClearedText, requireClearedVideo } from "./clearance.ts";
import { generateVideo, type Door, type GenerateOptions, type Generated } from "./generate.ts";
import { openKeys, type Keys } from "./marks.ts";
import { openWorldModel, type WorldModel } from "./model.ts";
import { readStoredRequest, requireSame, type Plan } from "./plan.ts";
import type { Preview } from "./previews.ts";
import { besides, type GenerationRecord } from "./publish.ts";
import { parseRequest } from "./request.ts";
import { saveTinyAutoregressive, saveTinyDiffusion } from "./tiny-models.cases.ts";

const folder = mkdtempSync(join(tmpdir(), "orrery-generation-"));
const at = (...names: string[]): string => join(folder, ...names);
const home = { home: at("home"), env: {} };

let runtime: Runtime;
const models = new Map<string, WorldModel>();
let guards: Guards;
let keys: Keys;
const publicKey = (): KeyObject => createPublicKey(keys.record);

/** What the guard of the tests finds; replaced by single tests. */
let find: Guard["check"];
const nothing: Guard["check"] = async (subject) => ({ findings: [], ...(subject.stage === "video" ? { framesChecked: subject.clip.frameCount } : {}) });
const violence: Finding = { category: "O1", confidence: 1, evidence: ["found by a test"] };
const guard: Guard = { model: "test", version: "1", strength: "pattern", covers: ["O1"], stages: ["prompt", "upsampled-prompt", "negative-prompt", "video"], check: (subject, context) => find(subject, context) };
/** Work on frames that leaves a trace: the first byte of every frame becomes 7. */
const sign: Processor = {
  model: "sign", version: "1",
  process: async (clip) => {
    for (let t = 0; t < clip.frameCount; t++) clip.frames[t * clip.width * clip.height * 3] = 7;
    return { clip, framesChanged: clip.frameCount };
  },
};
const policy = parsePolicy("policy: test\nversion: 1\nguards: [{name: all, stages: [prompt, upsampled-prompt, negative-prompt, video]}]\npostprocess: [{name: sign}]\n");

beforeAll(async () => {
  runtime = await openRuntime({ threads: 2 });
  await Promise.all([saveTinyDiffusion(at("diffusion")), saveTinyAutoregressive(at("autoregressive")), makeDemoClip(at("clip.mp4"), { width: 96, height: 64, frames: 40, fps: 16 })]);
  for (const name of ["diffusion", "autoregressive"]) models.set(name, await openWorldModel(at(name), runtime));
  guards = await openGuards(policy, { factories: { all: async () => guard }, processors: { sign: async () => sign } });
  keys = await openKeys(home);
  const { frames } = await readClip(at("clip.mp4"), { maxFrames: 1 });
  await writePng(at("picture.png"), { pixels: frames, width: 96, height: 64 });
});
afterEach(() => void (find = nothing));
find = nothing;
afterAll(async () => {
  for (const model of models.values()) await model.close();
  await runtime?.close();
  rmSync(folder, { recursive: true, force: true });
});

const door = (family: string): Door => ({ model: models.get(family)!, guards, keys, machine: { device: "cpu", threads: 2 } });
const make = (family: string, request: Record<string, unknown>, out: string, options?: GenerateOptions): Promise<Generated> => generateVideo(parseRequest(request), door(family), besides(at(out)), options);
const fileDigest = (name: string): string => createHash("sha256").update(readFileSync(at(name))).digest("hex");
const read = (name: string): GenerationRecord => JSON.parse(readFileSync(at(name), "utf8")) as GenerationRecord;


describe.each(["diffusion", "autoregressive"])("a %s model", (family) => {
  test("continues a clip, and the same request gives the same bits", async () => {
    const request = { video: at("clip.mp4"), seed: 5 };
    const one = await make(family, request, `${family}-1.mp4`);
    // Opened anew, so that nothing is left of the first time.
    const model = await openWorldModel(at(family), runtime);
    const two = await generateVideo(parseRequest(request), { ...door(family), model }, besides(at(`${family}-2.mp4`)));
    await model.close();
    expect(two.record.outputs[0]).toMatchObject({ frames_sha256: one.record.outputs[0]!.frames_sha256, num_frames: 17, width: 48, height: 32, fps: 8 });
    // The credential inside the file holds the time; every pixel is the same, those of the watermark too.
    const [a, b] = await Promise.all([1, 2].map((i) => readClip(at(`${family}-${i}.mp4`))));
    expect(Buffer.from(a!.frames).equals(Buffer.from(b!.frames))).toBe(true);
    expect(await probeVideo(at(`${family}-1.mp4`), { countFrames: true })).toMatchObject({ width: 48, height: 32, frameCount: 17, fps: 8 });
    const other = await make(family, { ...request, seed: 6 }, `${family}-3.mp4`);
    expect(other.record.outputs[0]!.frames_sha256).not.toBe(one.record.outputs[0]!.frames_sha256);
  });

  test("made again from what was stored with it, a result has the same bits", async () => {
    const first = await make(family, { video: at("clip.mp4"), video_end_s: 1.5, num_frames: 21, seed: 9 }, `${family}-stored.mp4`);
    const stored = await readStoredRequest(at(`${family}-stored.orrery.json`));
    const again = await generateVideo(stored.request, { ...door(family), machine: stored.machine }, besides(at(`${family}-again.mp4`)), { onPlan: (plan) => requireSame(plan, stored) });
    expect(again.record.args).toEqual(first.record.args);
    expect(again.record.outputs[0]!.frames_sha256).toBe(first.record.outputs[0]!.frames_sha256);
    expect(Buffer.from(again.clip.frames).equals(Buffer.from(first.clip.frames))).toBe(true);
  });

  test("begins with a picture, and with the frames that there are", async () => {
    expect((await make(family, { image: at("picture.png") }, `${family}-picture.mp4`)).record.args).toMatchObject({ condition_frames: 1, num_frames: 17 });
    // At half a second and 8 frames a second there are four frames: enough for one given frame, not for nine.
    const short = await make(family, { video: at("clip.mp4"), video_end_s: 0.5, num_frames: 10 }, `${family}-short.mp4`);
    expect(short.clip.frameCount).toBe(10);
  });

  test("rolls out over chunks: each goes on from the last frames, none is shown twice", async () => {
    const stages: string[] = [];
    const { record, clip } = await make(family, { video: at("clip.mp4"), extend: 2 }, `${family}-long.mp4`, { progress: ({ stage }: ProgressEvent) => void stages.push(stage) });
    expect([record.args.num_frames, clip.frameCount]).toEqual([17 + 2 * 8, 33]);
    expect(stages.some((stage) => stage.includes("chunk 3 of 3"))).toBe(true);
    const size = clip.width * clip.height * 3;
    const frame = (t: number): Buffer => Buffer.from(clip.frames.subarray(t * size, (t + 1) * size));
    for (let t = 1; t < 33; t++) expect(frame(t).equals(frame(t - 1)), `frame ${t} repeats the one before`).toBe(false);
    // The first chunk is what a single one would have been, up to where the next one fades in.
    const single = await make(family, { video: at("clip.mp4") }, `${family}-single.mp4`);
    expect(psnr(sliceClip(single.clip, 0, 7), sliceClip(clip, 0, 7))).toBeGreaterThan(35); // Their watermarks differ.
  });

  test("shows previews that the guards allowed, and withholds the others", async () => {
    const seen: [number, number, number][] = [];
    const previews = { every: 2, show: async ({ done, total, video }: Preview) => void seen.push([done, total, video.clip.frameCount]) };
    const { record } = await make(family, { video: at("clip.mp4") }, `${family}-previews.mp4`, { previews });
    expect(seen).toEqual(family === "diffusion" ? [[2, 5, 17], [4, 5, 17]] : []);
    expect(record.previews).toEqual({ shown: seen.length, withheld: 0 });
    let asked = 0;
    find = async (subject, context) => ({ ...(await nothing(subject, context)), findings: ++asked === 1 ? [violence] : [] });
    const again = await make(family, { image: at("picture.png") }, `${family}-withheld.mp4`, { previews });
    // A picture leaves two latent frames to spell, so there is one preview before the end.
    expect(again.record.previews).toEqual(family === "diffusion" ? { shown: 1, withheld: 1 } : { shown: 0, withheld: 1 });
  });

  test("stops when it is told to, and leaves nothing behind", async () => {
    const stop = new AbortController();
    const progress = ({ stage, done }: ProgressEvent): void => void (/sampling|generating/.test(stage) && done === 2 && stop.abort());
    await expect(make(family, { video: at("clip.mp4") }, `${family}-stopped.mp4`, { progress, signal: stop.signal })).rejects.toMatchObject({ code: "cancelled" });
    expect(readdirSync(folder).filter((name) => name.includes(`${family}-stopped`))).toEqual([]);
  });
});

describe("guards", () => {
  test("the record says that there were no words, who looked at the video, what was done to it, and is signed", async () => {
    const { record } = await make("diffusion", { video: at("clip.mp4") }, "plain.mp4");
    expect(record.safety).toMatchObject({
      outcome: "delivered", words: "none", policy: "test 1", upsampler: "none",
      stages: [{ stage: "video", decision: "allow", guards: ["all: allow"] }], postprocess: ["sign: done, 17 frame(s) changed"],
    });
    expect(read("plain.orrery.json")).toEqual(record);
    const signed = verifyRecord(readFileSync(at("plain.safety.json"), "utf8"), publicKey());
    expect(signed).toMatchObject({ valid: true, trusted: true, record: { outcome: "delivered", words: "none", output: { sha256: record.outputs[0]!.sha256 } } });
  });

  test("the file carries a credential that says what made it, and the registry knows it", async () => {
    const { record } = await make("diffusion", { video: at("clip.mp4"), seed: 3 }, "marked.mp4");
    const { id } = record.marks!.watermark;
    expect(await verifyC2pa(at("marked.mp4"), home)).toMatchObject({ state: "trusted", manifestId: record.marks!.c2pa.manifest_id, watermarkId: id, digitalSource: expect.stringMatching(/trainedAlgorithmicMedia/) as string });
    expect(fileDigest("marked.mp4")).toBe(record.outputs[0]!.sha256);
    const found = await searchRegistry({ sha256: record.outputs[0]!.sha256 }, home);
    expect(found[0]).toMatchObject({ entry: { name: "marked.mp4", watermarkId: id, recordPath: at("marked.orrery.json"), genuine: true } });
  });

  test("frames that a guard does not allow never become a file, and what stood there goes", async () => {
    await make("diffusion", { video: at("clip.mp4") }, "blocked.mp4");
    find = async (subject, context) => ({ ...(await nothing(subject, context)), findings: [violence] });
    await expect(make("diffusion", { video: at("clip.mp4"), seed: 1 }, "blocked.mp4")).rejects.toMatchObject({ code: "blocked", exitCode: 3 });
    expect(existsSync(at("blocked.mp4"))).toBe(false);
    expect(read("blocked.orrery.json")).toMatchObject({ status: "blocked", outputs: [], safety: { outcome: "blocked", stages: [{ stage: "video", decision: "block" }] } });
    expect(verifyRecord(readFileSync(at("blocked.safety.json"), "utf8"), publicKey())).toMatchObject({ valid: true, record: { outcome: "blocked" } });
    expect(readdirSync(folder).filter((name) => name.endsWith(".partial") || name.startsWith("."))).toEqual([]);
  });

  const failures: Record<string, Guard["check"]> = {
    "throws": async () => { throw new Error("no model"); },
    "answers nonsense": async () => ({ findings: "none" }) as never,
    "skips a frame": async () => ({ findings: [], framesChecked: 3 }),
  };
  test.each(Object.keys(failures))("a guard that %s blocks", async (how) => {
    find = failures[how]!;
    const out = `fails-${how.replaceAll(" ", "-")}.mp4`;
    await expect(make("diffusion", { video: at("clip.mp4") }, out)).rejects.toMatchObject({ code: "blocked" });
    expect(existsSync(at(out))).toBe(false);
  });

  test("a policy without a guard for videos lets none through", async () => {
    const text = parsePolicy("policy: t\nversion: 1\nguards: [{name: all, stages: [prompt]}]\n");
    const few = await openGuards(text, { factories: { all: async () => guard } });
    await expect(generateVideo({ video: at("clip.mp4") }, { ...door("diffusion"), guards: few }, besides(at("unguarded.mp4")))).rejects.toMatchObject({ code: "blocked", message: expect.stringMatching(/unguarded content/) as string });
    expect(existsSync(at("unguarded.mp4"))).toBe(false);
  });

  test("every word is checked before a model reads it: prompt, negative prompt, and what an upsampler makes of it", async () => {
    const plan = { prompt: "a ball", negative_prompt: "a cube" } as Plan;
    const long = "a ball, on grass, in soft light";
    const upsampler = { upsampler: { model: "long", version: "1", rewrite: async () => long, close: async () => {} } };
    const trail = newTrail();
    const cleared = await clearText(plan, guards, trail, { upsampler });
    expect(cleared).toMatchObject({ prompt: long, negativePrompt: "a cube" });
    expect(trail.verdicts.map(({ stage }) => stage)).toEqual(["prompt", "negative-prompt", "upsampled-prompt"]);
    expect(trail).toMatchObject({ upsampling: { upsampler: "long", outcome: "upsampled" }, upsampledPrompt: long });
    const finds = (bad: string): void => { find = async (subject) => ({ findings: subject.stage !== "video" && subject.text === bad ? [violence] : [] }); };
    for (const bad of ["a ball", "a cube"]) {
      finds(bad);
      await expect(clearText(plan, guards, newTrail(), { upsampler })).rejects.toMatchObject({ code: "blocked" });
    }
    // What the upsampler wrote is not the person's doing: the words that were allowed are used.
    finds(long);
    const again = newTrail();
    expect((await clearText(plan, guards, again, { upsampler })).prompt).toBe("a ball");
    expect(again).toMatchObject({ upsampling: { outcome: "fell-back", attempts: 3 } });
    expect(again.upsampledPrompt).toBeUndefined();
  });

  test("no words cannot be had by leaving them out, and clearances cannot be made by hand", async () => {
    await expect(clearText({ prompt: " " } as Plan, guards, newTrail())).rejects.toMatchObject({ code: "blocked" });
    const plan = { num_frames: 17 } as Plan;
    const cleared = await clearText(plan, guards, newTrail());
    expect(() => requireClearedText(cleared, plan)).not.toThrow();
    expect(() => requireClearedText({ ...cleared }, plan)).toThrow(/without the guards/);
    expect(() => requireClearedText(cleared, { ...plan })).toThrow(/without the guards/);
    const video = await clearVideo(await readClip(at("clip.mp4"), { maxFrames: 2 }), guards, newTrail());
    expect(() => requireClearedVideo(video)).not.toThrow();
    expect(() => requireClearedVideo({ ...video })).toThrow(OrreryError);
    video.clip.frames[9]! ^= 1;
    expect(() => requireClearedVideo(video)).toThrow(/not the frames/);
  });
});

describe("what cannot be made is answered", () => {
  test.each([
    ["diffusion", {}, /continues given frames/],
    ["diffusion", { video: "clip.mp4", size: "50x32" }, /multiples of 16/],
    ["diffusion", { video: "clip.mp4", size: "480x320" }, /at most 128x128/],
    ["diffusion", { video: "clip.mp4", top_p: 0.5 }, /only autoregressive models/],
    ["diffusion", { video: "clip.mp4", sampler: "unipc" }, /res2ab or euler/],
    ["diffusion", { video: "clip.mp4", guidance_scale: 3 }, /no prompt to be guided by/],
    ["diffusion", { video: "clip.mp4", prompt: "a ball" }, /reads no text/],
    ["diffusion", { video: "clip.mp4", video_end_s: 30 }, /lasts 2\.5/],
    ["autoregressive", { video: "clip.mp4", size: "32x32" }, /one size, 48x32/],
    ["autoregressive", { video: "clip.mp4", num_inference_steps: 5 }, /only diffusion models/],
  ])("%s %j", async (family, request, message) => {
    const given = "video" in request ? { ...request, video: at(request.video!) } : request;
    await expect(make(family, given, "never.mp4")).rejects.toMatchObject({ code: "bad_argument", message: expect.stringMatching(message) as string });
    expect(existsSync(at("never.mp4"))).toBe(false);
  });

  test("inputs that are missing or no video, and a model that has changed", async () => {
    await expect(make("diffusion", { video: at("none.mp4") }, "never.mp4")).rejects.toMatchObject({ code: "file_not_found" });
    writeFileSync(at("text.mp4"), "not a video");
    await expect(make("diffusion", { video: at("text.mp4") }, "never.mp4")).rejects.toMatchObject({ code: "bad_video" });
    await expect(openWorldModel(at("nowhere"), runtime)).rejects.toMatchObject({ code: "file_not_found" });
    await saveTinyDiffusion(at("changing"));
    const before = await openWorldModel(at("changing"), runtime);
    await saveTinyDiffusion(at("changing"), undefined, 8);
    const after = await openWorldModel(at("changing"), runtime);
    expect(after.sha256).not.toBe(before.sha256);
    expect(before.sha256).toBe(models.get("diffusion")!.sha256);
    await Promise.all([before.close(), after.close()]);
  });
});
