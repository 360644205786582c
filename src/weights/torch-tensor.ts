/** Tensors as PyTorch pickles describe them: a storage, and a strided view of it. */
import { OrreryError } from "../errors.ts";
import type { Buildable } from "./pickle.ts";
import type { TensorInfo } from "./checkpoint.ts";
import { storedBytes, storedLength, type StoredDType } from "./dtype.ts";

/** A run of elements that lies in the checkpoint under a key. */
export interface TorchStorage {
  key: string;
  dtype: StoredDType;
  /** Elements of `dtype`. */
  length: number;
  /** Element at which it begins within what lies under the key; other than 0 only in files of PyTorch before 0.4. */
  start: number;
}

/** A view may be larger than its storage (`expand`), but not so large that reading it is an attack. */
const largestExpansion = 1 << 30;

/** Attributes set on it (a parameter's hooks) are ignored. */
export class TorchTensor implements Buildable {
  readonly storage: TorchStorage;
  readonly info: TensorInfo;
  /** Elements from the beginning of the storage. */
  readonly offset: number;
  readonly strides: readonly number[];

  /** @throws `bad_checkpoint` when the view is malformed or reaches beyond the storage. */
  constructor(storage: TorchStorage, offset: unknown, shape: unknown, strides: unknown, path: string, dtype: StoredDType = storage.dtype) {
    const bad = (what: string): OrreryError => new OrreryError("bad_checkpoint", `${path} holds a tensor ${what}; it is damaged, so copy or download it again`);
    if (!isCounts(shape) || !isCounts(strides) || !isCounts([offset])) throw bad("whose offset, shape or strides are not whole numbers >= 0");
    if (shape.length !== strides.length || shape.length > 64) throw bad(`of ${shape.length} dimensions with ${strides.length} strides`);
    const byteLength = storedLength(dtype, shape);
    if (byteLength === undefined) throw bad(`of shape [${shape.join(", ")}], more elements than any file holds`);
    // A typed view of an untyped storage counts in its own elements.
    const ratio = storedBytes[dtype] / storedBytes[storage.dtype];
    if (ratio !== 1 && storage.start !== 0) throw bad("that sees a part of a storage as another type");
    const typed = ratio === 1 ? storage : { ...storage, dtype, length: Math.floor(storage.length / ratio) };
    const last = shape.reduce((sum, n, i) => sum + (n - 1) * strides[i]!, offset as number);
    if (byteLength > 0 && !(last < typed.length)) throw bad(`of shape [${shape.join(", ")}] and strides [${strides.join(", ")}] at ${String(offset)} that reaches beyond its storage of ${typed.length} elements`);
    if (byteLength > Math.max(largestExpansion, typed.length * storedBytes[dtype])) throw bad(`of shape [${shape.join(", ")}] that repeats a storage of ${typed.length} elements; more than 1 GiB of repetition is not read`);
    this.storage = typed;
    this.offset = offset as number;
    this.strides = strides;
    this.info = { dtype, shape: Object.freeze([...shape]), byteLength };
  }

  build(): void {}

  /** Whether the elements lie in row-major order without gaps. Axes of length 1 are never stepped along. */
  get contiguous(): boolean {
    let expected = 1;
    for (let i = this.strides.length - 1; i >= 0; i--) {
      const n = this.info.shape[i]!;
      if (n === 0) return true;
      if (n !== 1 && this.strides[i] !== expected) return false;
      expected *= n;
    }
    return true;
  }

  /** Bytes of the storage's key that the view touches: where they begin and how many. */
  get extent(): { offset: number; length: number } {
    const size = storedBytes[this.info.dtype];
    const offset = (this.storage.start + this.offset) * size;
    if (this.info.byteLength === 0) return { offset, length: 0 };
    const last = this.info.shape.reduce((sum, n, i) => sum + (n - 1) * this.strides[i]!, 0);
    return { offset, length: (last + 1) * size };
  }

  /** Row-major bytes from the bytes of `extent`. */
  gather(from: Uint8Array): Uint8Array {
    if (this.contiguous) return from;
    const { shape, byteLength, dtype } = this.info;
    const size = storedBytes[dtype];
    const out = new Uint8Array(byteLength);
    const index = shape.map(() => 0);
    let source = 0;
    for (let at = 0; at < byteLength; at += size) {
      for (let b = 0; b < size; b++) out[at + b] = from[source * size + b]!;
      for (let axis = shape.length - 1; axis >= 0; axis--) {
        source += this.strides[axis]!;
        if (++index[axis]! < shape[axis]!) break;
        source -= index[axis]! * this.strides[axis]!;
        index[axis] = 0;
      }
    }
    return out;
  }
}

const isCounts = (value: unknown): value is number[] => Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && (n as number) >= 0);
