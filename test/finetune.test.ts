/** `orrery finetune` as a user meets it: whole models and adapters of both families, tokenizers, continuing, merging, official names. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { main } from "../src/cli/main.ts";
import { saveTinyAutoregressive, saveTinyDiffusion } from "../src/generation/tiny-models.cases.ts";
import { makeDemoClip } from "../src/video/index.ts";
import { openCheckpoint, translateKeys, writeSafetensors } from "../src/weights/index.ts";

const folder = mkdtempSync(join(tmpdir(), "orrery-finetune-"));
const at = (...names: string[]): string => join(folder, ...names);
/** Seconds normally; a machine with other work on it takes many times that. */
const patience = 300_000;

async function orrery(...words: string[]): Promise<{ exit: number; out: string; err: string }> {
  const [out, err]: [string[], string[]] = [[], []];
  const exit = await main(words, { stdout: { write: (text) => out.push(text) }, stderr: { write: (text) => err.push(text) }, env: {}, signal: new AbortController().signal });
  return { exit, out: out.join(""), err: err.join("") };
}

const loop = ["steps=4", "batch=2", "logEvery=1", "saveEvery=2", "sampleEvery=100", "optimizer.warmupSteps=0", "optimizer.floor=1", "optimizer.emaDecay=null"];
const finetune = (model: string, out: string, ...more: string[]): ReturnType<typeof orrery> => orrery("finetune", "--model", at(model), "--data", at("balls.mp4"), "--out", at(out), "--threads", "1", ...loop, ...more);

async function weightsOf(path: string): Promise<Map<string, Float32Array>> {
  const checkpoint = await openCheckpoint(at(path));
  const values = new Map<string, Float32Array>();
  for (const name of checkpoint.names()) values.set(name, await checkpoint.readF32(name));
  await checkpoint.close();
  return values;
}
const apart = (a: Map<string, Float32Array>, b: Map<string, Float32Array>): number => Math.max(...[...a].map(([name, values]) => Math.max(...values.map((v, i) => Math.abs(v - b.get(name)![i]!)))));
const losses = (run: string): number[] => readFileSync(at(run, "metrics.jsonl"), "utf8").trim().split("\n").map((line) => (JSON.parse(line) as Record<string, number>)["train/loss"]).filter((loss) => loss !== undefined);

beforeAll(async () => {
  await makeDemoClip(at("balls.mp4"), { width: 48, height: 32, frames: 24, fps: 8 });
  await saveTinyDiffusion(at("diffusion"));
  await saveTinyAutoregressive(at("spelled"));
}, patience);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each([["diffusion", 20], ["spelled", 14]] as const)("%s", (model, layers) => {
  test("adapters are learned, nothing else is, and merged they are the model that was trained", async () => {
    const { exit, out, err } = await finetune(model, `${model}-lora`, "--lora", "rank=2", "alpha=4", "optimizer.lr=0.02", "--merge", "--json");
    expect([exit, err]).toEqual([0, expect.stringContaining("4/4 steps")]);
    const result = JSON.parse(out) as { model: string; parameters: number; lora: { targets: string[] } };
    expect(result.model).toBe(at(`${model}-lora`, "adapter"));
    const adapter = await weightsOf(`${model}-lora/adapter`);
    expect(adapter.size).toBe(2 * layers);
    expect(result.parameters).toBe([...adapter.values()].reduce((sum, v) => sum + v.length, 0));
    // The optimiser's state is that of the adapters alone.
    const state = await openCheckpoint(at(`${model}-lora/checkpoints/step-00000004/state.safetensors`));
    expect(state.names().every((name) => /\.lora_[AB]\.weight$/.test(name))).toBe(true);
    await state.close();
    expect(JSON.parse(readFileSync(at(`${model}-lora/adapter/adapter_config.json`), "utf8"))).toMatchObject({ r: 2, lora_alpha: 4, base_model_name_or_path: at(model), target_modules: result.lora.targets });
    const moved = [...adapter].filter(([name]) => name.includes("lora_B")).filter(([, values]) => values.some((v) => v !== 0));
    expect(moved.length).toBeGreaterThan(0);
    const [base, merged] = [await weightsOf(`${model}/transformer`), await weightsOf(`${model}-lora/model/transformer`)];
    const changed = [...base].filter(([name, values]) => values.some((v, i) => v !== merged.get(name)![i])).map(([name]) => name);
    expect(changed.sort()).toEqual(moved.map(([name]) => name.replace("base_model.model.", "").replace("lora_B.weight", "weight")).sort());
    expect(await orrery("models", "unmerge", at(`${model}-lora/model`), "--lora", at(`${model}-lora/adapter`), "-o", at(`${model}-unmerged`))).toEqual({ exit: 0, out: expect.any(String) as string, err: expect.any(String) as string });
    expect(apart(base, await weightsOf(`${model}-unmerged/transformer`))).toBeLessThan(1e-6);
  }, patience);

  test("stopped and continued, a run of adapters ends with the same bits", async () => {
    const run = `${model}-cut`;
    await finetune(model, run, "--lora", "rank=2", "alpha=4", "optimizer.lr=0.02", "steps=2");
    expect((await finetune(model, run, "--lora", "rank=2", "alpha=4", "optimizer.lr=0.02")).exit).toBe(0);
    expect(losses(run)).toEqual(losses(`${model}-lora`));
    const bytes = (r: string): Buffer => readFileSync(at(r, "adapter/adapter_model.safetensors"));
    expect(bytes(run).equals(bytes(`${model}-lora`))).toBe(true);
    const other = await finetune(model, run, "--lora", "rank=3", "alpha=4", "optimizer.lr=0.02");
    expect([other.exit, other.err]).toEqual([1, expect.stringMatching(/lora was .*"rank":2.*\[bad_config\]/)]);
  }, patience);

  test("a whole model begins where it was, and keeps its ways", async () => {
    expect((await finetune(model, `${model}-still`, "optimizer.lr=1e-12", "optimizer.weightDecay=0", "steps=1")).exit).toBe(0);
    const base = await weightsOf(`${model}/transformer`);
    expect(apart(base, await weightsOf(`${model}-still/model/transformer`))).toBeLessThan(1e-7);
    const kept = (path: string): Record<string, unknown> => {
      const { training: _, ...rest } = JSON.parse(readFileSync(at(path, "orrery.json"), "utf8")) as Record<string, unknown>;
      return rest;
    };
    expect(kept(`${model}-still/model`)).toEqual(kept(model));
    expect((await finetune(model, `${model}-whole`, "optimizer.lr=0.01")).exit).toBe(0);
    expect(apart(base, await weightsOf(`${model}-whole/model/transformer`))).toBeGreaterThan(1e-3);
    // The first step starts from the model, as that of the adapters does, which change nothing yet.
    expect(losses(`${model}-whole`)[0]).toBeCloseTo(losses(`${model}-lora`)[0]!, 4);
  }, patience);
});

