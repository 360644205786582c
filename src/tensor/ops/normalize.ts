/** Softmax and the normalisations of transformers and convolution networks, each over the last axis and without parameters. */
import { apply, defineOp, type Attrs, type Emitter, type NdArray, type Tensor } from "../graph.ts";
import { axisOf, ShapeError, show } from "../shape.ts";
import { stopGradient } from "./control.ts";
import { add, exp, log, mul, sub } from "./elementwise.ts";
import { full } from "./gather.ts";
import { reshape, swapAxes } from "./layout.ts";
import { matmul } from "./matmul.ts";
import { max, mean, sum } from "./reduce.ts";

type None = Record<string, never>;
interface EpsAttrs extends Attrs {
  eps: number;
}

/** Applies `f` to every row of the last axis. */
function rows(x: NdArray, f: (row: Float64Array) => ArrayLike<number>): Float64Array {
  const length = x.shape.at(-1)!;
  const data = new Float64Array(x.data.length);
  for (let i = 0; i < data.length; i += length) data.set(f(x.data.subarray(i, i + length)), i);
  return data;
}

const softmaxOp = defineOp<None>({
  name: "softmax",
  infer: ([x]) => ({ shape: x!.shape, dtype: x!.dtype }),
  lower: (emit, _node, [x]) => emit.node("Softmax", [x!], { axis: -1 }),
  // In this form the rewriting pass can shorten the row sums of attention (see `rewrite/simplify.ts`).
  grad: (node, dy) => [mul(node, sub(dy, sum(mul(dy, node), -1, true)))],
  evaluate: ([x]) => ({
    shape: x!.shape,
    data: rows(x!, (row) => {
      const top = row.reduce((a, b) => Math.max(a, b), -Infinity);
      const e = row.map((v) => Math.exp(v - top));
      const total = e.reduce((a, b) => a + b, 0);
      return e.map((v) => v / total);
    }),
  }),
});

/** exp(x) over its sum along an axis. */
export function softmax(x: Tensor, axis = -1): Tensor {
  const at = axisOf("softmax", axis, x.shape.length);
  const last = x.shape.length - 1;
  return at === last ? apply(softmaxOp, [x], {}) : swapAxes(apply(softmaxOp, [swapAxes(x, at, last)], {}), at, last);
}

/** log(sum(exp(x))) along the last axis, without overflow. */
export function logSumExp(x: Tensor, keepDims = false): Tensor {
  const top = max(x, -1, true);
  const total = log(sum(exp(sub(x, stopGradient(top))), -1, keepDims));
  return keepDims ? add(total, stopGradient(top)) : add(total, stopGradient(max(x, -1)));
}

/** x - logSumExp(x) along the last axis. */
export const logSoftmax = (x: Tensor): Tensor => sub(x, logSumExp(x, true));

const meanOf = (row: Float64Array): number => row.reduce((a, b) => a + b, 0) / row.length;
const varianceOf = (row: Float64Array): number => {
  const m = meanOf(row);
  return row.reduce((a, b) => a + (b - m) ** 2, 0) / row.length;
};

/** One LayerNormalization node gives both the normalised values and 1/std. */
function layerNormalization(emit: Emitter, x: string, node: Tensor, eps: number): string[] {
  return emit.shared(`layerNorm ${x} ${eps}`, () => {
    const width = node.inputs[0]!.shape.at(-1)!;
    const ones = emit.constant("float32", [width], new Float32Array(width).fill(1));
    return emit.nodes("LayerNormalization", [x, ones], 3, { axis: -1, epsilon: { float: eps } });
  });
}

/** WebGPU's LayerNormalization gives no second output: there 1/std is written out. */
function inverseDeviation(emit: Emitter, x: string, eps: number, centred: boolean): string {
  const c = (v: number): string => emit.constant("float32", [], new Float32Array([v]));
  const d = centred ? emit.node("Sub", [x, emit.node("ReduceMean", [x], { axes: [-1], keepdims: 1 })]) : x;
  const variance = emit.node("ReduceMean", [emit.node("Mul", [d, d])], { axes: [-1], keepdims: 1 });
  return emit.node("Reciprocal", [emit.node("Sqrt", [emit.node("Add", [variance, c(eps)])])]);
}

const standardizeOp = defineOp<EpsAttrs>({
  name: "standardize",
  infer: ([x]) => ({ shape: x!.shape, dtype: x!.dtype }),
  lower: (emit, node, [x], { eps }) => {
    if (emit.target === "cpu" || emit.target === "cuda") return layerNormalization(emit, x!, node, eps)[0]!;
    const width = node.shape.at(-1)!;
    return emit.node("LayerNormalization", [x!, emit.constant("float32", [width], new Float32Array(width).fill(1))], { axis: -1, epsilon: { float: eps } });
  },
  grad: (node, dy, { eps }) => {
    const centred = sub(sub(dy, mean(dy, -1, true)), mul(node, mean(mul(dy, node), -1, true)));
    return [mul(centred, apply(inverseStdOp, [node.inputs[0]!], { eps }))];
  },
  evaluate: ([x], { eps }) => ({
    shape: x!.shape,
    data: rows(x!, (row) => {
      const [m, s] = [meanOf(row), Math.sqrt(varianceOf(row) + eps)];
      return row.map((v) => (v - m) / s);
    }),
  }),
});

