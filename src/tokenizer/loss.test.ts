/** The loss of a tokenizer, against a hand computation, and training on one clip: it goes down, and it starts low where it can. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { evaluateGraph, input } from "../tensor/index.ts";
import { RandomState } from "../tensor/random.ts";
import { openRuntime, type Runtime } from "../tensor/runtime/node.ts";
import { makeDemoClip } from "../video/index.ts";
import { reconstructionLoss } from "./loss.ts";
import { codeUsage, trainTokenizer } from "./train.ts";
import { principalComponents } from "./principal-start.ts";
import { tokenizerSettings, type TokenizerSettingsInput } from "./training-settings.ts";

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

describe("on one clip", () => {
  let runtime: Runtime;
  beforeAll(async () => {
    await makeDemoClip(join(folder, "clip.mp4"), { width: 16, height: 16, frames: 5, fps: 10 });
    runtime = await openRuntime({ threads: 1 });
  });
  afterAll(() => runtime.close());

  /** Trains and gives the losses and the final mean error of a byte. */
  async function run(name: string, settings: TokenizerSettingsInput): Promise<{ losses: number[]; error: number }> {
    let error = Number.NaN;
    await trainTokenizer({
      data: [join(folder, "clip.mp4")], out: join(folder, name), runtime,
      settings: tokenizerSettings.parse({ kind: "CV4x4x4", multipliers: [1], blocks: 1, latentChannels: 4, data: { width: 16, height: 16, frames: 5 }, batch: 1, logEvery: 1, ...settings }),
      measure: (a, b) => {
        error = a.frames.reduce((sum, byte, i) => sum + Math.abs(byte - b.frames[i]!), 0) / a.frames.length;
        return {};
      },
    });
    const losses = readFileSync(join(folder, name, "metrics.jsonl"), "utf8").trim().split("\n").flatMap((line) => (JSON.parse(line) as { "train/loss"?: number })["train/loss"] ?? []);
    return { losses, error };
  }

  test("training from afresh brings the loss down", async () => {
    const { losses } = await run("random", { start: "random", width: 16, steps: 30, optimizer: { lr: 4e-3, warmupSteps: 3 } });
    expect(losses).toHaveLength(30);
    expect(losses.at(-1)!).toBeLessThan(losses[0]! * 0.8);
  }, 120_000);

  test("a network with room for it starts as a linear autoencoder, which no training from afresh reaches so soon", async () => {
    const { losses, error } = await run("components", { width: 10, steps: 1, optimizer: { lr: 1e-9 } });
    expect(error).toBeLessThan(12);
    const { losses: afresh } = await run("none", { start: "random", width: 10, steps: 1, optimizer: { lr: 1e-9 } });
    expect(losses[0]).toBeLessThan(afresh[0]! / 2);
  }, 120_000);
});

test("principal components are those of a covariance with known axes", () => {
  const random = new RandomState(1);
  const axes = [[0.6, 0.8, 0], [-0.8, 0.6, 0], [0, 0, 1]];
  const data = Float32Array.from({ length: 3 * 4000 });
  for (let r = 0; r < 4000; r++) {
    const along = [3 * random.gaussian(), random.gaussian(), 0.1 * random.gaussian()];
    for (let i = 0; i < 3; i++) data[r * 3 + i] = 5 * i + axes.reduce((sum, axis, k) => sum + axis[i]! * along[k]!, 0);
  }
  const { mean, vectors, variances } = principalComponents(data, 3, 2);
  expect([...mean]).toEqual([0, 5, 10].map((m) => expect.closeTo(m, 0)));
  expect(variances[0]! / 9).toBeCloseTo(1, 1);
  expect(variances[1]!).toBeCloseTo(1, 1);
  vectors.forEach((v, k) => expect(Math.abs(v.reduce((sum, x, i) => sum + x * axes[k]![i]!, 0))).toBeCloseTo(1, 2));
});
