/** Element types of tensors: their names, the arrays that hold them in JavaScript, and their codes in ONNX. */

export type DType = "float32" | "float16" | "float64" | "int64" | "int32" | "uint8" | "bool";

/** What holds a tensor's elements outside the runtime. `float16` travels as its bits. */
export type TypedArray = Float32Array | Uint16Array | Float64Array | BigInt64Array | Int32Array | Uint8Array;

interface DTypeInfo {
  /** `TensorProto.DataType` of ONNX. */
  onnx: number;
  bytes: number;
  array: new (buffer: ArrayBufferLike, offset: number, length: number) => TypedArray;
}

export const dtypes: Record<DType, DTypeInfo> = {
  float32: { onnx: 1, bytes: 4, array: Float32Array },
  float16: { onnx: 10, bytes: 2, array: Uint16Array },
  float64: { onnx: 11, bytes: 8, array: Float64Array },
  int64: { onnx: 7, bytes: 8, array: BigInt64Array },
  int32: { onnx: 6, bytes: 4, array: Int32Array },
  uint8: { onnx: 2, bytes: 1, array: Uint8Array },
  bool: { onnx: 9, bytes: 1, array: Uint8Array },
};

export const isFloat = (dtype: DType): boolean => dtype === "float32" || dtype === "float16" || dtype === "float64";

/** A zero-filled array for `length` elements. */
export function allocate(dtype: DType, length: number): TypedArray {
  const { bytes, array } = dtypes[dtype];
  return new array(new ArrayBuffer(length * bytes), 0, length);
}

/** Elements as plain numbers in a typed array of `dtype`; `float16` is refused because numbers are not its bits. */
export function fromNumbers(dtype: DType, values: ArrayLike<number>): TypedArray {
  if (dtype === "float16") throw new TypeError("float16 elements must be given as bits in a Uint16Array");
  const out = allocate(dtype, values.length);
  if (out instanceof BigInt64Array) for (let i = 0; i < values.length; i++) out[i] = BigInt(Math.trunc(values[i]!));
  else for (let i = 0; i < values.length; i++) out[i] = values[i]!;
  return out;
}
