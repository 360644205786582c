/** What the benchmarks of this folder share: timing, weights that both sides load, and results that `compare.mjs` reads. */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { openSafetensors, writeSafetensors } from "../dist/weights/index.js";
import { RandomState } from "../dist/tensor/random.js";

export const threads = Number(process.env.THREADS ?? 2);

/** Where the two sides exchange weights, inputs and answers. */
export const folder = process.argv[2] ?? "/tmp/orrery-benchmark";
mkdirSync(folder, { recursive: true });

/**
 * Times `f`, after runs that do not count, and prints one line of JSON: milliseconds by the clock and of the processor. With
 * THREADS=1 the latter means something on a busy machine too, because nobody waits spinning. RUNS overrides the number.
 */
export async function time(name, runs, f, warmup = 3) {
  for (let i = 0; i < Math.min(warmup, Number(process.env.RUNS ?? warmup)); i++) await f();
  const [ms, cpu] = [[], []];
  for (let i = 0; i < Number(process.env.RUNS ?? runs); i++) {
    const [start, used] = [performance.now(), process.cpuUsage()];
    await f();
    ms.push(performance.now() - start);
    const { user, system } = process.cpuUsage(used);
    cpu.push((user + system) / 1000);
  }
  console.log(JSON.stringify({ name, ms, cpu }));
}

export const report = (name, value) => console.log(JSON.stringify({ name, value }));

/** The largest resident size so far, in MB. */
export const peak = () => report("peak memory MB", process.resourceUsage().maxRSS / 1024);

const size = (shape) => shape.reduce((a, b) => a * b, 1);
let seed = 0;
export const normal = (shape, scale = 1) => ({ dtype: "float32", shape, data: new RandomState(seed++).standardNormalFloat32(size(shape)).map((v) => v * scale) });

/** Random weights for all parameters: matrices keep variances, vectors are near one or zero. */
export function weightsOf(parameters) {
  return new Map([...parameters].map(({ name, shape }) => {
    const { data } = normal(shape, shape.length > 1 ? 1 / Math.sqrt(size(shape.slice(1))) : 0.1);
    return [name, shape.length > 1 || name.endsWith("bias") ? data : data.map((v) => v + 1)];
  }));
}

/** The buffers of a training step (`buildStep`) at their start. */
export const initialState = (state, weights) =>
  state.map((s) => {
    const initial = new Float32Array(size(s.shape));
    let at = 0;
    if (s.start === "parameter") for (const { parameter } of s.parts) {
      initial.set(weights.get(parameter.name), at);
      at += size(parameter.shape);
    }
    return { input: s.name, output: `next/${s.name}`, initial };
  });

export async function save(file, tensors) {
  const entries = Object.entries(tensors).map(([name, { shape, data }]) => ({ name, dtype: data instanceof BigInt64Array ? "I64" : "F32", shape, data }));
  await writeSafetensors(join(folder, file), entries);
}

/** The largest difference to what the other side has left in `file`, relative to its largest value. */
export async function agree(name, file, { data }) {
  if (!existsSync(join(folder, file))) return;
  const other = await openSafetensors(join(folder, file));
  const want = await other.readF32(name);
  await other.close();
  let [worst, largest] = [0, 0];
  want.forEach((v, i) => ([worst, largest] = [Math.max(worst, Math.abs(v - data[i])), Math.max(largest, Math.abs(v))]));
  report(`difference of ${name}`, worst / largest);
}
