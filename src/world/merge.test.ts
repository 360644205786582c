/** Adapters on disk, in PEFT's layout and under NVIDIA's names; put into a model, taken out of it, and refused. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { saveTinyDiffusion } from "../generation/tiny-models.cases.ts";
import { isTarget, withLora, type Parameter } from "../nn/index.ts";
import { openAdapter, openComponent, openPipeline, parseAdapterSpec, readComponentWeights, saveAdapter, type Component } from "../registry/index.ts";
import { compile, input } from "../tensor/index.ts";
import { RandomState } from "../tensor/random.ts";
import { hostTensor, openRuntime, type Runtime } from "../tensor/runtime/node.ts";
import { openSafetensors, writeSafetensors } from "../weights/index.ts";
import { parameters } from "../nn/index.ts";
import { parseTransformerConfig } from "./config.ts";
import { cosmosTransformer } from "./diffusion/transformer.ts";
import { mergeAdapters } from "./merge.ts";
import { parametersOf } from "./networks.ts";

const root = mkdtempSync(join(tmpdir(), "orrery-merge-"));
const at = (...names: string[]): string => join(root, ...names);
const lora = { rank: 2, alpha: 3, targets: ["to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2"] };
let runtime: Runtime;
let component: Component;
const values = new Map<string, Float32Array>();
let adapters: Parameter[];

const forward = (scope: ReturnType<typeof parameters>["root"]) =>
  cosmosTransformer(scope, { hiddenStates: input("x", [1, 4, 2, 4, 6]), timestep: input("level", [1]), conditionMask: input("mask", [1, 1, 2, 4, 6]), encoderHiddenStates: input("text", [1, 3, 8]) }, parseTransformerConfig(component.config));

beforeAll(async () => {
  await saveTinyDiffusion(at("base"));
  component = await openComponent(at("base/transformer"));
  const adapted = withLora(parameters().root, lora);
  forward(adapted.root);
  adapters = [...adapted.adapters.all.values()];
  const random = new RandomState(4);
  for (const { name, shape } of adapters) values.set(name, random.standardNormalFloat32(shape[0]! * shape[1]!).map((v) => v * 0.3));
  await saveAdapter(at("adapter"), { ...lora, base: "base" }, adapters, values);
  runtime = await openRuntime({ threads: 1 });
});
afterAll(async () => {
  await runtime.close();
  rmSync(root, { recursive: true, force: true });
});

async function answer(folder: string, adapted: boolean): Promise<Float32Array> {
  const plain = parameters();
  const y = forward(adapted ? withLora(plain.root, lora).root : plain.root);
  const random = new RandomState(9);
  const feed = (shape: readonly number[]) => hostTensor("float32", shape, random.standardNormalFloat32(shape.reduce((a, b) => a * b, 1)));
  const weights = new Map([...(await readComponentWeights(await openComponent(folder), plain.all.values())), ...(adapted ? values : [])]);
  const executable = await runtime.load(compile({ outputs: { y }, weights }));
  const { y: found } = await executable.run({ x: feed([1, 4, 2, 4, 6]), level: feed([1]), mask: feed([1, 1, 2, 4, 6]), text: feed([1, 3, 8]) });
  await executable.release();
  return found!.data as Float32Array;
}

const apart = (a: Float32Array, b: Float32Array): number => Math.max(...a.map((v, i) => Math.abs(v - b[i]!)));
const weightsOf = async (folder: string): Promise<Map<string, Float32Array>> => readComponentWeights(await openComponent(folder), parametersOf(await openComponent(folder))!);

test("merged weights answer what base and adapter answer together, and unmerged ones are the base again", async () => {
  const { layers } = await mergeAdapters(at("base"), [at("adapter")], at("merged"));
  // Two blocks of two attentions with four projections each, and the two layers of the perceptron.
  expect(layers).toBe(2 * (2 * 4 + 2));
  expect((await openPipeline(at("merged"))).generation.family).toBe("diffusion");
  const [together, merged, base] = [await answer(at("base/transformer"), true), await answer(at("merged/transformer"), false), await answer(at("base/transformer"), false)];
  expect(apart(together, merged)).toBeLessThan(1e-5);
  expect(apart(base, merged)).toBeGreaterThan(1e-2);
  await mergeAdapters(at("merged"), [at("adapter")], at("again"), { undo: true });
  const [before, after] = [await weightsOf(at("base/transformer")), await weightsOf(at("again/transformer"))];
  for (const [name, weight] of before) expect(apart(weight, after.get(name)!), name).toBeLessThan(1e-6);
  expect(readFileSync(at("merged/vae/diffusion_pytorch_model.safetensors")).equals(readFileSync(at("base/vae/diffusion_pytorch_model.safetensors")))).toBe(true);
});

test("a scale counts, and none is none", async () => {
  await mergeAdapters(at("base/transformer"), [`${at("adapter")}:0`], at("none"));
  await mergeAdapters(at("base/transformer"), [`${at("adapter")}:0.25`, `${at("adapter")}:0.75`], at("parts"));
  await mergeAdapters(at("base/transformer"), [at("adapter")], at("whole"));
  const [base, none, parts, whole] = await Promise.all(["base/transformer", "none", "parts", "whole"].map((name) => weightsOf(at(name))));
  for (const [name, weight] of base!) {
    expect(apart(weight, none!.get(name)!), name).toBe(0);
    expect(apart(parts!.get(name)!, whole!.get(name)!), name).toBeLessThan(1e-6);
  }
  expect(parseAdapterSpec("C:/a:b")).toEqual({ folder: "C:/a:b", scale: 1 });
  expect(() => parseAdapterSpec("a:1e9")).not.toThrow();
  expect(() => parseAdapterSpec("a:900")).toThrow(expect.objectContaining({ code: "bad_argument" }) as Error);
});

test("the file is PEFT's: its names, its configuration", async () => {
  const checkpoint = await openSafetensors(at("adapter/adapter_model.safetensors"));
  expect(checkpoint.names().sort().slice(0, 2)).toEqual(["base_model.model.transformer_blocks.0.attn1.to_k.lora_A.weight", "base_model.model.transformer_blocks.0.attn1.to_k.lora_B.weight"]);
  await checkpoint.close();
  expect(JSON.parse(readFileSync(at("adapter/adapter_config.json"), "utf8"))).toMatchObject({ peft_type: "LORA", r: 2, lora_alpha: 3, target_modules: lora.targets, base_model_name_or_path: "base", bias: "none" });
  expect(adapters.every(({ name }) => isTarget(name.replace(/\.lora_[AB]\.weight$/, ""), lora.targets))).toBe(true);
});

/** A copy of the adapter with another configuration, or other tensors. */
async function changed(name: string, config: Record<string, unknown>, rename: (name: string) => string | undefined = (n) => n): Promise<string> {
  await saveAdapter(at(name), { ...lora, base: "base" }, adapters, values);
  const path = at(name, "adapter_config.json");
  writeFileSync(path, JSON.stringify({ ...(JSON.parse(readFileSync(path, "utf8")) as object), ...config }));
  await writeSafetensors(at(name, "adapter_model.safetensors"), adapters.flatMap((p) => {
    const to = rename(`base_model.model.${p.name}`);
    return to === undefined ? [] : [{ name: to, dtype: "F32" as const, shape: p.shape, data: values.get(p.name)! }];
  }));
  return at(name);
}

