/**
 * Ops that treat every element alike: arithmetic, transcendental functions, comparison and choice, casts. Binary ones
 * broadcast as NumPy does.
 */
import { isFloat, type DType } from "../dtype.ts";
import { apply, constant, defineOp, lift, type Attrs, type Emitter, type NdArray, type Op, type Operand, type Tensor } from "../graph.ts";
import { broadcast, sameShape, ShapeError, size, strides } from "../shape.ts";
import { sumTo } from "./reduce.ts";

type None = Record<string, never>;

/** Reads `array` as if it had `shape`, which it broadcasts to. */
export function broadcastIndex(from: readonly number[], to: readonly number[]): (flat: number) => number {
  if (sameShape(from, to)) return (i) => i;
  const outStrides = strides(to);
  const inStrides = strides(from);
  const offset = to.length - from.length;
  const steps = to.map((_, k) => (k < offset || from[k - offset] === 1 ? 0 : inStrides[k - offset]!));
  return (flat) => {
    let at = 0;
    for (let k = 0; k < to.length; k++) {
      const coordinate = Math.floor(flat / outStrides[k]!);
      flat -= coordinate * outStrides[k]!;
      at += coordinate * steps[k]!;
    }
    return at;
  };
}

function mapElements(arrays: readonly NdArray[], shape: readonly number[], f: (...values: number[]) => number): NdArray {
  const readers = arrays.map((a) => broadcastIndex(a.shape, shape));
  const data = new Float64Array(size(shape));
  for (let i = 0; i < data.length; i++) data[i] = f(...arrays.map((a, k) => a.data[readers[k]!(i)]!));
  return { shape, data };
}

interface Unary {
  onnx: string | ((emit: Emitter, x: string, node: Tensor) => string);
  f: (x: number) => number;
  /** dx from x, y and dy; absent where the derivative is zero everywhere it exists. */
  grad?: (x: Tensor, y: Tensor, dy: Tensor) => Tensor;
}

function unary(name: string, { onnx, f, grad }: Unary): Op<None> {
  return defineOp<None>({
    name,
    infer: ([x]) => ({ shape: x!.shape, dtype: x!.dtype }),
    lower: (emit, node, [x]) => (typeof onnx === "string" ? emit.node(onnx, [x!]) : onnx(emit, x!, node)),
    grad: (node, dy) => [grad ? grad(node.inputs[0]!, node, dy) : null],
    evaluate: ([x]) => mapElements([x!], x!.shape, f),
  });
}

/** Abramowitz and Stegun's rational forms are too coarse for a reference: a series near zero, a continued fraction beyond. */
export function erfOf(x: number): number {
  const a = Math.abs(x);
  if (a > 6) return Math.sign(x);
  if (a < 2.5) {
    let term = a;
    let sum = a;
    for (let n = 1; n < 120 && Math.abs(term) > 1e-17 * sum; n++) {
      term *= (-a * a) / n;
      sum += term / (2 * n + 1);
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let fraction = 0;
  for (let k = 80; k > 0; k--) fraction = k / 2 / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / (a + fraction));
}

const sigmoidOf = (x: number): number => 1 / (1 + Math.exp(-x));
/** ONNX and NumPy round halves to the even neighbour. */
const roundEven = (x: number): number => {
  const r = Math.round(x);
  return Math.abs(x % 1) === 0.5 && r % 2 !== 0 ? r - 1 : r;
};

const negOp = unary("neg", { onnx: "Neg", f: (x) => -x, grad: (_x, _y, dy) => neg(dy) });
const absOp = unary("abs", { onnx: "Abs", f: Math.abs, grad: (x, _y, dy) => mul(dy, sign(x)) });
const signOp = unary("sign", { onnx: "Sign", f: Math.sign });
const floorOp = unary("floor", { onnx: "Floor", f: Math.floor });
const roundOp = unary("round", { onnx: "Round", f: roundEven });
const expOp = unary("exp", { onnx: "Exp", f: Math.exp, grad: (_x, y, dy) => mul(dy, y) });
const logOp = unary("log", { onnx: "Log", f: Math.log, grad: (x, _y, dy) => div(dy, x) });
const sqrtOp = unary("sqrt", { onnx: "Sqrt", f: Math.sqrt, grad: (_x, y, dy) => div(mul(dy, 0.5), y) });
const reciprocalOp = unary("reciprocal", { onnx: "Reciprocal", f: (x) => 1 / x, grad: (_x, y, dy) => neg(mul(dy, mul(y, y))) });
const sinOp = unary("sin", { onnx: "Sin", f: Math.sin, grad: (x, _y, dy) => mul(dy, cos(x)) });
const cosOp = unary("cos", { onnx: "Cos", f: Math.cos, grad: (x, _y, dy) => neg(mul(dy, sin(x))) });
const atanOp = unary("atan", { onnx: "Atan", f: Math.atan, grad: (x, _y, dy) => div(dy, add(mul(x, x), 1)) });
const tanhOp = unary("tanh", { onnx: "Tanh", f: Math.tanh, grad: (_x, y, dy) => mul(dy, sub(1, mul(y, y))) });
const sigmoidOp = unary("sigmoid", { onnx: "Sigmoid", f: sigmoidOf, grad: (_x, y, dy) => mul(dy, mul(y, sub(1, y))) });
const erfOp = unary("erf", { onnx: "Erf", f: erfOf, grad: (x, _y, dy) => mul(dy, mul(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI))) });
const reluOp = unary("relu", { onnx: "Relu", f: (x) => Math.max(0, x), grad: (x, _y, dy) => mul(dy, cast(greater(x, 0), dy.dtype)) });
const notOp = unary("not", { onnx: "Not", f: (x) => 1 - x });

