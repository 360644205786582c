/** Golden answers for tests; see `testdata/README.md`. Weights, inputs and probes are drawn from their names, not stored. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Parameters } from "../nn/index.ts";
import { size, type Shape } from "../tensor/index.ts";
import { RandomState } from "../tensor/random.ts";
import { hostTensor, type HostTensor } from "../tensor/runtime/node.ts";
import { openSafetensors } from "../weights/index.ts";
import { parseTokenizerConfig, type TokenizerConfig } from "./index.ts";

const folder = fileURLToPath(new URL("./testdata", import.meta.url));

export interface Golden {
  name: string;
  config: TokenizerConfig;
  inputShape: number[];
  values: Map<string, { shape: number[]; data: Float32Array }>;
}

export const goldenNames = readdirSync(folder, { withFileTypes: true }).filter((e) => e.isDirectory()).map((e) => e.name);

export const goldenConfig = (name: string): TokenizerConfig => parseTokenizerConfig(JSON.parse(readFileSync(`${folder}/${name}/config.json`, "utf8")));

export async function readGolden(name: string): Promise<Golden> {
  const file = await openSafetensors(`${folder}/${name}/golden.safetensors`);
  try {
    const values: Golden["values"] = new Map();
    for (const key of file.names()) values.set(key, { shape: [...file.info(key).shape], data: await file.readF32(key) });
    return { name, config: goldenConfig(name), inputShape: JSON.parse(file.metadata.get("input_shape")!) as number[], values };
  } finally {
    await file.close();
  }
}

/** Standard normal numbers that belong to a name. */
export function drawn(name: string, shape: Shape): Float32Array {
  let seed = 0;
  for (const byte of new TextEncoder().encode(name)) seed = (seed * 31 + byte) % 2 ** 32;
  return new RandomState(seed).standardNormalFloat32(size(shape));
}

export const drawnInput = (shape: Shape): HostTensor => hostTensor("float32", shape, drawn("input", shape).map((v) => v * 0.5));

/** Values for every parameter: kernels by fan-in, biases small, scales of norms around 1. */
export function drawnWeights({ all }: Parameters): Record<string, HostTensor> {
  return Object.fromEntries(
    [...all.values()].map(({ name, shape }) => {
      const kernel = shape.length > 1;
      const scale = kernel ? Math.fround(1 / Math.sqrt(size(shape.slice(1)))) : Math.fround(0.1);
      const centre = !kernel && name.endsWith("weight") ? 1 : 0;
      return [name, hostTensor("float32", shape, drawn(name, shape).map((v) => v * scale + centre))];
    }),
  );
}

/** Largest absolute difference over the largest absolute expected value. */
export function difference(actual: ArrayLike<number | bigint>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Infinity;
  let [worst, largest] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    const gap = Math.abs(Number(actual[i]) - expected[i]!);
    if (Number.isNaN(gap)) return NaN;
    worst = Math.max(worst, gap);
    largest = Math.max(largest, Math.abs(expected[i]!));
  }
  return largest === 0 ? worst : worst / largest;
}
