/**
 * LoRA adapters on disk, in PEFT's layout: `adapter_config.json` says rank, alpha and targets, `adapter_model.safetensors` holds
 * `base_model.model.PATH.lora_A.weight` and `…lora_B.weight`, and whole parameters (`modules_to_save`) under their plain names
 * behind the same prefix. Adapters whose paths are those of NVIDIA's 2.x networks are read too.
 */
import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { fromSystemError, OrreryError } from "../errors.ts";
import { mergeLora, type Lora, type Parameter } from "../nn/index.ts";
import { sameShape } from "../tensor/index.ts";
import { detectNaming, openSafetensors, translateKeys, writeSafetensors, type Checkpoint } from "../weights/index.ts";
import { bindWeights, type Bound } from "./bind.ts";
import { readJson, writeJson, type Component } from "./model-folder.ts";

const configFile = "adapter_config.json";
const weightsFile = "adapter_model.safetensors";
const prefix = "base_model.model.";

const nothing = z.union([z.literal(false), z.null()]).optional();
const none = z.union([z.record(z.string(), z.never()), z.null()]).optional();

/** The part of PEFT's `LoraConfig` that changes what is computed; what Orrery does not compute is refused by name. */
const schema = z.looseObject({
  peft_type: z.literal("LORA"),
  base_model_name_or_path: z.string().nullish(),
  r: z.int().positive().max(65_536),
  lora_alpha: z.number(),
  target_modules: z.union([z.array(z.string()), z.string()]),
  modules_to_save: z.array(z.string()).nullish(),
  use_rslora: z.boolean().default(false),
  use_dora: nothing,
  fan_in_fan_out: nothing,
  bias: z.literal("none").default("none"),
  lora_bias: nothing,
  alpha_pattern: none,
});

export interface SavedAdapter extends Lora {
  /** The model that it was trained upon. */
  base: string;
}

/**
 * Writes an adapter. `parameters` are those of `withLora` and of what was learned as a whole; `weights` has their values.
 * @throws `internal` for one without a value, `disk_full`, `io_failed`.
 */
export async function saveAdapter(folder: string, { rank, alpha, targets, base }: SavedAdapter, parameters: Iterable<Parameter>, weights: ReadonlyMap<string, Float32Array>): Promise<void> {
  const all = [...parameters];
  const modules = new Set(all.filter(({ name }) => !isLoraName(name)).map(({ name }) => name.replace(/\.[^.]*$/, "")));
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw fromSystemError(error, folder);
  });
  const entries = all.map(({ name, shape }) => {
    const data = weights.get(name);
    if (!data) throw new OrreryError("internal", `no values for ${name}`);
    return { name: prefix + name, dtype: "F32" as const, shape: [...shape], data };
  });
  await writeSafetensors(join(folder, weightsFile), entries, { format: "pt" });
  await writeJson(join(folder, configFile), {
    base_model_name_or_path: base, bias: "none", fan_in_fan_out: false, inference_mode: true, init_lora_weights: true, lora_alpha: alpha, lora_dropout: 0, modules_to_save: modules.size > 0 ? [...modules] : null,
    peft_type: "LORA", r: rank, target_modules: [...targets], task_type: null, use_dora: false, use_rslora: false,
  });
}

const isLoraName = (name: string): boolean => /\.lora_[AB]\.weight$/.test(name);

/** The update of one layer. */
interface Update {
  rank: number;
  inputs: number;
  outputs: number;
  scale: number;
}

export interface Adapter {
  folder: string;
  base: string | undefined;
  rank: number;
  targets: readonly string[];
  /** Layers that it changes, by the name of their weight. */
  readonly updates: ReadonlyMap<string, Update>;
  /** Parameters that it brings as a whole. */
  readonly whole: readonly string[];
  /** A and B of a layer, or the values of a whole parameter. */
  read(weight: string): Promise<{ a: Float32Array; b: Float32Array } | Float32Array>;
  close(): Promise<void>;
}

export interface ScaledAdapter {
  adapter: Adapter;
  /** 1 is as it was learned, 0 is none. */
  scale: number;
}

