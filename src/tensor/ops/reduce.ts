/** Ops that fold axes away: sums, means, extremes, cumulative sums, and the index of the largest. */
import type { DType } from "../dtype.ts";
import { apply, defineOp, type Attrs, type NdArray, type Op, type Tensor } from "../graph.ts";
import { axesOf, axisOf, sameShape, ShapeError, show, size, strides } from "../shape.ts";
import { cast, div, equal, mul } from "./elementwise.ts";
import { broadcastTo, reshape } from "./layout.ts";

interface ReduceAttrs extends Attrs {
  axes: readonly number[];
  keepDims: boolean;
}

const reducedShape = (shape: readonly number[], { axes, keepDims }: ReduceAttrs): number[] =>
  keepDims ? shape.map((d, i) => (axes.includes(i) ? 1 : d)) : shape.filter((_, i) => !axes.includes(i));

function fold(x: NdArray, attrs: ReduceAttrs, start: number, f: (a: number, b: number) => number): NdArray {
  const kept = reducedShape(x.shape, { ...attrs, keepDims: true });
  const outStrides = strides(kept).map((s, i) => (attrs.axes.includes(i) ? 0 : s));
  const inStrides = strides(x.shape);
  const data = new Float64Array(size(kept)).fill(start);
  for (let i = 0; i < x.data.length; i++) {
    let rest = i;
    let at = 0;
    for (let k = 0; k < inStrides.length; k++) {
      const c = Math.floor(rest / inStrides[k]!);
      rest -= c * inStrides[k]!;
      at += c * outStrides[k]!;
    }
    data[at] = f(data[at]!, x.data[i]!);
  }
  return { shape: reducedShape(x.shape, attrs), data };
}

interface Reduction {
  onnx: string;
  evaluate: (x: NdArray, attrs: ReduceAttrs) => NdArray;
  /** `x`, and `y` and `dy` with the reduced axes kept as ones. */
  grad: (x: Tensor, y: Tensor, dy: Tensor) => Tensor;
}

function reduction(name: string, { onnx, evaluate, grad }: Reduction): Op<ReduceAttrs> {
  return defineOp<ReduceAttrs>({
    name,
    infer: ([x], attrs) => ({ shape: reducedShape(x!.shape, attrs), dtype: x!.dtype }),
    lower: (emit, _node, [x], { axes, keepDims }) =>
      // Opset 17 takes the axes of a sum as an input, of the others as an attribute.
      onnx === "ReduceSum"
        ? emit.node(onnx, [x!, emit.ints(axes)], { keepdims: Number(keepDims) })
        : emit.node(onnx, [x!], { axes, keepdims: Number(keepDims) }),
    grad: (node, dy, attrs) => {
      const x = node.inputs[0]!;
      const kept = reducedShape(x.shape, { ...attrs, keepDims: true });
      return [grad(x, reshape(node, kept), reshape(dy, kept))];
    },
    evaluate: ([x], attrs) => evaluate(x!, attrs),
  });
}

/** Elements equal to the extreme share the gradient, as `torch.amax` does. */
const extremeGrad = (x: Tensor, y: Tensor, dy: Tensor, axes: readonly number[]): Tensor => {
  const mask = cast(equal(x, y), x.dtype);
  return mul(mask, div(dy, sum(mask, axes, true)));
};

const sumOp = reduction("sum", { onnx: "ReduceSum", evaluate: (x, a) => fold(x, a, 0, (s, v) => s + v), grad: (x, _y, dy) => broadcastTo(dy, x.shape) });
const sumSquaresOp = reduction("sumSquares", { onnx: "ReduceSumSquare", evaluate: (x, a) => fold(x, a, 0, (s, v) => s + v * v), grad: (x, _y, dy) => mul(x, mul(dy, 2)) });
const meanOp = reduction("mean", {
  onnx: "ReduceMean",
  evaluate: (x, a) => {
    const total = fold(x, a, 0, (s, v) => s + v);
    const count = x.data.length / total.data.length;
    return { shape: total.shape, data: total.data.map((v) => v / count) };
  },
  grad: (x, y, dy) => broadcastTo(mul(dy, size(y.shape) / size(x.shape)), x.shape),
});
const differingAxes = (x: Tensor, y: Tensor): number[] => x.shape.flatMap((d, i) => (d !== y.shape[i] ? [i] : []));
const maxOp = reduction("max", { onnx: "ReduceMax", evaluate: (x, a) => fold(x, a, -Infinity, Math.max), grad: (x, y, dy) => extremeGrad(x, y, dy, differingAxes(x, y)) });
const minOp = reduction("min", { onnx: "ReduceMin", evaluate: (x, a) => fold(x, a, Infinity, Math.min), grad: (x, y, dy) => extremeGrad(x, y, dy, differingAxes(x, y)) });

