/** What every checkpoint format gives: named tensors, of which only the wanted ones are read. */
import { OrreryError } from "../errors.ts";
import { toFloat32, type StoredDType } from "./dtype.ts";

export interface TensorInfo {
  dtype: StoredDType;
  shape: readonly number[];
  /** Bytes of the tensor when its elements lie one after another in row-major order. */
  byteLength: number;
}

/** Where a tensor lies in a file as contiguous little-endian numbers, for ONNX external data. */
export interface TensorLocation {
  path: string;
  /** Bytes; a multiple of the element's size. */
  offset: number;
  length: number;
}

export interface Checkpoint {
  /** The file or folder it was opened from. */
  readonly path: string;
  readonly format: "safetensors" | "torch" | "torchscript";
  /** The free text of a safetensors file's `__metadata__`; empty for other formats. */
  readonly metadata: ReadonlyMap<string, string>;
  /** In the order of the file. */
  names(): string[];
  /** @throws `bad_checkpoint` when there is no such tensor; so do the following. */
  info(name: string): TensorInfo;
  /** Row-major little-endian bytes, in memory of the caller's own. */
  read(name: string): Promise<Uint8Array>;
  /** The same, converted from any stored type. */
  readF32(name: string): Promise<Float32Array>;
  /** Absent when the tensor is a strided view, is compressed or begins where its elements are not aligned. */
  location(name: string): TensorLocation | undefined;
  /** Releases the files. Reading afterwards is an error; closing again is not. */
  close(): Promise<void>;
}

/** `readF32` for any checkpoint that has the rest. */
export async function readAsFloat32(checkpoint: Checkpoint, name: string): Promise<Float32Array> {
  const { dtype } = checkpoint.info(name);
  return toFloat32(dtype, await checkpoint.read(name));
}

/** Looks a tensor up. @throws `bad_checkpoint` naming some that are there. */
export function wanted<T>(tensors: ReadonlyMap<string, T>, name: string, path: string): T {
  const found = tensors.get(name);
  if (found !== undefined) return found;
  const some = [...tensors.keys()].slice(0, 3).join(", ");
  throw new OrreryError("bad_checkpoint", `${path} holds no tensor "${name}"; it holds ${tensors.size}${some ? `, such as ${some}` : ""}. Check that it is the checkpoint of this model`);
}
