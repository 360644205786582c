/** Tensors: graphs from plain functions, their gradients, ONNX, and runtimes that execute it. Runs in Node and in browsers. */
export { allocate, dtypes, isFloat, type DType, type TypedArray } from "./dtype.ts";
export { broadcast, sameShape, ShapeError, size, strides, type Shape } from "./shape.ts";
export { constant, input, opTable, reachable, type Operand, type Target, type Tensor } from "./graph.ts";
export {
  abs, add, addAll, and, atan, cast, clamp, cos, div, equal, erf, exp, floor, gelu, greater, greaterEqual, leakyRelu, less, lessEqual, log, maximum,
  minimum, mul, neg, not, or, pow, reciprocal, relu, round, sigmoid, sign, silu, sin, sqrt, square, sub, tanh, where,
} from "./ops/elementwise.ts";
export { argmax, cumsum, max, mean, min, sum, sumSquares, sumTo } from "./ops/reduce.ts";
export { broadcastTo, chunk, concat, dilate, flip, pad, reshape, sliceAxis, split, squeeze, stack, swapAxes, transpose, unsqueeze } from "./ops/layout.ts";
export { einsum, matmul, matrixTranspose } from "./ops/matmul.ts";
export { gemm } from "./ops/gemm.ts";
export { conv, maxPool, type ConvOptions } from "./ops/conv.ts";
export { arange, embedding, full, gather, gatherElements, scatterAdd, scatterElementsAdd, setAt } from "./ops/gather.ts";
export { resize } from "./ops/resize.ts";
export { rotary, rotaryTables } from "./ops/rotary.ts";
export { logSoftmax, logSumExp, rmsNorm, softmax, standardize } from "./ops/normalize.ts";
export { barrier, checkpoint, roundStraightThrough, stopGradient, straightThrough } from "./ops/control.ts";
export { grad, vjp } from "./grad.ts";
export { compile, type CompileOptions, type Program, type ValueSpec } from "./compile.ts";
export { evaluateGraph } from "./interpret.ts";
export type { ExternalWeight, Weight } from "./onnx/writer.ts";
export { readForeignModel, type ForeignModel, type ForeignValue } from "./onnx/foreign.ts";
