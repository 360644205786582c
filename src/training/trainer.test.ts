import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { linear, parameters } from "../nn/index.ts";
import { input, mean, square, sub, tanh } from "../tensor/index.ts";
import { RandomState } from "../tensor/random.ts";
import { hostTensor, openRuntime, type Runtime } from "../tensor/runtime/node.ts";
import { defaultAdamW, train, type AdamWOptions, type Task, type TrainOptions } from "./index.ts";

const folder = mkdtempSync(join(tmpdir(), "orrery-train-"));
let runtime: Runtime;
beforeAll(async () => {
  runtime = await openRuntime({ threads: 1 });
});
afterAll(async () => {
  await runtime.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Learns sin of the sum of three numbers. */
function task(): Task {
  const all = parameters();
  const x = input("x", [16, 3]);
  const answer = linear(all.root.in("out"), tanh(linear(all.root.in("hidden"), x, 8)), 1);
  return {
    title: "training a test",
    parameters: all,
    loss: mean(square(sub(answer, input("y", [16, 1])))),
    feeds: async (microBatch) => {
      const values = new RandomState(microBatch).standardNormalFloat32(48);
      const sums = Float32Array.from({ length: 16 }, (_, i) => Math.sin(values[3 * i]! + values[3 * i + 1]! + values[3 * i + 2]!));
      return { x: hostTensor("float32", [16, 3], values), y: hostTensor("float32", [16, 1], sums) };
    },
  };
}

const options = (out: string, change: Partial<AdamWOptions> = {}, steps = 30): TrainOptions => ({
  out: join(folder, out),
  seed: 3,
  schedule: { lr: 0.02, warmupSteps: 3, steps, floor: 0.1 },
  optimizer: { ...defaultAdamW, emaDecay: 0.9, ...change },
  saveEvery: 10,
  keepCheckpoints: 2,
  logEvery: 1,
  sampleEvery: 1000,
  settings: { lr: 0.02 },
});

const losses = (out: string): number[] => readFileSync(join(folder, out, "metrics.jsonl"), "utf8").trim().split("\n").map((l) => (JSON.parse(l) as { "train/loss": number })["train/loss"]);

test.each([1, 3])("a run that is stopped and continued ends with the same bits, accumulating %i", async (accumulate) => {
  const whole = await train(task(), runtime, options(`whole${accumulate}`, { accumulate }));
  const stop = new AbortController();
  const cut = options(`cut${accumulate}`, { accumulate });
  const interrupted = train(task(), runtime, { ...cut, signal: stop.signal, progress: ({ done }) => done === 13 && stop.abort() });
  await expect(interrupted).rejects.toMatchObject({ code: "cancelled", exitCode: 130 });
  const continued = await train(task(), runtime, cut);
  for (const [name, values] of whole.weights) expect([...continued.weights.get(name)!], name).toEqual([...values]);
  expect(losses(`cut${accumulate}`)).toEqual(losses(`whole${accumulate}`));
  expect(losses(`whole${accumulate}`)).toHaveLength(30);
  expect(losses(`whole${accumulate}`).at(-1)!).toBeLessThan(losses(`whole${accumulate}`)[0]! * 0.8);
});

test("a run is not continued with other settings", async () => {
  await train(task(), runtime, options("settled", {}, 2));
  await expect(train(task(), runtime, { ...options("settled", {}, 4), settings: { lr: 0.5 } })).rejects.toMatchObject({ code: "bad_config" });
});

test("a loss that is no number stops the run and names the last good checkpoint", async () => {
  const bad = { ...task(), feeds: async () => ({ x: hostTensor("float32", [16, 3], new Float32Array(48).fill(Number.NaN)), y: hostTensor("float32", [16, 1], new Float32Array(16)) }) };
  await expect(train(bad, runtime, options("bad"))).rejects.toMatchObject({ code: "diverged" });
});
