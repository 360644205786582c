/** Golden tensors for tests: a folder with `config.json`, weights and `golden.safetensors`, as in shared/parity. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openSafetensors } from "../weights/index.ts";

export interface Golden {
  shape: number[];
  data: Float32Array | Float64Array;
}

export const testdata = (...path: string[]): string => join(fileURLToPath(new URL("./testdata", import.meta.url)), ...path);

export async function readGoldens(path: string): Promise<{ tensors: Map<string, Golden>; metadata: Record<string, string> }> {
  const file = await openSafetensors(path);
  const tensors = new Map<string, Golden>();
  for (const name of file.names()) {
    const { shape, dtype } = file.info(name);
    tensors.set(name, { shape: [...shape], data: dtype === "F64" ? new Float64Array(new Uint8Array(await file.read(name)).buffer) : await file.readF32(name) });
  }
  await file.close();
  return { tensors, metadata: Object.fromEntries(file.metadata) };
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