function reduce(op: Op<ReduceAttrs>, x: Tensor, axes: number | readonly number[] | undefined, keepDims: boolean): Tensor {
  const list = axes === undefined ? x.shape.map((_, i) => i) : typeof axes === "number" ? [axes] : axes;
  const at = axesOf(op.name, list, x.shape.length);
  // Nothing to fold: the value is its own sum, mean and extreme. ONNX would read "no axes" as "all".
  if (at.every((a) => x.shape[a] === 1)) return reshape(op === sumSquaresOp ? mul(x, x) : x, reducedShape(x.shape, { axes: at, keepDims }));
  return apply(op, [x], { axes: at, keepDims });
}

type Axes = number | readonly number[];
/** Over `axes`, or over everything when none are given. */
export const sum = (x: Tensor, axes?: Axes, keepDims = false): Tensor => reduce(sumOp, x, axes, keepDims);
/** The sum of squares, in one pass. */
export const sumSquares = (x: Tensor, axes?: Axes, keepDims = false): Tensor => reduce(sumSquaresOp, x, axes, keepDims);
export const mean = (x: Tensor, axes?: Axes, keepDims = false): Tensor => reduce(meanOp, x, axes, keepDims);
export const max = (x: Tensor, axes?: Axes, keepDims = false): Tensor => reduce(maxOp, x, axes, keepDims);
export const min = (x: Tensor, axes?: Axes, keepDims = false): Tensor => reduce(minOp, x, axes, keepDims);

/** Undoes a broadcast: sums `x` down to `shape`. */
export function sumTo(x: Tensor, shape: readonly number[]): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const extra = x.shape.length - shape.length;
  const axes = x.shape.flatMap((d, i) => (i < extra || (shape[i - extra] === 1 && d !== 1) ? [i] : []));
  return reshape(axes.length ? sum(x, axes, true) : x, shape);
}

interface CumsumAttrs extends Attrs {
  axis: number;
  reverse: boolean;
  exclusive: boolean;
}

const cumsumOp = defineOp<CumsumAttrs>({
  name: "cumsum",
  infer: ([x]) => ({ shape: x!.shape, dtype: x!.dtype }),
  lower: (emit, _node, [x], { axis, reverse, exclusive }) =>
    emit.node("CumSum", [x!, emit.constant("int64", [], BigInt64Array.of(BigInt(axis)))], { reverse: Number(reverse), exclusive: Number(exclusive) }),
  grad: (_node, dy, { axis, reverse, exclusive }) => [cumsum(dy, axis, { reverse: !reverse, exclusive })],
  evaluate: ([x], { axis, reverse, exclusive }) => {
    const data = new Float64Array(x!.data.length);
    const step = strides(x!.shape)[axis]!;
    const length = x!.shape[axis]!;
    for (let i = 0; i < data.length; i++) {
      const position = Math.floor(i / step) % length;
      const base = i - position * step;
      for (let k = 0; k < length; k++) {
        const before = reverse ? k > position : k < position;
        if (before || (k === position && !exclusive)) data[i] = data[i]! + x!.data[base + k * step]!;
      }
    }
    return { shape: x!.shape, data };
  },
});

/** Running sums along an axis; `reverse` counts from the end, `exclusive` leaves the element itself out. */
export const cumsum = (x: Tensor, axis: number, { reverse = false, exclusive = false }: { reverse?: boolean; exclusive?: boolean } = {}): Tensor =>
  apply(cumsumOp, [x], { axis: axisOf("cumsum", axis, x.shape.length), reverse, exclusive });

interface ArgmaxAttrs extends Attrs {
  axis: number;
}

const argmaxOp = defineOp<ArgmaxAttrs>({
  name: "argmax",
  infer: ([x], { axis }) => {
    if (x!.shape[axis] === 0) throw new ShapeError("argmax", `axis ${axis} of ${show(x!.shape)} is empty`);
    return { shape: x!.shape.filter((_, i) => i !== axis), dtype: "int64" satisfies DType };
  },
  lower: (emit, _node, [x], { axis }) => emit.node("ArgMax", [x!], { axis, keepdims: 0 }),
  evaluate: ([x], { axis }, node) => {
    const step = strides(x!.shape)[axis]!;
    const length = x!.shape[axis]!;
    const data = new Float64Array(size(node.shape)).map((_, i) => {
      const base = Math.floor(i / step) * step * length + (i % step);
      let best = 0;
      for (let k = 1; k < length; k++) if (x!.data[base + k * step]! > x!.data[base + best * step]!) best = k;
      return best;
    });
    return { shape: node.shape, data };
  },
});

/** Index of the largest element along an axis, the first of equals, as int64. */
export const argmax = (x: Tensor, axis: number): Tensor => apply(argmaxOp, [x], { axis: axisOf("argmax", axis, x.shape.length) });
