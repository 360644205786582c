/** The loss of a tokenizer, against a hand computation, and that training on one clip lowers it. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { evaluateGraph, input } from "../tensor/index.ts";
import { openRuntime } from "../tensor/runtime/node.ts";
import { makeDemoClip } from "../video/index.ts";
import { reconstructionLoss } from "./loss.ts";
import { codeUsage, trainTokenizer } from "./train.ts";
import { tokenizerSettings } from "./training-settings.ts";

const folder = mkdtempSync(join(tmpdir(), "orrery-loss-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("L1, L2 and differences of neighbours, by hand", () => {
  const shape = [1, 1, 2, 1, 3];
  const [pixels, made] = [input("pixels", shape), input("made", shape)];
  const { loss, terms } = reconstructionLoss(pixels, made, { l1: 1, l2: 2, gradient: 3 });
  const feed = (...data: number[]) => ({ shape, data: Float64Array.from(data) });
  const values = evaluateGraph([loss, terms.l1, terms.l2, terms.gradient], { pixels: feed(0, 0, 0, 1, 1, 1), made: feed(1, 0, 0, 1, 3, 1) }).map((v) => v.data[0]!);
  // Errors are 1 0 0 in the first frame and 0 2 0 in the second.
  const l1 = (1 + 2) / 6;
  const l2 = (1 + 4) / 6;
  // Along columns: -1 0 and 2 -2; along time: -1 2 0; there is one row.
  const gradient = (1 + 0 + 2 + 2) / 4 + (1 + 2 + 0) / 3;
  expect(values).toEqual([l1 + 2 * l2 + 3 * gradient, l1, l2, gradient].map((v) => expect.closeTo(v, 9)));
});

test("code usage counts codes, and their perplexity is that of their distribution", () => {
  expect(codeUsage(new Map([[3n, 5], [9n, 5]]))).toEqual({ codes: 2, perplexity: expect.closeTo(2, 9) });
  expect(codeUsage(new Map([[3n, 10]]))).toEqual({ codes: 1, perplexity: 1 });
});

test("a few steps on one clip bring the loss down, and the pictures nearer", async () => {
  await makeDemoClip(join(folder, "clip.mp4"), { width: 16, height: 16, frames: 5, fps: 10 });
  const settings = tokenizerSettings.parse({ kind: "CV4x4x4", width: 16, multipliers: [1], blocks: 1, data: { width: 16, height: 16, frames: 5 }, steps: 30, batch: 1, logEvery: 1, optimizer: { lr: 5e-3, warmupSteps: 3 } });
  const runtime = await openRuntime({ threads: 1 });
  try {
    const seen: number[] = [];
    await trainTokenizer({ data: [join(folder, "clip.mp4")], out: join(folder, "run"), settings, runtime, measure: (a, b) => {
      seen.push(a.frames.reduce((sum, byte, i) => sum + Math.abs(byte - b.frames[i]!), 0) / a.frames.length);
      return {};
    } });
    const losses = readFileSync(join(folder, "run/metrics.jsonl"), "utf8").trim().split("\n").flatMap((line) => (JSON.parse(line) as { "train/loss"?: number })["train/loss"] ?? []);
    expect(losses).toHaveLength(30);
    expect(losses.at(-1)!).toBeLessThan(losses[0]! * 0.4);
    // The mean error of a byte: the clip is nearly reproduced.
    expect(seen.at(-1)!).toBeLessThan(20);
  } finally {
    await runtime.close();
  }
}, 120_000);
