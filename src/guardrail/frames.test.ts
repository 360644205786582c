/** Which frames are shown, what is counted, and that a frame cannot be skipped. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { makeClip, type Clip } from "../video/index.ts";
import { sampledFrames } from "./frames.ts";
import { parsePolicy } from "./policy.ts";
import { runGuards } from "./runner.ts";
import { type Finding, type Guard, requireAllowed, stages, type Verdicts } from "./verdict.ts";

/** Frame i is filled with the value i. */
const clipOf = (frameCount: number, fps = 8): Clip => makeClip(Uint8Array.from({ length: frameCount * 12 }, (_, i) => Math.floor(i / 12)), 2, 2, fps);
const rule = (frames: string): ReturnType<typeof parsePolicy> =>
  parsePolicy(`policy: t\nversion: 1\nguards:\n  - {name: g, stages: [video], threshold: 0.5, frames: ${frames}}\n`);

async function see(frames: string, clip: Clip, find: (clip: Clip) => readonly Finding[], framesChecked?: (n: number) => number | undefined): Promise<Verdicts> {
  const guard: Guard = {
    model: "t", version: "1", strength: "pattern", covers: ["O1"], stages,
    check: async (s) => {
      if (s.stage !== "video") throw new Error("no video");
      const checked = framesChecked ? framesChecked(s.clip.frameCount) : s.clip.frameCount;
      return { findings: find(s.clip), ...(checked === undefined ? {} : { framesChecked: checked }) };
    },
  };
  return (await runGuards(rule(frames), { g: async () => guard })).check({ stage: "video", clip });
}
/** Finds `category` in every frame whose value is listed. */
const bad = (values: readonly number[], confidence = 0.9, category: Finding["category"] = "O1") => (clip: Clip): Finding[] =>
  Array.from({ length: clip.frameCount }, (_, frame) => frame).filter((f) => values.includes(clip.frames[f * 12]!)).map((frame) => ({ category, confidence, evidence: [], frame }));

describe("sampling", () => {
  test("ascending, without repeats, ends included, at least the rate that is asked for", () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 500 }), fc.double({ min: 1, max: 60, noNaN: true }), fc.double({ min: 0.1, max: 60, noNaN: true }), (count, fps, sampleFps) => {
      const shown = sampledFrames({ sampleFps, minFraction: 0, oneFrame: [], oneFrameThreshold: 1 }, count, fps);
      expect(shown).toEqual([...new Set(shown)].sort((a, b) => a - b));
      if (shown.length > 1) expect([shown[0], shown.at(-1)]).toEqual([0, count - 1]);
      expect(shown.every((n) => n >= 0 && n < count)).toBe(true);
      const gap = Math.max(...shown.slice(1).map((n, i) => n - shown[i]!), 0);
      expect(gap).toBeLessThanOrEqual(Math.max(1, Math.ceil(fps / sampleFps)));
    }), { seed: 3, numRuns: 500 });
  });

  test("2 frames per second of 4 s at 8 fps, no more than a maximum, all without a rate", () => {
    expect(sampledFrames({ sampleFps: 2, minFraction: 0, oneFrame: [], oneFrameThreshold: 1 }, 33, 8)).toEqual([0, 4, 7, 11, 14, 18, 21, 25, 28, 32]);
    expect(sampledFrames({ maxFrames: 4, minFraction: 0, oneFrame: [], oneFrameThreshold: 1 }, 10, 8)).toEqual([0, 3, 6, 9]);
    expect(sampledFrames({ minFraction: 0, oneFrame: [], oneFrameThreshold: 1 }, 3, 8)).toEqual([0, 1, 2]);
  });
});

describe("counting", () => {
  test.each([
    ["{}", [4], "block", "one frame is enough by default"],
    ["{minFraction: 0.1}", [4], "block", "1 of 10 is a tenth"],
    ["{minFraction: 0.11}", [4], "allow", "1 of 10 is less than 0.11"],
    ["{minFraction: 0.11}", [4, 5], "block", "2 of 10 are enough"],
    ["{minFraction: 0.5, oneFrameThreshold: 0.9}", [4], "block", "one frame of high confidence"],
    ["{minFraction: 0.5, oneFrame: [O1]}", [4], "block", "a category for which one frame is enough"],
    ["{minFraction: 1}", [0, 1, 2, 3, 4, 5, 6, 7, 8], "allow", "9 of 10 are not all"],
  ])("%s, frames %j: %s (%s)", async (frames, values, decision) => {
    const verdicts = await see(frames, clipOf(10), bad(values));
    expect(verdicts.decision).toBe(decision);
    expect(verdicts.verdicts[0]!.frames).toMatchObject({ of: 10, checked: 10, hits: { O1: values.length } });
  });

  test("a child is never a matter of fractions, unless the policy says so in words", async () => {
    expect((await see("{minFraction: 0.9}", clipOf(10), bad([4], 0.9, "O7"))).decision).toBe("block");
    expect((await see("{minFraction: 0.9, oneFrame: []}", clipOf(10), bad([4], 0.9, "O7"))).decision).toBe("allow");
  });

  test("a finding of the video as a whole is not counted by frames", async () => {
    expect((await see("{minFraction: 1}", clipOf(10), () => [{ category: "O1", confidence: 0.9, evidence: [] }])).decision).toBe("block");
  });

  test("findings are told by the frames' numbers in the whole video", async () => {
    const verdicts = await see("{sampleFps: 2}", clipOf(33), bad([14]));
    expect(verdicts.verdicts[0]!.findings).toEqual([{ category: "O1", confidence: 0.9, evidence: [], frame: 14 }]);
    expect(verdicts.verdicts[0]!.frames).toEqual({ of: 33, checked: 10, hits: { O1: 1 }, needed: 1 });
  });

  test("the verdict keeps the hundred findings that matter most, and counts all", async () => {
    const verdicts = await see("{}", clipOf(120), bad(Array.from({ length: 120 }, (_, i) => i)));
    expect([verdicts.verdicts[0]!.findings.length, verdicts.verdicts[0]!.frames!.hits.O1]).toEqual([100, 120]);
  });
});

describe("a frame that was not looked at blocks: the reference skips frames whose check fails", () => {
  test.each([["one fewer", (n: number) => n - 1], ["none", () => 0], ["not said", () => undefined], ["more than there are", (n: number) => n + 1], ["NaN", () => Number.NaN]])("%s", async (_, checked) => {
    const verdicts = await see("{}", clipOf(10), () => [], checked);
    expect(verdicts).toMatchObject({ decision: "block", blockedBy: "failure" });
    expect(() => requireAllowed(verdicts, verdicts.subjectSha256)).toThrow();
  });

  test("a finding in a frame that there is not", async () => {
    expect((await see("{}", clipOf(10), () => [{ category: "O1", confidence: 0.1, evidence: [], frame: 10 }])).blockedBy).toBe("failure");
  });
});
