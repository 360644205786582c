/**
 * What a runtime is: it loads programs and runs them. Feeds and results are host tensors; *state* (weights, optimiser
 * moments) is held by the loaded program itself in preallocated buffers. What can be overwritten in place is
 * (`Program.inPlace`); everything else has two buffers, of which a run reads one and writes the other, and then they change
 * roles. Nothing is copied. A run that fails may leave state half updated: reload it.
 *
 * Implementations: `ort.ts` drives ONNX Runtime through its common JavaScript interface (Node and browser), `node.ts` puts
 * it into a worker thread because `run()` blocks the thread that calls it, `web.ts` binds onnxruntime-web.
 */
import { dtypes, type DType, type TypedArray } from "../dtype.ts";
import { size, type Shape } from "../shape.ts";
import type { Program } from "../compile.ts";

export interface HostTensor {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly data: TypedArray;
}

/** Checks that the array fits the shape and type. */
export function hostTensor(dtype: DType, shape: Shape, data: TypedArray): HostTensor {
  if (!(data instanceof dtypes[dtype].array)) throw new TypeError(`${data.constructor.name} does not hold ${dtype}`);
  if (data.length !== size(shape)) throw new TypeError(`${data.length} elements for shape [${shape.join(", ")}], which has ${size(shape)}`);
  return { dtype, shape, data };
}

export type Device = "cpu" | "webgpu" | "cuda";

export interface RuntimeOptions {
  device?: Device;
  /** Threads inside an operator; default: all cores. */
  threads?: number;
}

/** A graph input whose next value is a graph output. */
export interface StateSlot {
  input: string;
  output: string;
  initial: TypedArray;
}

export interface LoadOptions {
  state?: readonly StateSlot[];
  /** Folder that external weights are relative to. */
  weightsFolder?: string;
}

export interface Executable {
  readonly program: Program;
  /** Runs once. Every input that is neither state nor weight must be fed, with its exact shape and type. */
  run(feeds: Readonly<Record<string, HostTensor>>): Promise<Record<string, HostTensor>>;
  /** Current values of state, by input name. Through `node.ts` they are copies; in `ort.ts` on the CPU the live buffers, valid until the next run. */
  readState(names?: readonly string[]): Promise<Record<string, HostTensor>>;
  writeState(values: Readonly<Record<string, TypedArray>>): Promise<void>;
  release(): Promise<void>;
}

export interface Runtime {
  readonly device: Device;
  readonly threads: number;
  load(program: Program, options?: LoadOptions): Promise<Executable>;
  close(): Promise<void>;
}

/** Throws for a missing, unknown or misshapen feed, naming it. */
export function checkFeeds(program: Program, feeds: Readonly<Record<string, HostTensor>>, state: ReadonlySet<string>): void {
  for (const { name, shape, dtype } of program.inputs) {
    if (state.has(name)) continue;
    const fed = feeds[name];
    if (!fed) throw new TypeError(`input ${name} ${dtype}[${shape.join(", ")}] is not fed`);
    if (fed.dtype !== dtype || fed.shape.length !== shape.length || fed.shape.some((d, i) => d !== shape[i]))
      throw new TypeError(`input ${name} is ${dtype}[${shape.join(", ")}] but was fed ${fed.dtype}[${fed.shape.join(", ")}]`);
  }
}