test("an adapter under the names of NVIDIA's 2.x networks is the same adapter", async () => {
  const names: [RegExp, string][] = [[/transformer_blocks\.(\d+)/, "blocks.$1"], [/attn1/, "self_attn"], [/attn2/, "cross_attn"], [/to_([qkv])/, "$1_proj"], [/to_out\.0/, "output_proj"], [/ff\.net\.0\.proj/, "mlp.layer1"], [/ff\.net\.2/, "mlp.layer2"]];
  const foreign = await openAdapter(await changed("foreign", {}, (n) => names.reduce((s, [from, to]) => s.replace(from, to), n)));
  const own = await openAdapter(at("adapter"));
  expect(new Map(foreign.updates)).toEqual(new Map(own.updates));
  expect(await foreign.read("transformer_blocks.1.ff.net.2.weight")).toEqual(await own.read("transformer_blocks.1.ff.net.2.weight"));
  await foreign.close();
  await own.close();
});

test.each<[string, Record<string, unknown>, ((name: string) => string | undefined) | undefined, string, RegExp]>([
  ["DoRA", { use_dora: true }, undefined, "bad_config", /use_dora/],
  ["strengths of its own for some layers", { alpha_pattern: { to_q: 2 } }, undefined, "bad_config", /alpha_pattern/],
  ["another method", { peft_type: "IA3" }, undefined, "bad_config", /peft_type/],
  ["an A without its B", {}, (n) => (n.includes("0.attn1.to_q.lora_B") ? undefined : n), "bad_checkpoint", /an A and no B/],
  ["layers that are not there", {}, (n) => n.replace("transformer_blocks.1", "transformer_blocks.7"), "bad_checkpoint", /not there.*trained upon base/],
])("an adapter with %s is refused", async (_, config, rename, code, message) => {
  const folder = await changed("refused", config, rename);
  await expect(mergeAdapters(at("base"), [folder], at("out"))).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
});
