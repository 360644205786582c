/** The signed record and the last gate: nothing that did not happen can be recorded, and nothing recorded can be changed. */
import { createPublicKey, generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { makeClip, type Clip } from "../video/index.ts";
import { openGuards } from "./open.ts";
import type { Processor } from "./opened.ts";
import { parsePolicy } from "./policy.ts";
import { requireDeliverable, type Processed } from "./postprocess.ts";
import { buildSafetyRecord, keyIdOf, signRecord, verifyRecord, type SafetyRecordInput, type SignedSafetyRecord } from "./record.ts";
import type { Guards } from "./runner.ts";
import { stages, type Guard, type Verdicts } from "./verdict.ts";

const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const hex = "ab".repeat(32);
const clip: Clip = makeClip(new Uint8Array(3 * 12).fill(9), 2, 2, 8);
const guard: Guard = {
  model: "finds-blood", version: "1", strength: "small-model", covers: ["O1"], stages,
  check: async (s) => ({ findings: s.stage !== "video" && s.text.includes("blood") ? [{ category: "O1", confidence: 1, evidence: ["blood"] }] : [], ...(s.stage === "video" ? { framesChecked: s.clip.frameCount } : {}) }),
};
const blur: Processor = { model: "blur", version: "1", process: async (c) => { c.frames[0] = 255; return { clip: c, framesChanged: 1, notes: ["1 face"] }; } };
const policyText = (postprocess = "[{name: blur}]"): string => `policy: t\nversion: 2\nguards: [{name: g, stages: [prompt, upsampled-prompt, negative-prompt, video]}]\npostprocess: ${postprocess}\n`;
const open = (processor: Processor = blur, text = policyText()): Promise<Guards> => openGuards(parsePolicy(text), { factories: { g: async () => guard }, processors: { blur: async () => processor } });

let prompt: Verdicts, video: Verdicts, refused: Verdicts, processed: Processed;
beforeAll(async () => {
  const guards = await open();
  prompt = await guards.check({ stage: "prompt", text: "a robot" });
  refused = await guards.check({ stage: "prompt", text: "blood" });
  video = await guards.check({ stage: "video", clip });
  processed = await guards.process(clip, video);
});

const input = (more: Partial<SafetyRecordInput> = {}): SafetyRecordInput => ({
  id: "generation-1", requestSha256: hex, output: { sha256: hex, bytes: 1234, mediaType: "video/mp4" }, stages: [prompt, video], processed,
  models: [{ role: "world-model", name: "nano", sha256: hex }], software: "orrery 0.1.0", createdAt: new Date(0), ...more,
});
const without = (...keys: ("output" | "processed")[]): SafetyRecordInput => { const all = input(); for (const key of keys) delete all[key]; return all; };

describe("work on allowed frames", () => {
  test("frames that were allowed are finished, and only the result may be delivered", async () => {
    expect(processed.steps).toMatchObject([{ processor: "blur", outcome: "done", framesChanged: 1, notes: ["1 face"], inputSha256: video.subjectSha256, outputSha256: processed.outputSha256 }]);
    expect([clip.frames[0], processed.clip.frames[0]]).toEqual([9, 255]);
    expect(() => requireDeliverable(video, processed, processed.clip)).not.toThrow();
    expect(() => requireDeliverable(video, processed, clip)).toThrow(/not the frames/);
    expect(() => requireDeliverable(video, { ...processed }, processed.clip)).toThrow(/not finished/);
    expect(() => requireDeliverable({ ...video }, processed, processed.clip)).toThrow(/no verdict/);
    expect(() => requireDeliverable(prompt, processed, processed.clip)).toThrow(/one of its own/);
    await expect((await open()).process(makeClip(new Uint8Array(12), 2, 2, 8), video)).rejects.toMatchObject({ code: "blocked" });
    await expect((await open()).process(clip, refused)).rejects.toMatchObject({ code: "blocked" });
    await expect((await open(blur, policyText().replace("version: 2", "version: 3"))).process(clip, video)).rejects.toThrow(/another policy/);
  });

  const faults: Record<string, Processor["process"]> = {
    throws: () => { throw new Error("boom"); },
    rejects: () => Promise.reject(new Error("boom")),
    "never answers": () => new Promise(() => {}),
    "answers nothing": async () => undefined as never,
    "loses a frame": async (c) => ({ clip: makeClip(c.frames.subarray(12), 2, 2, 8), framesChanged: 0 }),
    "changes the size": async (c) => ({ clip: { ...c, width: 4, height: 1 }, framesChanged: 0 }),
    "changes the rate": async (c) => ({ clip: { ...c, fps: 24 }, framesChanged: 0 }),
    "does not count": async (c) => ({ clip: c }) as never,
    "counts to NaN": async (c) => ({ clip: c, framesChanged: Number.NaN }),
    "runs out of memory": async () => new Array(-1) as never,
  };
  test.each(Object.keys(faults))("a processor that %s blocks when it is required", async (name) => {
    const guards = await open({ ...blur, process: faults[name]! }, policyText("[{name: blur, timeoutMs: 200}]"));
    await expect(guards.process(clip, await guards.check({ stage: "video", clip }))).rejects.toMatchObject({ code: "blocked" });
    const lenient = await open({ ...blur, process: faults[name]! }, policyText("[{name: blur, timeoutMs: 200, required: false}]"));
    expect((await lenient.process(clip, await lenient.check({ stage: "video", clip }))).steps[0]).toMatchObject({ outcome: "error", framesChanged: 0 });
  });

  test("a processor that is missing or does not open blocks, and so does a closed one", async () => {
    const missing = await openGuards(parsePolicy(policyText("[{name: other}]")), { factories: { g: async () => guard } });
    await expect(missing.process(clip, await missing.check({ stage: "video", clip }))).rejects.toThrow(/no processor of kind "other"/);
    const guards = await open();
    const verdicts = await guards.check({ stage: "video", clip });
    await guards.close();
    await expect(guards.process(clip, verdicts)).rejects.toThrow(/closed/);
  });

  test("what a processor keeps of its frames does not reach the result", async () => {
    let kept: Clip | undefined;
    const guards = await open({ ...blur, process: async (c) => ({ clip: (kept = c), framesChanged: 0 }) });
    const verdicts = await guards.check({ stage: "video", clip });
    const done = await guards.process(clip, verdicts);
    kept!.frames.fill(1);
    expect(() => requireDeliverable(verdicts, done, done.clip)).not.toThrow();
  });
});

describe("building", () => {
  test("a delivered video needs a prompt and a video that were allowed, and frames that were finished", () => {
    expect(buildSafetyRecord(input())).toMatchObject({ outcome: "delivered", policy: { name: "t", version: 2 }, coverage: { video: { covered: { O1: [{ guard: "g", strength: "small-model" }] } } } });
    for (const wrong of [input({ stages: [prompt] }), input({ stages: [video] }), input({ stages: [prompt, refused, video] }), without("processed"), input({ processed: { ...processed } })])
      expect(() => buildSafetyRecord(wrong)).toThrow(/no record of a delivered video/);
  });

  test("a request without words needs a video that was allowed, and the record says that there were no words", () => {
    const wordless = buildSafetyRecord(input({ stages: [video], withoutWords: true }));
    expect([wordless.words, wordless.outcome, verifyRecord(signRecord(wordless, privateKey)).valid]).toEqual(["none", "delivered", true]);
    expect(buildSafetyRecord(input()).words).toBe("checked");
    expect(() => buildSafetyRecord(input({ stages: [prompt, video], withoutWords: true }))).toThrow(/words were checked/);
    expect(() => buildSafetyRecord(input({ stages: [prompt], withoutWords: true }))).toThrow(/no video was checked/);
    const forged = signRecord({ ...buildSafetyRecord(input()), words: "none" }, privateKey);
    expect(verifyRecord(forged)).toMatchObject({ valid: false, reason: expect.stringMatching(/words were checked/) as string });
  });

  test("no record without stages, nor with outcomes that no runner made, nor of two policies", async () => {
    expect(() => buildSafetyRecord(input({ stages: [] }))).toThrow(/at least one stage/);
    expect(() => buildSafetyRecord(input({ stages: [{ ...prompt }, video] }))).toThrow(/not copies/);
    const other = await (await open(blur, policyText().replace("version: 2", "version: 3"))).check({ stage: "prompt", text: "a robot" });
    expect(() => buildSafetyRecord(input({ stages: [other, video] }))).toThrow(/different policies/);
  });

  test("what was blocked or failed is recorded as such", () => {
    const blocked = without("output", "processed");
    expect(buildSafetyRecord({ ...blocked, stages: [refused] })).toMatchObject({ outcome: "blocked", stages: [{ blockedBy: "harm", verdicts: [{ evidence: ["blood"] }] }] });
    expect(buildSafetyRecord({ ...blocked, failure: "the model diverged" })).toMatchObject({ outcome: "failed", failure: "the model diverged" });
  });

  test("an upsampled prompt that was blocked is no obstacle where the record proves that other words were used", async () => {
    const guards = await open();
    const longer = await guards.check({ stage: "upsampled-prompt", text: "a robot, in soft light" });
    const bloody = await guards.check({ stage: "upsampled-prompt", text: "a robot in blood" });
    const upsampling = { upsampler: "m", version: "1", attempts: 2, originalSha256: prompt.subjectSha256 };
    const built = (more: object): string => buildSafetyRecord(input(more)).outcome;
    expect(built({ stages: [prompt, bloody, longer, video], upsampling: { ...upsampling, outcome: "upsampled", resultSha256: longer.subjectSha256 } })).toBe("delivered");
    expect(built({ stages: [prompt, bloody, video], upsampling: { ...upsampling, outcome: "fell-back", resultSha256: prompt.subjectSha256 } })).toBe("delivered");
    for (const wrong of [
      { stages: [prompt, bloody, video] }, { stages: [prompt, longer, video] },
      { stages: [prompt, bloody, longer, video], upsampling: { ...upsampling, outcome: "upsampled", resultSha256: bloody.subjectSha256 } },
      { stages: [prompt, bloody, video], upsampling: { ...upsampling, outcome: "upsampled", resultSha256: longer.subjectSha256 } },
      { stages: [prompt, bloody, video], upsampling: { ...upsampling, outcome: "fell-back", resultSha256: longer.subjectSha256 } },
      { stages: [prompt, longer, video], upsampling: { ...upsampling, originalSha256: hex, outcome: "upsampled", resultSha256: longer.subjectSha256 } },
    ]) expect(() => built(wrong), JSON.stringify(wrong).slice(0, 80)).toThrow(/no record of a delivered video/);
  });

  test("categories that no guard looked for are named, for text and video apart", () => {
    const { coverage } = buildSafetyRecord(input());
    expect(coverage.video.uncovered).toEqual(["O2", "O3", "O4", "O5", "O6", "O7", "O8", "O9", "O10", "O11", "O12", "O13"]);
    expect(coverage.text.weaklyCovered).toEqual(["O1"]);
  });
});

describe("signing", () => {
  const sign = (more: Partial<SafetyRecordInput> = {}): SignedSafetyRecord => signRecord(buildSafetyRecord(input(more)), privateKey);

  test("verifies, as an object and as text in any spelling, and says whether the key is known", () => {
    const signed = sign();
    expect(verifyRecord(signed, publicKey)).toMatchObject({ valid: true, trusted: true, keyId: keyIdOf(publicKey) });
    expect(verifyRecord(JSON.stringify(signed, null, 2), publicKey).valid).toBe(true);
    expect(verifyRecord(signed)).toMatchObject({ valid: true, trusted: false, reason: /anybody/ as never });
    const stranger = createPublicKey(generateKeyPairSync("ed25519").privateKey);
    expect(verifyRecord(signed, stranger)).toMatchObject({ valid: false, trusted: false });
    expect(() => signRecord(signed.record, publicKey)).toThrow(/private Ed25519/);
    expect(() => signRecord(signed.record, generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey)).toThrow(/private Ed25519/);
  });

  test("any change of any value makes it invalid", () => {
    const signed = sign();
    const paths: (readonly string[])[] = [];
    const walk = (value: unknown, path: readonly string[]): void => {
      if (typeof value === "object" && value !== null) for (const [k, v] of Object.entries(value)) walk(v, [...path, k]);
      else paths.push(path);
    };
    walk(signed, []);
    expect(paths.length).toBeGreaterThan(60);
    for (const path of paths) {
      const changed = structuredClone(signed) as never;
      const holder = path.slice(0, -1).reduce((o: Record<string, never>, k) => o[k]!, changed);
      const last = path.at(-1)!;
      const old: unknown = holder[last];
      (holder as Record<string, unknown>)[last] = typeof old === "number" ? old + 1 : typeof old === "boolean" ? !old : `${(old as string).startsWith("A") ? "B" : "A"}${(old as string).slice(1)}`;
      expect(verifyRecord(changed, publicKey).valid, path.join(".")).toBe(false);
      delete holder[last];
      expect(verifyRecord(changed, publicKey).valid, `without ${path.join(".")}`).toBe(false);
    }
  });

  test("a record that contradicts itself is not valid, though its signature is", () => {
    // Whoever holds the key signs nonsense: the parts of a record must still agree.
    interface Loose extends Record<string, unknown> { stages: Record<string, unknown>[]; coverage: Record<string, Record<string, unknown>>; postprocess: Record<string, unknown>[] }
    const forge = (change: (r: Loose) => void): ReturnType<typeof verifyRecord> => {
      const record = structuredClone(buildSafetyRecord(input()));
      change(record as unknown as Loose);
      return verifyRecord(signRecord(record, privateKey), publicKey);
    };
    expect(forge(() => {}).valid).toBe(true);
    expect(forge((r) => { r.stages[0]!["verdicts"] = []; }).reason).toMatch(/did not all allow/);
    expect(forge((r) => { r.stages.pop(); }).valid).toBe(false);
    expect(forge((r) => { r.stages = []; }).valid).toBe(false);
    expect(forge((r) => { r["outcome"] = "blocked"; }).valid).toBe(false);
    expect(forge((r) => { delete r["output"]; }).valid).toBe(false);
    expect(forge((r) => { r.coverage["video"]!["uncovered"] = []; }).reason).toMatch(/coverage/);
    expect(forge((r) => { r.postprocess[0]!["outcome"] = "error"; }).reason).toMatch(/did not do its work/);
    expect(forge((r) => { r.postprocess[0]!["inputSha256"] = hex; }).reason).toMatch(/other frames/);
    expect(forge((r) => { r["extra"] = 1; }).valid).toBe(false);
  });

  test("nothing that a stranger writes throws", () => {
    const signed = sign();
    for (const text of ["", "{", "null", "[]", "7", '{"record":{}}', JSON.stringify({ ...signed, record: null }), JSON.stringify({ ...signed, signature: { ...signed.signature, publicKey: "AAAA" } })])
      expect(verifyRecord(text, publicKey).valid, text.slice(0, 40)).toBe(false);
    fc.assert(fc.property(fc.jsonValue(), (record) => { expect(verifyRecord({ ...signed, record: record as never }, publicKey).valid).toBe(false); }), { seed: 5 });
    expect(verifyRecord({ ...signed, record: JSON.parse(`${'{"a":'.repeat(5000)}1${"}".repeat(5000)}`) as never }).valid).toBe(false);
  });
});
