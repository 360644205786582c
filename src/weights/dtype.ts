/**
 * Element types as checkpoints store them, and their conversion. Names are those of safetensors. All stored numbers are
 * little-endian, as is every machine that Node and ONNX Runtime are built for, so bytes are viewed, not decoded.
 *
 * Widening to float32 is exact, subnormals, infinities and NaN payloads included; float64 is rounded to nearest even once,
 * 64-bit integers beyond 2^53 twice. Narrowing rounds to nearest, ties to even, as PyTorch does.
 */
import { OrreryError } from "../errors.ts";

/** Bytes of one element. */
export const storedBytes = {
  F64: 8, F32: 4, F16: 2, BF16: 2, F8_E4M3: 1, F8_E5M2: 1,
  I64: 8, I32: 4, I16: 2, I8: 1,
  U64: 8, U32: 4, U16: 2, U8: 1, BOOL: 1,
} as const;

export type StoredDType = keyof typeof storedBytes;

export const isStoredDType = (name: string): name is StoredDType => Object.hasOwn(storedBytes, name);

/**
 * Bytes that a tensor occupies, or undefined when the shape is not a list of whole numbers >= 0 or the product is beyond
 * what a number holds exactly (2^53).
 */
export function storedLength(dtype: StoredDType, shape: readonly number[]): number | undefined {
  let bytes: number = storedBytes[dtype];
  for (const n of shape) {
    if (!Number.isSafeInteger(n) || n < 0) return undefined;
    bytes *= n;
    if (!Number.isSafeInteger(bytes)) return undefined;
  }
  return bytes;
}

type ViewConstructor<T> = new (buffer: ArrayBufferLike, offset: number, length: number) => T;

/** Bytes seen as elements; copied first only where they do not lie on a multiple of the element's size. */
function view<T>(kind: ViewConstructor<T>, size: number, bytes: Uint8Array): T {
  const aligned = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  return new kind(aligned.buffer, aligned.byteOffset, bytes.byteLength / size);
}

/** Bits of the float32 that equals a float16, from its 16 bits. */
function widenHalf(h: number): number {
  const sign = (h & 0x8000) << 16;
  const exponent = (h >> 10) & 0x1f;
  const mantissa = h & 0x3ff;
  if (exponent === 0x1f) return (sign | 0x7f800000 | (mantissa << 13)) >>> 0;
  if (exponent !== 0) return (sign | ((exponent + 112) << 23) | (mantissa << 13)) >>> 0;
  if (mantissa === 0) return sign >>> 0;
  // A subnormal half is a normal single: move its highest bit to where the implicit one goes.
  const shift = Math.clz32(mantissa) - 21;
  return (sign | ((113 - shift) << 23) | (((mantissa << shift) & 0x3ff) << 13)) >>> 0;
}

/** E4M3 in its "fn" form: no infinity, NaN where all seven bits are set. Source: arXiv 2209.05433, table 1. */
function widenE4M3(b: number): number {
  const sign = b & 0x80 ? 0x80000000 : 0;
  const exponent = (b >> 3) & 0xf;
  const mantissa = b & 7;
  if ((b & 0x7f) === 0x7f) return (sign | 0x7fc00000) >>> 0;
  if (exponent !== 0) return (sign | ((exponent + 120) << 23) | (mantissa << 20)) >>> 0;
  if (mantissa === 0) return sign >>> 0;
  const shift = Math.clz32(mantissa) - 28;
  return (sign | ((121 - shift) << 23) | (((mantissa << shift) & 7) << 20)) >>> 0;
}

const tables = new Map<StoredDType, Uint32Array>();

/** The float32 bits of every value of a type of one or two bytes; made when first needed (float16: 256 KB, about 1 ms). */
function table(dtype: "F16" | "F8_E4M3" | "F8_E5M2"): Uint32Array {
  let out = tables.get(dtype);
  if (!out) {
    if (dtype === "F16") out = Uint32Array.from({ length: 65536 }, (_, h) => widenHalf(h));
    else if (dtype === "F8_E5M2") out = Uint32Array.from({ length: 256 }, (_, b) => widenHalf(b << 8));
    else out = Uint32Array.from({ length: 256 }, (_, b) => widenE4M3(b));
    tables.set(dtype, out);
  }
  return out;
}

/**
 * Stored bytes as float32. The result of `F32` shares memory with `bytes` where alignment allows.
 * @throws `bad_checkpoint` when the bytes are not a whole number of elements.
 */
