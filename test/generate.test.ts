/** `orrery generate` as a user meets it, through the door of the command line and the standard policy, with a small model. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { main } from "../src/cli/main.ts";
import type { GenerationRecord } from "../src/generation/index.ts";
import { saveTinyAutoregressive, saveTinyDiffusion } from "../src/generation/tiny-models.cases.ts";
import { makeDemoClip, probeVideo } from "../src/video/index.ts";
import { writeSafetensors } from "../src/weights/index.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const folder = mkdtempSync(join(tmpdir(), "orrery-generate-"));
const at = (...names: string[]): string => join(folder, ...names);

interface Outcome {
  exit: number;
  out: string;
  err: string;
}

async function orrery(...words: string[]): Promise<Outcome> {
  const [out, err]: [string[], string[]] = [[], []];
  const exit = await main(words, { stdout: { write: (text) => out.push(text) }, stderr: { write: (text) => err.push(text) }, env: {}, signal: new AbortController().signal });
  return { exit, out: out.join(""), err: err.join("") };
}

let before: string | undefined;
beforeAll(async () => {
  before = process.env["ORRERY_HOME"];
  process.env["ORRERY_HOME"] = at("home");
  await Promise.all([saveTinyDiffusion(at("diffusion")), saveTinyAutoregressive(at("autoregressive")), makeDemoClip(at("clip.mp4"), { width: 96, height: 64, frames: 24, fps: 16 })]);
  writeFileSync(at("strict.yaml"), "policy: strict\nversion: 1\nguards: [{name: blocklist, stages: [prompt]}]\n");
});
afterAll(() => {
  if (before === undefined) delete process.env["ORRERY_HOME"];
  else process.env["ORRERY_HOME"] = before;
  rmSync(folder, { recursive: true, force: true });
});

/** Opening the guards and a model several times takes its time on a busy machine. */
const slow = 240_000;

const record = (name: string): GenerationRecord => JSON.parse(readFileSync(at(name), "utf8")) as GenerationRecord;