/** SiLU, `x * sigmoid(x)`; ONNX Runtime's CPU provider has it in one pass as QuickGelu with alpha 1. */
const siluOp = unary("silu", {
  onnx: (emit, x) =>
    emit.target === "cpu" ? emit.node("QuickGelu", [x], { alpha: { float: 1 } }, "com.microsoft") : emit.node("Mul", [x, emit.node("Sigmoid", [x])]),
  f: (x) => x * sigmoidOf(x),
  grad: (x, y, dy) => {
    const s = sigmoid(x);
    return mul(dy, add(s, mul(y, sub(1, s))));
  },
});

/** The normal distribution function of x, written once for GELU and its gradient. */
const phi = (emit: Emitter, x: string): string =>
  emit.shared(`phi ${x}`, () => {
    const c = (v: number): string => emit.constant("float32", [], new Float32Array([v]));
    const erfHalf = emit.node("Mul", [emit.node("Erf", [emit.node("Mul", [x, c(Math.SQRT1_2)])]), c(0.5)]);
    return [emit.node("Add", [erfHalf, c(0.5)])];
  })[0]!;

const normalCdfOp = unary("normalCdf", {
  onnx: phi,
  f: (x) => 0.5 * (1 + erfOf(x * Math.SQRT1_2)),
  grad: (x, _y, dy) => mul(dy, exp(sub(mul(mul(x, -0.5), x), 0.5 * Math.log(2 * Math.PI)))),
});

/**
 * GELU with the error function (not the tanh approximation), as `torch.nn.GELU()`. ONNX Runtime's fused Gelu takes about
 * twice as long on a CPU as these five passes, so it is used on CUDA only.
 */
const geluOp = unary("gelu", {
  onnx: (emit, x) => (emit.target === "cuda" ? emit.node("Gelu", [x], {}, "com.microsoft") : emit.node("Mul", [x, phi(emit, x)])),
  f: (x) => 0.5 * x * (1 + erfOf(x * Math.SQRT1_2)),
  grad: (x, _y, dy) => {
    const density = exp(sub(mul(mul(x, -0.5), x), 0.5 * Math.log(2 * Math.PI)));
    return mul(dy, add(call(normalCdfOp, x), mul(x, density)));
  },
});

interface Binary {
  onnx: string;
  f: (a: number, b: number) => number;
  grad?: (a: Tensor, b: Tensor, y: Tensor, dy: Tensor) => readonly [Tensor | null, Tensor | null];
  dtype?: DType;
}

function binary(name: string, { onnx, f, grad, dtype }: Binary): Op<None> {
  const op: Op<None> = {
    name,
    infer: ([a, b]) => {
      if (a!.dtype !== b!.dtype) throw new ShapeError(name, `operands are ${a!.dtype} and ${b!.dtype}; cast one`);
      return { shape: broadcast(name, a!.shape, b!.shape), dtype: dtype ?? a!.dtype };
    },
    lower: (emit, _node, inputs) => emit.node(onnx, inputs),
    evaluate: ([a, b]) => mapElements([a!, b!], broadcast(name, a!.shape, b!.shape), f),
  };
  if (!grad) return defineOp(op);
  return defineOp<None>({
    ...op,
    grad: (node, dy) => {
      const [a, b] = node.inputs as [Tensor, Tensor];
      const [da, db] = grad(a, b, node, dy);
      return [da && sumTo(da, a.shape), db && sumTo(db, b.shape)];
    },
  });
}

