/** The checkpoint over either of PyTorch's containers: once a pickle is understood, they differ only in where bytes lie. */
import { resolve } from "node:path";
import { OrreryError } from "../errors.ts";
import type { ByteFile } from "./byte-file.ts";
import { readAsFloat32, wanted, type Checkpoint, type TensorInfo, type TensorLocation } from "./checkpoint.ts";
import { storedBytes } from "./dtype.ts";
import type { TorchTensor } from "./torch-tensor.ts";

/** Where the bytes of a storage's key lie in the file. */
export interface StoragePlace {
  offset: number;
  length: number;
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
    return tensor.gather(await this.#file.read(this.#places.get(tensor.storage.key)!.offset + offset, length));
  }

  readF32(name: string): Promise<Float32Array> {
    return readAsFloat32(this, name);
  }

  location(name: string): TensorLocation | undefined {
    const tensor = wanted(this.#tensors, name, this.path);
    if (tensor.info.byteLength === 0 || !tensor.contiguous) return undefined;
    const offset = this.#places.get(tensor.storage.key)!.offset + tensor.extent.offset;
    if (offset % storedBytes[tensor.info.dtype] !== 0) return undefined;
    return { path: resolve(this.path), offset, length: tensor.info.byteLength };
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