test("a tokenizer goes on by itself", async () => {
  const { exit } = await finetune("diffusion/vae", "tokenizer", "data.width=48", "data.height=32", "data.frames=9", "optimizer.lr=1e-12", "steps=1");
  expect(exit).toBe(0);
  expect(apart(await weightsOf("diffusion/vae"), await weightsOf("tokenizer/model"))).toBeLessThan(1e-6);
}, patience);

test("a checkpoint under NVIDIA's names is the same model", async () => {
  cpSync(at("diffusion"), at("official"), { recursive: true });
  const weights = await weightsOf("diffusion/transformer");
  const names = translateKeys(weights.keys(), "diffusers-transformer", "cosmos-transformer-2");
  const shapes = await openCheckpoint(at("diffusion/transformer"));
  await writeSafetensors(at("official/transformer/diffusion_pytorch_model.safetensors"), [...names].map(([to, from]) => ({ name: to, dtype: "F32", shape: shapes.info(from).shape, data: weights.get(from)! })));
  await shapes.close();
  expect([...names.keys()].every((name) => name.startsWith("net."))).toBe(true);
  expect((await finetune("official", "official-whole", "optimizer.lr=0.01")).exit).toBe(0);
  expect(losses("official-whole")).toEqual(losses("diffusion-whole"));
}, patience);

test.each<[string, string, string[], number, RegExp]>([
  ["no model", "", [], 2, /--model is missing|no model/],
  ["a model that is not there", "nowhere", [], 1, /no model .*nowhere.*\[file_not_found\]/],
  ["adapters of a tokenizer", "diffusion/vae", ["--lora", "rank=2"], 2, /leave --lora out/],
  ["a rank that is none", "diffusion", ["--lora", "rank=0"], 2, /rank=0/],
  ["layers that the network has not", "diffusion", ["--lora", "rank=2", "targets=nothing"], 2, /no layer .*nothing/],
  ["another formulation", "diffusion", ["formulation=flow"], 2, /trained as "edm"/],
  ["merging what is no adapter", "diffusion", ["--merge"], 2, /--merge is for adapters/],
  ["a transformer without its tokenizer", "diffusion/transformer", [], 2, /--tokenizer/],
  ["text where the model reads none", "diffusion", ["text.tokens=8"], 2, /without an encoder of text/],
])("%s is refused", async (_, model, more, exit, message) => {
  const outcome = await orrery("finetune", ...(model === "" ? [] : ["--model", at(model)]), "--data", at("balls.mp4"), "--out", at("refused"), "--threads", "1", ...loop, ...more);
  expect([outcome.exit, outcome.err]).toEqual([exit, expect.stringMatching(message)]);
  rmSync(at("refused"), { recursive: true, force: true });
});

test("all settings can be seen, with those of the model", async () => {
  const { out } = await orrery("finetune", "--model", at("diffusion"), "--print-config", "--lora", "rank=4", "steps=7");
  writeFileSync(at("settings.yaml"), out);
  expect(out).toMatch(/steps: 7/);
  expect(out).toMatch(/formulation: edm\n/);
  expect(out).toMatch(/lr: 0.0009765625/);
  expect((await orrery("finetune", "--model", at("diffusion"), "--print-config", "--config", at("settings.yaml"))).out).toBe(out);
});