export function toFloat32(dtype: StoredDType, bytes: Uint8Array): Float32Array {
  const n = elementCount(dtype, bytes);
  switch (dtype) {
    case "F32": return view(Float32Array, 4, bytes);
    case "F64": return Float32Array.from(view(Float64Array, 8, bytes));
    case "BF16": {
      const from = view(Uint16Array, 2, bytes);
      const bits = new Uint32Array(n);
      for (let i = 0; i < n; i++) bits[i] = from[i]! << 16;
      return new Float32Array(bits.buffer);
    }
    case "F16":
    case "F8_E4M3":
    case "F8_E5M2": {
      const from = dtype === "F16" ? view(Uint16Array, 2, bytes) : bytes;
      const widened = table(dtype);
      const bits = new Uint32Array(n);
      for (let i = 0; i < n; i++) bits[i] = widened[from[i]!]!;
      return new Float32Array(bits.buffer);
    }
    case "I64":
    case "U64": {
      // Two halves as doubles: some thirty times faster than BigInt.
      const low = view(Uint32Array, 4, bytes);
      const high = dtype === "I64" ? view(Int32Array, 4, bytes) : low;
      const out = new Float32Array(n);
      for (let i = 0; i < n; i++) out[i] = high[2 * i + 1]! * 4294967296 + low[2 * i]!;
      return out;
    }
    case "I32": return Float32Array.from(view(Int32Array, 4, bytes));
    case "U32": return Float32Array.from(view(Uint32Array, 4, bytes));
    case "I16": return Float32Array.from(view(Int16Array, 2, bytes));
    case "U16": return Float32Array.from(view(Uint16Array, 2, bytes));
    case "I8": return Float32Array.from(view(Int8Array, 1, bytes));
    case "U8": return Float32Array.from(bytes);
    case "BOOL": return Float32Array.from(bytes, (b) => (b === 0 ? 0 : 1));
  }
}

/**
 * Stored integers (and booleans) as 64-bit ones. `U64` beyond the signed range wraps, as a cast does.
 * @throws `bad_checkpoint` when the type is not an integer.
 */
export function toBigInt64(dtype: StoredDType, bytes: Uint8Array): BigInt64Array {
  elementCount(dtype, bytes);
  switch (dtype) {
    case "I64":
    case "U64": return view(BigInt64Array, 8, bytes);
    case "I32": return BigInt64Array.from(view(Int32Array, 4, bytes), BigInt);
    case "U32": return BigInt64Array.from(view(Uint32Array, 4, bytes), BigInt);
    case "I16": return BigInt64Array.from(view(Int16Array, 2, bytes), BigInt);
    case "U16": return BigInt64Array.from(view(Uint16Array, 2, bytes), BigInt);
    case "I8": return BigInt64Array.from(view(Int8Array, 1, bytes), BigInt);
    case "U8": return BigInt64Array.from(bytes, BigInt);
    case "BOOL": return BigInt64Array.from(bytes, (b) => (b === 0 ? 0n : 1n));
    default: throw new OrreryError("bad_checkpoint", `a tensor of ${dtype} was to be read as integers; it must be one of I64, I32, I16, I8, U64, U32, U16, U8 and BOOL`);
  }
}

/** The same as 32-bit ones. @throws `bad_checkpoint` when the type is not an integer or a value does not fit. */
export function toInt32(dtype: StoredDType, bytes: Uint8Array): Int32Array {
  if (dtype === "I32") return view(Int32Array, 4, bytes.subarray(0, 4 * elementCount(dtype, bytes)));
  return Int32Array.from(toBigInt64(dtype, bytes) as Iterable<bigint>, (value) => {
    if (BigInt.asIntN(32, value) !== value) throw new OrreryError("bad_checkpoint", `the value ${value} of a tensor of ${dtype} does not fit into 32 bits`);
    return Number(value);
  });
}

/** float32 as the bits of float16: beyond 65,504 (by half a step) infinity, below 2^-14 subnormal. */
export function toFloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < out.length; i++) out[i] = narrowHalf(bits[i]!);
  return out;
}

function narrowHalf(x: number): number {
  const sign = (x >>> 16) & 0x8000;
  const magnitude = x & 0x7fffffff;
  // A NaN keeps its upper payload bits and is made quiet, so that it cannot become an infinity.
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff);
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  if (magnitude <= 0x33000000) return sign;
  const shift = 126 - (magnitude >>> 23);
  const mantissa = (magnitude & 0x7fffff) | 0x800000;
  const kept = mantissa >>> shift;
  const rest = mantissa & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return sign | (kept + (rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0));
}

/** float32 as the bits of bfloat16. */
export function toBFloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < out.length; i++) {
    const x = bits[i]!;
    out[i] = (x & 0x7fffffff) > 0x7f800000 ? (x >>> 16) | 0x40 : (x + 0x7fff + ((x >>> 16) & 1)) >>> 16;
  }
  return out;
}

function elementCount(dtype: StoredDType, bytes: Uint8Array): number {
  const n = bytes.byteLength / storedBytes[dtype];
  if (!Number.isInteger(n)) throw new OrreryError("bad_checkpoint", `${bytes.byteLength} bytes are not a whole number of ${dtype} elements of ${storedBytes[dtype]} bytes`);
  return n;
}
