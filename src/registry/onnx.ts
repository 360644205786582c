/**
 * A component as ONNX files that any program runs: one `.onnx` a graph, with standard operators of opset 17 only, and one `.data`
 * file with the weights that they share.
 */
import { open } from "node:fs/promises";
import { basename, join } from "node:path";
import { fromSystemError } from "../errors.ts";
import { PartialFile, writeFileAtomic } from "../partial-file.ts";
import { silent, throwIfCancelled, type Progress } from "../progress.ts";
import type { Parameter } from "../nn/index.ts";
import { compile, size, type ExternalWeight, type Tensor, type ValueSpec } from "../tensor/index.ts";
import { toBFloat16, toFloat16, type Checkpoint } from "../weights/index.ts";
import { checkParameters } from "./bind.ts";

/** How weights are stored; the arithmetic is float32 whatever they are. */
export type WeightType = "f32" | "f16" | "bf16";

export interface OnnxGraph {
  /** Of the file, without `.onnx`. */
  name: string;
  outputs: Readonly<Record<string, Tensor>>;
}

export interface OnnxFile {
  file: string;
  inputs: readonly ValueSpec[];
  outputs: readonly ValueSpec[];
}

interface OnnxOptions {
  checkpoint: Checkpoint;
  parameters: Iterable<Parameter>;
  weights?: WeightType;
  progress?: Progress;
  signal?: AbortSignal | undefined;
}

/** Runtimes map the file; whatever they read then begins where their vectors may. */
const alignment = 64;
const storedAs = { f32: "float32", f16: "float16", bf16: "bfloat16" } as const;

/** Rounds as the type of the file. */
const narrow = (data: Float32Array, type: WeightType): ArrayBufferView => (type === "f32" ? data : type === "f16" ? toFloat16(data) : toBFloat16(data));

/**
 * Writes `FOLDER/NAME.data` and a file for each graph, whose inputs that are parameters become weights.
 * @throws `bad_checkpoint` when the checkpoint does not hold the parameters, `disk_full`, `io_failed`, `cancelled`.
 */
export async function exportOnnx(folder: string, name: string, graphs: readonly OnnxGraph[], { checkpoint, parameters, weights: type = "f32", progress = silent, signal }: OnnxOptions): Promise<OnnxFile[]> {
  const all = [...parameters];
  checkParameters(checkpoint, all);
  const data = await PartialFile.open(join(folder, `${name}.data`));
  const weights = new Map<string, ExternalWeight>();
  try {
    const handle = await open(data.temporary, "wx");
    try {
      let at = 0;
      for (const [i, parameter] of all.entries()) {
        throwIfCancelled(signal, "the export");
        progress({ stage: `writing ${name}`, done: i, total: all.length, unit: "tensors" });
        const view = narrow(await checkpoint.readF32(parameter.name), type);
        const length = size(parameter.shape) * (type === "f32" ? 4 : 2);
        await handle.write(new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset, length), 0, length, at);
        weights.set(parameter.name, { location: basename(data.path), offset: at, length, dtype: storedAs[type] });
        at = Math.ceil((at + length) / alignment) * alignment;
      }
    } finally {
      await handle.close();
    }
    await data.commit();
  } catch (error) {
    await data.discard();
    throw fromSystemError(error, data.path);
  }
  const files: OnnxFile[] = [];
  for (const graph of graphs) {
    // What every provider has: none of ONNX Runtime's own operators.
    const program = compile({ outputs: graph.outputs, weights, target: "webgpu" });
    const file = `${graph.name}.onnx`;
    await writeFileAtomic(join(folder, file), program.model);
    files.push({ file, inputs: program.inputs, outputs: program.outputs });
  }
  return files;
}
