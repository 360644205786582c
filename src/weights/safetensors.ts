/** Safetensors files, read by range. Format: github.com/huggingface/safetensors, README "Format". */
import { resolve } from "node:path";
import { OrreryError } from "../errors.ts";
import { ByteFile } from "./byte-file.ts";
import { readAsFloat32, wanted, type Checkpoint, type TensorInfo, type TensorLocation } from "./checkpoint.ts";
import { storedBytes } from "./dtype.ts";
import { largestHeader, parseHeader, type PlacedTensor, type SafetensorsHeader } from "./safetensors-header.ts";

class SafetensorsCheckpoint implements Checkpoint {
  readonly path: string;
  readonly format = "safetensors";
  readonly metadata: ReadonlyMap<string, string>;
  readonly #file: ByteFile;
  readonly #tensors: ReadonlyMap<string, PlacedTensor>;
  readonly #dataStart: number;

  constructor(file: ByteFile, header: SafetensorsHeader, dataStart: number) {
    this.path = file.path;
    this.metadata = header.metadata;
    this.#file = file;
    this.#tensors = header.tensors;
    this.#dataStart = dataStart;
  }

  names(): string[] {
    return [...this.#tensors.keys()];
  }

  info(name: string): TensorInfo {
    const { dtype, shape, byteLength } = wanted(this.#tensors, name, this.path);
    return { dtype, shape, byteLength };
  }

  async read(name: string): Promise<Uint8Array> {
    const { offset, byteLength } = wanted(this.#tensors, name, this.path);
    return this.#file.read(this.#dataStart + offset, byteLength);
  }

  readF32(name: string): Promise<Float32Array> {
    return readAsFloat32(this, name);
  }

  location(name: string): TensorLocation | undefined {
    const { dtype, offset, byteLength } = wanted(this.#tensors, name, this.path);
    const at = this.#dataStart + offset;
    return at % storedBytes[dtype] === 0 ? { path: resolve(this.path), offset: at, length: byteLength } : undefined;
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/**
 * Opens a safetensors file: reads and checks its header, nothing else.
 * @throws `file_not_found`, `io_failed`, or `bad_checkpoint` saying what is wrong with the header.
 */
export async function openSafetensors(path: string): Promise<Checkpoint> {
  const file = await ByteFile.open(path);
  try {
    const length = Buffer.from(await file.read(0, 8)).readBigUInt64LE();
    if (length > largestHeader) throw new OrreryError("bad_checkpoint", `${path} is not a valid safetensors file: its header claims ${length} bytes, at most ${largestHeader} are allowed`);
    const dataStart = 8 + Number(length);
    const json = await file.read(8, Number(length));
    return new SafetensorsCheckpoint(file, parseHeader(json, file.size - dataStart, path), dataStart);
  } catch (error) {
    await file.close();
    throw error;
  }
}
