/** Golden tensors for tests: a folder with `config.json`, weights and `golden.safetensors`, as in shared/parity. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export interface Golden {
  shape: number[];
  data: Float32Array | Float64Array;
}

export const testdata = (...path: string[]): string => join(fileURLToPath(new URL("./testdata", import.meta.url)), ...path);

export function readGoldens(path: string): { tensors: Map<string, Golden>; metadata: Record<string, string> } {
  const file = readFileSync(path);
  const length = Number(file.readBigUInt64LE(0));
  const { __metadata__: metadata = {}, ...entries } = JSON.parse(file.toString("utf8", 8, 8 + length)) as Record<string, never>;
  const tensors = new Map<string, Golden>();
  for (const [name, { dtype, shape, data_offsets: [start, end] }] of Object.entries(entries as Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>)) {
    const bytes = new Uint8Array(file.subarray(8 + length + start, 8 + length + end)).buffer;
    tensors.set(name, { shape, data: dtype === "F64" ? new Float64Array(bytes) : new Float32Array(bytes) });
  }
  return { tensors, metadata };
}

export const readConfig = (path: string): Record<string, unknown> => JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;

/** Largest absolute difference over the largest absolute expected value. */
export function difference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Infinity;
  let [worst, largest] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    worst = Math.max(worst, Math.abs(actual[i]! - expected[i]!));
    largest = Math.max(largest, Math.abs(expected[i]!));
    if (Number.isNaN(actual[i])) return NaN;
  }
  return largest === 0 ? worst : worst / largest;
}
