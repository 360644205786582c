/** Starting values of parameters, drawn from a seeded generator, each from a stream of its own so that order does not matter. */
import { createHash } from "node:crypto";
import { RandomState } from "../tensor/random.ts";
import { size } from "../tensor/index.ts";
import type { Parameter } from "../nn/index.ts";

/** The values a parameter starts with under `seed`. */
export function initialValue({ name, shape, init }: Parameter, seed: number): Float32Array {
  const count = size(shape);
  if (init.kind === "zeros") return new Float32Array(count);
  if (init.kind === "ones") return new Float32Array(count).fill(1);
  if (init.kind === "constant") return new Float32Array(count).fill(init.value);
  const random = new RandomState(createHash("sha256").update(`${seed} ${name}`).digest().readUInt32LE(0));
  if (init.kind === "uniform") return Float32Array.from({ length: count }, () => (2 * random.random() - 1) * init.bound);
  const limit = init.truncate ?? Infinity;
  return Float32Array.from({ length: count }, () => {
    for (;;) {
      const z = random.gaussian();
      if (Math.abs(z) <= limit) return z * init.std;
    }
  });
}

/** All starting values by name. */
export const initialize = (parameters: Iterable<Parameter>, seed: number): Map<string, Float32Array> => new Map([...parameters].map((p) => [p.name, initialValue(p, seed)]));