const addOp = binary("add", { onnx: "Add", f: (a, b) => a + b, grad: (_a, _b, _y, dy) => [dy, dy] });
const subOp = binary("sub", { onnx: "Sub", f: (a, b) => a - b, grad: (_a, _b, _y, dy) => [dy, neg(dy)] });
const mulOp = binary("mul", { onnx: "Mul", f: (a, b) => a * b, grad: (a, b, _y, dy) => [mul(dy, b), mul(dy, a)] });
const divOp = binary("div", { onnx: "Div", f: (a, b) => a / b, grad: (_a, b, y, dy) => [div(dy, b), neg(div(mul(dy, y), b))] });
const powOp = binary("pow", {
  onnx: "Pow",
  f: Math.pow,
  grad: (a, b, y, dy) => [mul(dy, mul(b, pow(a, sub(b, 1)))), mul(dy, mul(y, log(a)))],
});
/** Where both are equal the first takes the gradient. */
const maximumOp = binary("maximum", {
  onnx: "Max",
  f: Math.max,
  grad: (a, b, _y, dy) => [mul(dy, cast(greaterEqual(a, b), dy.dtype)), mul(dy, cast(less(a, b), dy.dtype))],
});
const minimumOp = binary("minimum", {
  onnx: "Min",
  f: Math.min,
  grad: (a, b, _y, dy) => [mul(dy, cast(lessEqual(a, b), dy.dtype)), mul(dy, cast(greater(a, b), dy.dtype))],
});
const equalOp = binary("equal", { onnx: "Equal", f: (a, b) => Number(a === b), dtype: "bool" });
const lessOp = binary("less", { onnx: "Less", f: (a, b) => Number(a < b), dtype: "bool" });
const lessEqualOp = binary("lessEqual", { onnx: "LessOrEqual", f: (a, b) => Number(a <= b), dtype: "bool" });
const greaterOp = binary("greater", { onnx: "Greater", f: (a, b) => Number(a > b), dtype: "bool" });
const greaterEqualOp = binary("greaterEqual", { onnx: "GreaterOrEqual", f: (a, b) => Number(a >= b), dtype: "bool" });
const andOp = binary("and", { onnx: "And", f: (a, b) => a * b, dtype: "bool" });
const orOp = binary("or", { onnx: "Or", f: (a, b) => Math.max(a, b), dtype: "bool" });

const whereOp = defineOp<None>({
  name: "where",
  infer: ([condition, a, b]) => {
    if (condition!.dtype !== "bool") throw new ShapeError("where", `the condition is ${condition!.dtype}, not bool`);
    if (a!.dtype !== b!.dtype) throw new ShapeError("where", `branches are ${a!.dtype} and ${b!.dtype}; cast one`);
    return { shape: broadcast("where", condition!.shape, a!.shape, b!.shape), dtype: a!.dtype };
  },
  lower: (emit, _node, inputs) => emit.node("Where", inputs),
  grad: (node, dy) => {
    const [condition, a, b] = node.inputs as [Tensor, Tensor, Tensor];
    return [null, sumTo(where(condition, dy, 0), a.shape), sumTo(where(condition, 0, dy), b.shape)];
  },
  evaluate: (inputs, _attrs, node) => mapElements(inputs, node.shape, (c, a, b) => (c ? a! : b!)),
});

interface CastAttrs extends Attrs {
  to: DType;
}

const onnxTypeCode: Record<DType, number> = { float32: 1, float16: 10, float64: 11, int64: 7, int32: 6, uint8: 2, bool: 9 };

const castOp = defineOp<CastAttrs>({
  name: "cast",
  infer: ([x], { to }) => ({ shape: x!.shape, dtype: to }),
  lower: (emit, _node, [x], { to }) => emit.node("Cast", [x!], { to: onnxTypeCode[to] }),
  grad: (node, dy) => [isFloat(node.inputs[0]!.dtype) && isFloat(node.dtype) ? cast(dy, node.inputs[0]!.dtype) : null],
  evaluate: ([x], { to }) => mapElements([x!], x!.shape, (v) => (to === "bool" ? Number(v !== 0) : isFloat(to) ? v : Math.trunc(v))),
});