const inverseStdOp = defineOp<EpsAttrs>({
  name: "inverseStd",
  infer: ([x]) => ({ shape: [...x!.shape.slice(0, -1), 1], dtype: x!.dtype }),
  lower: (emit, node, [x], { eps }) => (emit.target === "cpu" || emit.target === "cuda" ? layerNormalization(emit, x!, node, eps)[2]! : inverseDeviation(emit, x!, eps, true)),
  grad: (node, dy, { eps }) => {
    // d(1/s)/dx = -(x - mean) / (n s^3), and (x - mean) / s is the standardised x.
    const x = node.inputs[0]!;
    return [mul(standardize(x, eps), mul(dy, mul(mul(node, node), -1 / x.shape.at(-1)!)))];
  },
  evaluate: ([x], { eps }, node) => {
    const length = x!.shape.at(-1)!;
    const data = Float64Array.from({ length: x!.data.length / length }, (_, i) => 1 / Math.sqrt(varianceOf(x!.data.subarray(i * length, (i + 1) * length)) + eps));
    return { shape: node.shape, data };
  },
});

/** (x - mean) / sqrt(variance + eps) over the last axis: LayerNorm without its scale and shift. */
export const standardize = (x: Tensor, eps: number): Tensor => apply(standardizeOp, [x], { eps });

const squareMean = (row: Float64Array): number => row.reduce((a, b) => a + b * b, 0) / row.length;

/** Where the fused node has left 1/rms for `inverseRms`. */
const inverseRmsKey = (x: string, eps: number): string => `inverseRms ${x} ${eps}`;

const rmsOp = defineOp<EpsAttrs>({
  name: "rmsNorm",
  infer: ([x, weight]) => {
    if (weight!.shape.length !== 1 || weight!.shape[0] !== x!.shape.at(-1)) throw new ShapeError("rmsNorm", `weight ${show(weight!.shape)} for ${show(x!.shape)}`);
    return { shape: x!.shape, dtype: x!.dtype };
  },
  lower: (emit, _node, [x, weight], { eps }) => {
    if (emit.target !== "cpu") return emit.node("Mul", [emit.node("Mul", [x!, inverseDeviation(emit, x!, eps, false)]), weight!]);
    const [y, inverse] = emit.nodes("SimplifiedLayerNormalization", [x!, weight!], 2, { axis: -1, epsilon: { float: eps } });
    emit.shared(inverseRmsKey(x!, eps), () => [inverse!]);
    return y!;
  },
  grad: (node, dy, { eps }) => {
    const [x, weight] = node.inputs as [Tensor, Tensor];
    const width = x.shape.at(-1)!;
    const inverse = apply(inverseRmsOp, [x], { eps });
    // Both reductions of dy * x * weight are matrix-vector products: over the row for dx, down the column for the weight.
    const product = mul(dy, x);
    const along = reshape(matmul(reshape(product, [-1, width]), reshape(weight, [width, 1])), [...x.shape.slice(0, -1), 1]);
    const dx = mul(inverse, sub(mul(dy, weight), mul(x, mul(mul(mul(inverse, inverse), along), 1 / width))));
    const dWeight = matmul(reshape(inverse, [-1, 1]), reshape(product, [-1, width]), { transA: true });
    return [dx, reshape(dWeight, [width])];
  },
  evaluate: ([x, weight], { eps }) => ({
    shape: x!.shape,
    data: rows(x!, (row) => {
      const r = Math.sqrt(squareMean(row) + eps);
      return row.map((v, i) => (v / r) * weight!.data[i]!);
    }),
  }),
});

const inverseRmsOp = defineOp<EpsAttrs>({
  name: "inverseRms",
  infer: ([x]) => ({ shape: [...x!.shape.slice(0, -1), 1], dtype: x!.dtype }),
  lower: (emit, _node, [x], { eps }) => emit.shared(inverseRmsKey(x!, eps), () => [inverseDeviation(emit, x!, eps, false)])[0]!,
  grad: (node, dy) => {
    const x = node.inputs[0]!;
    return [mul(x, mul(dy, mul(mul(node, mul(node, node)), -1 / x.shape.at(-1)!)))];
  },
  evaluate: ([x], { eps }, node) => {
    const length = x!.shape.at(-1)!;
    const data = Float64Array.from({ length: x!.data.length / length }, (_, i) => 1 / Math.sqrt(squareMean(x!.data.subarray(i * length, (i + 1) * length)) + eps));
    return { shape: node.shape, data };
  },
});

/** x / sqrt(mean(x^2) + eps) * weight over the last axis: RMSNorm; without a weight, its normalisation alone. */
export const rmsNorm = (x: Tensor, weight: Tensor | undefined, eps: number): Tensor => apply(rmsOp, [x, weight ?? full([x.shape.at(-1)!], 1)], { eps });
