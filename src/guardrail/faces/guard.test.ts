/** Faces in a policy: opened by the real table of kinds, asked by the real runner. */
import { describe, expect, test } from "vitest";
import { hashSubject } from "../hash.ts";
import { openGuards } from "../open.ts";
import type { GuardFactory } from "../opened.ts";
import { parsePolicy } from "../policy.ts";
import { movingFace } from "./drawn-face.cases.ts";

const everything: GuardFactory = async () => ({ model: "allows", version: "1", strength: "pattern", covers: ["O1"], stages: ["video"], check: async () => ({ findings: [], framesChecked: clip.frameCount }) });
const clip = movingFace(160, 128, 4, { x: 60, y: 70, size: 26 }, 3);

describe("faces in a policy", () => {
  test("as postprocess they are hidden in what was allowed, and the step says what it did", async () => {
    const policy = parsePolicy("policy: p\nversion: 1\nguards:\n  - { name: all, kind: all, stages: [video] }\npostprocess:\n  - { name: faces, options: { method: solid, threads: 2 } }\n");
    const guards = await openGuards(policy, { factories: { all: everything } });
    try {
      const verdicts = await guards.check({ stage: "video", clip });
      expect(verdicts.message).toBe("allowed");
      const processed = await guards.process(clip, verdicts);
      expect(processed.steps).toMatchObject([{ processor: "faces", outcome: "done", framesChanged: 4, model: "SSD MobileNetV1 (bundled), solid", notes: [expect.stringMatching(/^face 0, up to \d+ pixels, hidden in frames 0 to 3/)] }]);
      expect(Buffer.compare(processed.clip.frames, clip.frames)).not.toBe(0);
      expect(hashSubject({ stage: "video", clip: processed.clip })).toBe(processed.outputSha256);
    } finally {
      await guards.close();
    }
  });

  test("as a guard a face blocks, with the frames it is in", async () => {
    const guards = await openGuards(parsePolicy("policy: p\nversion: 1\nguards:\n  - { name: nobody, kind: faces, stages: [video], options: { threads: 2 } }\n"));
    try {
      const { decision, verdicts, coverage } = await guards.check({ stage: "video", clip });
      expect(decision).toBe("block");
      expect(verdicts[0]).toMatchObject({ verdict: "block", category: "O9", frames: { of: 4, checked: 4, hits: { O9: 4 } } });
      expect(Object.keys(coverage.covered)).toEqual(["O9"]);
    } finally {
      await guards.close();
    }
  });

  test.each([["{ methd: solid }", /methd/], ["{ margin: -1 }", /margin -1/], ["{ detector: nowhere }", /nowhere/]])("options %s keep it from opening, and nothing is delivered", async (options, reason) => {
    const guards = await openGuards(parsePolicy(`policy: p\nversion: 1\nguards:\n  - { name: all, kind: all, stages: [video] }\npostprocess:\n  - { name: faces, options: ${options} }\n`), { factories: { all: everything } });
    const verdicts = await guards.check({ stage: "video", clip });
    await expect(guards.process(clip, verdicts)).rejects.toThrow(reason);
    await guards.close();
  });
});