const call = (op: Op<None>, ...inputs: Tensor[]): Tensor => apply(op, inputs, {});

function call2(op: Op<None>, a: Operand, b: Operand): Tensor {
  const dtype = typeof a === "number" ? (typeof b === "number" ? "float32" : b.dtype) : a.dtype;
  return call(op, lift(a, dtype), lift(b, dtype));
}

export const neg = (x: Tensor): Tensor => call(negOp, x);
export const abs = (x: Tensor): Tensor => call(absOp, x);
export const sign = (x: Tensor): Tensor => call(signOp, x);
export const floor = (x: Tensor): Tensor => call(floorOp, x);
/** To the nearest integer, halves to the even one; its gradient is zero (see `roundStraightThrough`). */
export const round = (x: Tensor): Tensor => call(roundOp, x);
export const exp = (x: Tensor): Tensor => call(expOp, x);
export const log = (x: Tensor): Tensor => call(logOp, x);
export const sqrt = (x: Tensor): Tensor => call(sqrtOp, x);
export const reciprocal = (x: Tensor): Tensor => call(reciprocalOp, x);
export const sin = (x: Tensor): Tensor => call(sinOp, x);
export const cos = (x: Tensor): Tensor => call(cosOp, x);
export const atan = (x: Tensor): Tensor => call(atanOp, x);
export const tanh = (x: Tensor): Tensor => call(tanhOp, x);
export const sigmoid = (x: Tensor): Tensor => call(sigmoidOp, x);
export const erf = (x: Tensor): Tensor => call(erfOp, x);
export const relu = (x: Tensor): Tensor => call(reluOp, x);
/** `max(x, 0) + slope * min(x, 0)`. */
export const leakyRelu = (x: Tensor, slope: number): Tensor => (slope === 0 ? relu(x) : maximum(x, mul(x, slope)));
export const silu = (x: Tensor): Tensor => call(siluOp, x);
export const gelu = (x: Tensor): Tensor => call(geluOp, x);
export const not = (x: Tensor): Tensor => call(notOp, x);
export const add = (a: Operand, b: Operand): Tensor => call2(addOp, a, b);
export const sub = (a: Operand, b: Operand): Tensor => call2(subOp, a, b);
export const mul = (a: Operand, b: Operand): Tensor => call2(mulOp, a, b);
export const div = (a: Operand, b: Operand): Tensor => call2(divOp, a, b);
export const pow = (a: Operand, b: Operand): Tensor => call2(powOp, a, b);
export const maximum = (a: Operand, b: Operand): Tensor => call2(maximumOp, a, b);
export const minimum = (a: Operand, b: Operand): Tensor => call2(minimumOp, a, b);
export const clamp = (x: Tensor, low: number, high: number): Tensor => minimum(maximum(x, low), high);
export const square = (x: Tensor): Tensor => mul(x, x);
export const equal = (a: Operand, b: Operand): Tensor => call2(equalOp, a, b);
export const less = (a: Operand, b: Operand): Tensor => call2(lessOp, a, b);
export const lessEqual = (a: Operand, b: Operand): Tensor => call2(lessEqualOp, a, b);
export const greater = (a: Operand, b: Operand): Tensor => call2(greaterOp, a, b);
export const greaterEqual = (a: Operand, b: Operand): Tensor => call2(greaterEqualOp, a, b);
export const and = (a: Tensor, b: Tensor): Tensor => call(andOp, a, b);
export const or = (a: Tensor, b: Tensor): Tensor => call(orOp, a, b);
export const cast = (x: Tensor, to: DType): Tensor => (x.dtype === to ? x : apply(castOp, [x], { to }));

/** `a` where the condition holds, else `b`. */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  const dtype = typeof a !== "number" ? a.dtype : typeof b !== "number" ? b.dtype : "float32";
  return call(whereOp, condition, lift(a, dtype), lift(b, dtype));
}

/** The sum of several tensors of one shape. */
export const addAll = (tensors: readonly Tensor[]): Tensor => (tensors.length ? tensors.reduce((a, b) => add(a, b)) : constant(0));
