/** ONNX Runtime behind our interface, for Node and browsers alike: both packages share onnxruntime-common's types. */
import type { InferenceSession, Tensor as OrtTensor, TensorConstructor } from "onnxruntime-common";
import { allocate, type DType, type TypedArray } from "../dtype.ts";
import { size } from "../shape.ts";
import type { Program } from "../compile.ts";
import { checkFeeds, type Device, type Executable, type HostTensor, type LoadOptions, type Runtime, type StateSlot } from "./runtime.ts";

/** The part of onnxruntime-node and onnxruntime-web that is used. */
export interface OrtModule {
  InferenceSession: { create(model: Uint8Array, options?: InferenceSession.SessionOptions): Promise<InferenceSession> };
  Tensor: TensorConstructor;
}

export interface OrtRuntimeOptions {
  device: Device;
  threads: number;
  /** ONNX Runtime's name of the execution provider. */
  provider: string;
  /** Results of state go straight into our buffers. Only onnxruntime-node fills tensors that it is given. */
  preallocate: boolean;
  /** Initial values belong to nobody else, so they become the buffers. */
  adopt?: boolean;
}

type Values = Record<string, OrtTensor>;

export function ortRuntime(ort: OrtModule, { device, threads, provider, preallocate, adopt = false }: OrtRuntimeOptions): Runtime {
  const wrap = ({ dtype, shape, data }: HostTensor): OrtTensor => new ort.Tensor(dtype, data as never, shape);
  const onDevice = device === "webgpu";

  const load = async (program: Program, { state = [], weightsFolder }: LoadOptions = {}): Promise<Executable> => {
    const spec = new Map(program.inputs.map((i) => [i.name, i]));
    const slots = state.map((s) => {
      const found = spec.get(s.input);
      if (!found) throw new TypeError(`state ${s.input} is not an input of the program`);
      if (s.initial.length !== size(found.shape)) throw new TypeError(`state ${s.input} has ${s.initial.length} values for shape [${found.shape.join(", ")}]`);
      return { ...s, dtype: found.dtype, shape: found.shape };
    });
    const stateNames = new Set(slots.map((s) => s.input));
    const stateOutputs = new Set(slots.map((s) => s.output));
    const session = await ort.InferenceSession.create(program.model, {
      executionProviders: [provider],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: "sequential",
      graphOptimizationLevel: "all",
      // One block planned for the whole run is larger than what an arena reuses piece by piece: 1.6 GB against 1.15 GB for a
      // training step of a 22 M-parameter transformer, at the same speed.
      enableMemPattern: false,
      logSeverityLevel: 3,
      ...(onDevice && slots.length ? { preferredOutputLocation: Object.fromEntries(program.outputs.map((o) => [o.name, stateOutputs.has(o.name) ? "gpu-buffer" : "cpu"])) } : {}),
      ...(weightsFolder ? { extra: { session: { model_external_initializers_file_folder_path: weightsFolder } } } : {}),
    });

    const overwritten = (slot: StateSlot): boolean => preallocate && program.inPlace[slot.output] === slot.input;
    let current: Values = Object.fromEntries(
      slots.map(({ input, initial, dtype, shape }) => {
        const data = adopt ? initial : allocate(dtype, initial.length);
        if (!adopt) data.set(initial as never);
        return [input, wrap({ dtype, shape, data })];
      }),
    );
    let spare: Values = preallocate
      ? Object.fromEntries(slots.map((slot) => [slot.input, overwritten(slot) ? current[slot.input]! : wrap({ dtype: slot.dtype, shape: slot.shape, data: allocate(slot.dtype, slot.initial.length) })]))
      : {};

    return {
      program,
      async run(feeds) {
        checkFeeds(program, feeds, stateNames);
        const inputs: Values = { ...current };
        for (const { name } of program.inputs) if (!stateNames.has(name)) inputs[name] = wrap(feeds[name]!);
        const fetches: Record<string, OrtTensor | null> = {};
        for (const { name } of program.outputs) fetches[name] = null;
        if (preallocate) for (const { input, output } of slots) fetches[output] = spare[input]!;
        const results = (await session.run(inputs, fetches as never)) as Values;
        const previous = current;
        current = Object.fromEntries(slots.map(({ input, output }) => [input, preallocate ? spare[input]! : results[output]!]));
        if (preallocate) spare = previous;
        else for (const t of Object.values(previous)) t.dispose();
        const out: Record<string, HostTensor> = {};
        for (const { name, shape, dtype } of program.outputs) if (!stateOutputs.has(name)) out[name] = { dtype, shape, data: results[name]!.data as TypedArray };
        return out;
      },
      async readState(names = slots.map((s) => s.input)) {
        const entries = names.map(async (name): Promise<[string, HostTensor]> => {
          const { dtype, shape } = spec.get(name)!;
          const value = current[name]!;
          const data = value.location === "cpu" ? (value.data as TypedArray) : await download(ort, provider, value, dtype);
          return [name, { dtype, shape, data }];
        });
        return Object.fromEntries(await Promise.all(entries));
      },
      async writeState(values) {
        for (const [name, data] of Object.entries(values)) {
          const { dtype, shape } = spec.get(name)!;
          if (data.length !== size(shape)) throw new TypeError(`state ${name} takes ${size(shape)} values, not ${data.length}`);
          const held = current[name]!;
          if (held.location === "cpu") (held.data as TypedArray).set(data as never);
          else current[name] = wrap({ dtype, shape, data });
        }
      },
      release: async () => {
        for (const t of [...Object.values(current), ...Object.values(spare)]) t.dispose();
        await session.release();
      },
    };
  };
  return { device, threads, load, close: async () => {} };
}

/** Reading a WebGPU tensor directly aborts the process in onnxruntime-node 1.30; a one-node session copies it out. */
async function download(ort: OrtModule, provider: string, value: OrtTensor, dtype: DType): Promise<TypedArray> {
  const { compile } = await import("../compile.ts");
  const { input, constant } = await import("../graph.ts");
  const { add } = await import("../ops/elementwise.ts");
  const x = input("x", value.dims, dtype);
  const { model } = compile({ outputs: { y: add(x, constant(0, [], dtype)) }, target: "webgpu", rewrite: false });
  const session = await ort.InferenceSession.create(model, { executionProviders: [provider], preferredOutputLocation: "cpu", logSeverityLevel: 3 });
  try {
    return ((await session.run({ x: value })) as Values)["y"]!.data as TypedArray;
  } finally {
    await session.release();
  }
}