/** "DIR" or "DIR:0.8", as on the command line. @throws `bad_argument`. */
export function parseAdapterSpec(text: string): { folder: string; scale: number } {
  const match = /^(.*):([+-]?(?:\d+\.?\d*|\.\d+))$/.exec(text);
  const [folder, scale] = match ? [match[1]!, Number(match[2])] : [text, 1];
  if (folder === "" || !(Math.abs(scale) <= 100)) throw new OrreryError("bad_argument", `"${text}" names no adapter; expected its folder, or folder and scale such as runs/tuned/adapter:0.8`);
  return { folder, scale };
}

/**
 * Opens an adapter's folder.
 * @throws `file_not_found`, `bad_config` for what Orrery does not compute, `bad_checkpoint` for tensors that do not belong together.
 */
export async function openAdapter(folder: string): Promise<Adapter> {
  const path = join(folder, configFile);
  const parsed = schema.safeParse(await readJson(path));
  if (!parsed.success) throw new OrreryError("bad_config", `${path} is not an adapter that Orrery can compute: ${parsed.error.issues.map((i) => `${i.path.join(".") || "fields"}: ${i.message}`).join("; ")}`);
  const { r, lora_alpha: alpha, target_modules: targets, use_rslora: stabilised, base_model_name_or_path: base } = parsed.data;
  const checkpoint = await openSafetensors(join(folder, weightsFile));
  try {
    const places = namesIn(checkpoint);
    const updates = new Map<string, Update>();
    const bad = (what: string): never => {
      throw new OrreryError("bad_checkpoint", `${checkpoint.path}: ${what}`);
    };
    for (const name of places.keys()) {
      if (!name.endsWith(".lora_A.weight")) continue;
      const layer = name.slice(0, -".lora_A.weight".length);
      const [a, b] = [checkpoint.info(places.get(name)!).shape, places.has(`${layer}.lora_B.weight`) ? checkpoint.info(places.get(`${layer}.lora_B.weight`)!).shape : bad(`${layer} has an A and no B`)];
      if (a.length !== 2 || b.length !== 2 || a[0] !== b[1] || a[0]! < 1) bad(`A and B of ${layer} are [${a.join(", ")}] and [${b.join(", ")}], which cannot be multiplied`);
      updates.set(`${layer}.weight`, { rank: a[0]!, inputs: a[1]!, outputs: b[0]!, scale: alpha / (stabilised ? Math.sqrt(a[0]!) : a[0]!) });
    }
    const whole = [...places.keys()].filter((name) => !isLoraName(name));
    if (updates.size === 0) bad("it holds no lora_A and lora_B");
    return {
      folder, base: base ?? undefined, rank: r, targets: typeof targets === "string" ? [targets] : targets, updates, whole,
      async read(weight) {
        if (!updates.has(weight)) return checkpoint.readF32(places.get(weight) ?? weight);
        const layer = weight.slice(0, -".weight".length);
        return { a: await checkpoint.readF32(places.get(`${layer}.lora_A.weight`)!), b: await checkpoint.readF32(places.get(`${layer}.lora_B.weight`)!) };
      },
      close: () => checkpoint.close(),
    };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

/** Names in the network's own naming, to those in the file. */
function namesIn(checkpoint: Checkpoint): Map<string, string> {
  const plain = new Map(checkpoint.names().map((name) => [name.replace(/^base_model\.model\./, "").replace(/^(transformer|diffusion_model|net)\./, "").replace(/\.lora_([AB])\.default\.weight$/, ".lora_$1.weight"), name]));
  // Translation is of weights' names, so it is asked for the layer's and the ending is put back.
  const layers = [...new Set([...plain.keys()].map((name) => name.replace(/\.lora_[AB]\.weight$/, ".weight")))];
  const naming = detectNaming(layers);
  if (naming !== "cosmos-transformer-2" && naming !== "cosmos-transformer-1") return plain;
  const out = new Map<string, string>();
  for (const [to, from] of translateKeys(layers, naming, "diffusers-transformer"))
    for (const ending of [".lora_A.weight", ".lora_B.weight", ".weight"]) {
      const found = plain.get(from.replace(/\.weight$/, ending));
      if (found !== undefined) out.set(to.replace(/\.weight$/, ending), found);
    }
  return out;
}

/** Adapters that are being learned, as if they had been opened. */
export function memoryAdapter({ rank, alpha, targets }: Lora, parameters: Iterable<Parameter>, weights: ReadonlyMap<string, Float32Array>): Adapter {
  const updates = new Map<string, Update>();
  const shapes = new Map([...parameters].map(({ name, shape }) => [name, shape]));
  for (const [name, a] of shapes) {
    const layer = /^(.*)\.lora_A\.weight$/.exec(name)?.[1];
    if (layer !== undefined) updates.set(`${layer}.weight`, { rank, inputs: a[1]!, outputs: shapes.get(`${layer}.lora_B.weight`)![0]!, scale: alpha / rank });
  }
  return {
    folder: "the adapters in training", base: undefined, rank, targets, updates, whole: [],
    read: async (weight) => ({ a: weights.get(weight.replace(/weight$/, "lora_A.weight"))!, b: weights.get(weight.replace(/weight$/, "lora_B.weight"))! }),
    close: async () => {},
  };
}

/** A weight with an adapter's update put in, `scale` times as strong; -1 takes it out again. */
export async function adaptedWeight(adapter: Adapter, name: string, weight: Float32Array, scale: number): Promise<Float32Array> {
  const update = adapter.updates.get(name);
  const values = await adapter.read(name);
  if (!update || values instanceof Float32Array) return values as Float32Array;
  return mergeLora(weight, values.a, values.b, update.rank, scale * update.scale);
}

/** @throws `bad_checkpoint` when the adapter changes layers that the network has not, or has in other shapes. */
export function checkAdapter(adapter: Adapter, parameters: Iterable<Parameter>): void {
  const shapes = new Map([...parameters].map(({ name, shape }) => [name, shape]));
  const wrong = [...adapter.updates].filter(([name, { inputs, outputs }]) => !sameShape(shapes.get(name) ?? [], [outputs, inputs])).map(([name, { inputs, outputs }]) => `${name} is [${shapes.get(name)?.join(", ") ?? "not there"}], the adapter is for [${outputs}, ${inputs}]`);
  wrong.push(...adapter.whole.filter((name) => !shapes.has(name)).map((name) => `${name} is not there`));
  if (wrong.length > 0) throw new OrreryError("bad_checkpoint", `${adapter.folder} does not belong to this network: ${wrong.slice(0, 3).join("; ")}${wrong.length > 3 ? ` and ${wrong.length - 3} more` : ""}${adapter.base === undefined ? "" : `. It was trained upon ${adapter.base}`}`);
}

/** SHA-256 over what an adapter does to weights, wherever it lies and whatever its base is called. */
export async function adapterSha256(adapter: Adapter): Promise<string> {
  const hash = createHash("sha256");
  const add = (values: Float32Array): unknown => hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  for (const name of [...adapter.updates.keys(), ...adapter.whole].sort()) {
    hash.update(JSON.stringify([name, adapter.updates.get(name) ?? null]));
    const values = await adapter.read(name);
    if (values instanceof Float32Array) add(values);
    else {
      add(values.a);
      add(values.b);
    }
  }
  return hash.digest("hex");
}

/** A component's weights for `compile`, with adapters put in. @throws as `bindWeights` and `checkAdapter`. */
export async function bindComponent(component: Component, parameters: Iterable<Parameter>, adapters: readonly ScaledAdapter[] = []): Promise<Bound> {
  const all = [...parameters];
  const checkpoint = await component.checkpoint();
  try {
    return await bindAdapted(await bindWeights(checkpoint, all), checkpoint, all, adapters);
  } finally {
    await checkpoint.close();
  }
}

/** Weights for a graph with adapters put in, in order: only what they change is read into memory. */
export async function bindAdapted(bound: Bound, checkpoint: Pick<Checkpoint, "readF32">, parameters: Iterable<Parameter>, adapters: readonly ScaledAdapter[]): Promise<Bound> {
  const all = [...parameters];
  const weights = new Map(bound.weights);
  for (const { adapter, scale } of adapters) {
    checkAdapter(adapter, all);
    for (const name of [...adapter.updates.keys(), ...adapter.whole]) {
      const now = weights.get(name);
      weights.set(name, await adaptedWeight(adapter, name, now instanceof Float32Array ? now : await checkpoint.readF32(name), scale));
    }
  }
  return { ...bound, weights };
}