describe("a single video", () => {
  test("is made with an adapter, and made again with it from its record alone", async () => {
    mkdirSync(at("adapter"));
    writeFileSync(at("adapter/adapter_config.json"), JSON.stringify({ peft_type: "LORA", r: 1, lora_alpha: 1, target_modules: ["to_q"] }));
    const layer = "base_model.model.transformer_blocks.0.attn1.to_q.lora_";
    await writeSafetensors(at("adapter/adapter_model.safetensors"), [{ name: `${layer}A.weight`, dtype: "F32", shape: [1, 24], data: new Float32Array(24).fill(0.5) }, { name: `${layer}B.weight`, dtype: "F32", shape: [24, 1], data: new Float32Array(24).fill(1) }]);
    const made = await orrery("generate", "--model", at("diffusion"), "--lora", `${at("adapter")}:0.5`, "--video", at("clip.mp4"), "--steps", "2", "-o", at("adapted.mp4"));
    expect([made.err, made.exit, made.out]).toEqual([expect.stringMatching(/sampling/), 0, expect.stringContaining(`with ${at("adapter")} at 0.5`)]);
    const again = await orrery("generate", "--request", at("adapted.orrery.json"), "-o", at("adapted-again.mp4"), "--json");
    expect([again.exit, JSON.parse(again.out)]).toEqual([0, expect.objectContaining({ args: record("adapted.orrery.json").args })]);
    expect(record("adapted.orrery.json").args.adapters).toMatchObject([{ path: at("adapter"), scale: 0.5 }]);
    const other = await orrery("generate", "--model", at("autoregressive"), "--lora", at("adapter"), "--video", at("clip.mp4"), "-o", at("never.mp4"));
    expect([other.exit, other.err]).toEqual([1, expect.stringMatching(/does not belong to this network.*\[bad_checkpoint\]/)]);
  }, slow);

  test("is made, says who looked at it and who did not, and is made again from its record", async () => {
    const made = await orrery("generate", "--model", at("diffusion"), "--video", at("clip.mp4"), "--frames", "20", "--steps", "3", "--seed", "7", "-o", at("one.mp4"), "--previews", at("previews"), "--preview-every", "2");
    expect([made.err, made.exit]).toEqual([expect.stringMatching(/sampling chunk 2 of 2/), 0]);
    expect(made.out).toMatch(/one\.mp4.*20 frames of 48 x 32, 2\.50 s[^]*seed 7[^]*words: none[^]*video: .*: allow[^]*faces: done, 0 frame[^]*watermark: [0-9a-f]{16}.*C2PA: signed/);
    expect(await probeVideo(at("one.mp4"), { countFrames: true })).toMatchObject({ frameCount: 20, width: 48, height: 32 });
    expect(readdirSync(at("previews"))).toEqual(["preview-00002.png", "preview-00006.png"]);

    const again = await orrery("generate", "--request", at("one.orrery.json"), "-o", at("again.mp4"), "--json");
    expect(again.exit).toBe(0);
    const json = JSON.parse(again.out) as GenerationRecord;
    expect(json.args).toEqual(record("one.orrery.json").args);
    expect(json.outputs[0]!.frames_sha256).toBe(record("one.orrery.json").outputs[0]!.frames_sha256);
  }, slow);

  test("flags win over what was stored", async () => {
    const other = await orrery("generate", "--request", at("one.orrery.json"), "--seed", "8", "--frames", "9", "-o", at("other.mp4"), "--json");
    expect(JSON.parse(other.out)).toMatchObject({ args: { seed: 8, num_frames: 9, num_inference_steps: 3 } });
  }, slow);

  test("the same flags work for the other family", async () => {
    const made = await orrery("generate", "-m", at("autoregressive"), "--video", at("clip.mp4"), "--at", "1.2", "--temperature", "0.8", "--top-k", "5", "-o", at("ar.mp4"), "--json");
    expect([made.err.split("\n").at(-2), made.exit]).toEqual([expect.stringMatching(/marking/), 0]);
    expect(JSON.parse(made.out)).toMatchObject({ status: "success", args: { family: "autoregressive", temperature: 0.8, top_k: 5, video_end_s: 1.2, condition_frames: 9 } });
  }, slow);

  test("what a policy does not let through ends with 3 and no video", async () => {
    const blocked = await orrery("generate", "-m", at("diffusion"), "--video", at("clip.mp4"), "--steps", "1", "--policy", at("strict.yaml"), "-o", at("blocked.mp4"), "--json");
    expect(blocked.exit).toBe(3);
    expect(JSON.parse(blocked.err.trim().split("\n").at(-1)!)).toMatchObject({ error: { code: "blocked", message: expect.stringMatching(/requires no guard for the video/) as string, exit: 3 } });
    expect(existsSync(at("blocked.mp4"))).toBe(false);
    expect(record("blocked.orrery.json")).toMatchObject({ status: "blocked", outputs: [] });
  });

  test.each([
    [["--video", "clip.mp4", "-o", "x.mp4"], 2, /--model is missing/],
    [["-m", "diffusion", "-o", "x.mp4"], 2, /continues given frames/],
    [["-m", "diffusion", "--video", "clip.mp4", "-o", "x.avi"], 2, /expected NAME\.mp4/],
    [["-m", "diffusion", "--video", "clip.mp4", "--frames", "0", "-o", "x.mp4"], 2, /--frames is "0"/],
    [["-m", "diffusion", "--video", "clip.mp4", "--frames", "9", "--extend", "1", "-o", "x.mp4"], 2, /chunks after the first/],
    [["-m", "diffusion", "--video", "clip.mp4", "--prompt", "a ball", "-o", "x.mp4"], 2, /reads no text/],
    [["-m", "nowhere", "--video", "clip.mp4", "-o", "x.mp4"], 1, /there is no model .*nowhere/],
    [["-m", "diffusion", "--video", "none.mp4", "-o", "x.mp4"], 1, /none\.mp4/],
    [["-m", "diffusion", "--video", "clip.mp4", "-o", "nowhere/x.mp4"], 1, /nowhere/],
    [["-m", "diffusion", "--video", "clip.mp4", "--policy", "clip.mp4", "-o", "x.mp4"], 1, /policy/],
    [["--request", "strict.yaml", "-o", "x.mp4"], 2, /is not JSON/],
    [["-m", "diffusion", "--batch", "none.jsonl", "--request", "a.json", "-o", "x"], 2, /give one of them/],
  ])("%j is answered", async (words, exit, message) => {
    const named = words.map((word, i) => (i > 0 && /^(-m|--model|--video|--policy|--request|--batch|-o)$/.test(words[i - 1]!) ? at(word) : word));
    const outcome = await orrery("generate", ...named);
    expect([outcome.exit, outcome.err.split("\n").at(-2)]).toEqual([exit, expect.stringMatching(message)]);
    expect(outcome.err).not.toMatch(/\n\s+at /);
    expect(existsSync(at("x.mp4"))).toBe(false);
  });

  test("Ctrl-C ends with 130 and leaves nothing", async () => {
    const child = spawn(process.execPath, [join(root, "bin/orrery.mjs"), "generate", "-m", at("diffusion"), "--video", at("clip.mp4"), "--steps", "900", "--extend", "900", "-o", at("stopped.mp4")], { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => {
      const begun = said.includes("sampling");
      said += String(chunk);
      if (!begun && said.includes("sampling")) child.kill("SIGINT");
    });
    const [code] = (await once(child, "exit")) as [number];
    expect([code, said]).toEqual([130, expect.stringMatching(/stopped; run the same command again|was stopped/)]);
    expect(readdirSync(folder).filter((name) => name.includes("stopped"))).toEqual([]);
  }, slow);
});

test("a batch: what is blocked or fails is said at the end, and the rest is made and kept", async () => {
  writeFileSync(at("batch.jsonl"), [{ name: "good", video: "clip.mp4", seed: 2 }, { name: "bad", video: "none.mp4" }].map((line) => JSON.stringify(line)).join("\n"));
  const words = ["generate", "-m", at("diffusion"), "--batch", at("batch.jsonl"), "--steps", "1", "-o", at("batch")];
  const first = await orrery(...words);
  expect([first.exit, first.out]).toEqual([1, expect.stringMatching(/done {2}good\n.*error {2}bad: no such file/)]);
  expect(first.err).toMatch(/1 sample\(s\) failed \(bad\) of 2/);
  const second = await orrery(...words, "--json");
  expect(JSON.parse(second.out)).toMatchObject({ samples: [{ name: "good", status: "kept" }, { name: "bad", status: "error", code: "file_not_found" }] });
}, slow);
