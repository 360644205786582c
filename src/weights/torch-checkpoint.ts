/** The checkpoint over either of PyTorch's containers: once a pickle is understood, they differ only in where bytes lie. */
import { resolve } from "node:path";
import { promisify } from "node:util";
import { inflateRaw } from "node:zlib";
import { OrreryError } from "../errors.ts";
import type { ByteFile } from "./byte-file.ts";
import { readAsFloat32, wanted, type Checkpoint, type TensorInfo, type TensorLocation } from "./checkpoint.ts";
import { storedBytes } from "./dtype.ts";
import type { TorchTensor } from "./torch-tensor.ts";

/** Where the bytes of a storage's key lie in the file. */
export interface StoragePlace {
  offset: number;
  length: number;
  /** Bytes in the file when they are deflated, as in archives that were packed again; absent when they lie there as they are. */
  deflated?: number;
}

/** Deflated bytes that are inflated for one read at most; a storage of this size is better kept as it is. */
const largestInflated = 1 << 30;

/** Bytes `offset` to `offset + length` of a place. @throws `bad_checkpoint` when they do not inflate to what is promised. */
export async function readPlace(file: ByteFile, place: StoragePlace, offset = 0, length = place.length): Promise<Uint8Array> {
  if (place.deflated === undefined) return file.read(place.offset + offset, length);
  const bad = (what: string, cause?: unknown): OrreryError => new OrreryError("bad_checkpoint", `${file.path} holds deflated data ${what}; unpack it and pack it again with zip -0, or copy or download it again`, { cause });
  if (place.length > largestInflated) throw bad(`of ${place.length} bytes, and at most ${largestInflated} are inflated`);
  const packed = await file.read(place.offset, place.deflated);
  const whole = await promisify(inflateRaw)(packed, { maxOutputLength: Math.max(1, place.length) }).catch((cause: Error) => {
    throw bad(`that cannot be inflated to ${place.length} bytes (${cause.message})`, cause);
  });
  if (whole.length !== place.length) throw bad(`of ${whole.length} bytes where ${place.length} are promised`);
  // In memory of their own: the buffer may be a piece of Node's pool, where elements would not be aligned.
  return new Uint8Array(whole.subarray(offset, offset + length));
}

export class TorchCheckpoint implements Checkpoint {
  readonly path: string;
  readonly format: "torch" | "torchscript";
  readonly metadata: ReadonlyMap<string, string> = new Map();
  readonly #file: ByteFile;
  readonly #tensors: ReadonlyMap<string, TorchTensor>;
  readonly #places: ReadonlyMap<string, StoragePlace>;

  /** @throws `bad_checkpoint` when a tensor's storage is missing or shorter than the tensor needs. */
  constructor(file: ByteFile, format: "torch" | "torchscript", tensors: ReadonlyMap<string, TorchTensor>, places: ReadonlyMap<string, StoragePlace>) {
    this.path = file.path;
    this.format = format;
    this.#file = file;
    this.#tensors = tensors;
    this.#places = places;
    for (const [name, { storage, extent, info }] of tensors) {
      if (info.byteLength === 0) continue;
      const place = places.get(storage.key);
      if (!place) throw new OrreryError("bad_checkpoint", `${this.path} names the storage "${storage.key}" for ${name} but does not hold it; copy or download it again`);
      if (extent.offset + extent.length > place.length)
        throw new OrreryError("bad_checkpoint", `${this.path} holds ${place.length} bytes for the storage of ${name}, which needs ${extent.offset + extent.length}; copy or download it again`);
    }
  }

  names(): string[] {
    return [...this.#tensors.keys()];
  }

  info(name: string): TensorInfo {
    return wanted(this.#tensors, name, this.path).info;
  }

  async read(name: string): Promise<Uint8Array> {
    const tensor = wanted(this.#tensors, name, this.path);
    if (tensor.info.byteLength === 0) return new Uint8Array(0);
    const { offset, length } = tensor.extent;
    return tensor.gather(await readPlace(this.#file, this.#places.get(tensor.storage.key)!, offset, length));
  }

  readF32(name: string): Promise<Float32Array> {
    return readAsFloat32(this, name);
  }

  location(name: string): TensorLocation | undefined {
    const tensor = wanted(this.#tensors, name, this.path);
    if (tensor.info.byteLength === 0 || !tensor.contiguous) return undefined;
    const place = this.#places.get(tensor.storage.key)!;
    const offset = place.offset + tensor.extent.offset;
    if (place.deflated !== undefined || offset % storedBytes[tensor.info.dtype] !== 0) return undefined;
    return { path: resolve(this.path), offset, length: tensor.info.byteLength };
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
