/**
 * A matrix product with its bias and activation in one pass, as the CPU provider computes it. Model code never calls it: the
 * rewriting pass makes it of a product, a sum and a function that follow one another (`rewrite/fuse.ts`).
 */
import { apply, defineOp, type Attrs, type Tensor } from "../graph.ts";
import { broadcast, sameShape, ShapeError, show, size } from "../shape.ts";
import { broadcastIndex, cast, greater, mul, sub } from "./elementwise.ts";
import { reshape } from "./layout.ts";
import { evaluateMatmul, matmulShape, productGradients, type MatmulAttrs } from "./matmul.ts";
import { sumTo } from "./reduce.ts";

interface Activation {
  onnx: string;
  f: (x: number) => number;
  /** Its derivative, from its value. */
  slope: (y: Tensor) => Tensor;
}

/** Activations that can be part of it, by the name of their op. */
export const gemmActivations = {
  relu: { onnx: "Relu", f: (x) => Math.max(0, x), slope: (y) => cast(greater(y, 0), y.dtype) },
  sigmoid: { onnx: "Sigmoid", f: (x) => 1 / (1 + Math.exp(-x)), slope: (y) => mul(y, sub(1, y)) },
  tanh: { onnx: "Tanh", f: Math.tanh, slope: (y) => sub(1, mul(y, y)) },
} as const satisfies Record<string, Activation>;

export type GemmActivation = keyof typeof gemmActivations;

export interface GemmAttrs extends Attrs, MatmulAttrs {
  activation: GemmActivation | null;
}

/** Rows and columns of the product, all leading axes being rows. */
const flatShape = (shape: readonly number[]): [number, number] => [size(shape.slice(0, -1)), shape.at(-1)!];

const gemmOp = defineOp<GemmAttrs>({
  name: "gemm",
  infer: ([a, b, bias], attrs) => {
    const shape = matmulShape(a!.shape, b!.shape, attrs);
    if (b!.shape.length !== 2 || (attrs.transA && a!.shape.length !== 2)) throw new ShapeError("gemm", `${show(a!.shape)} and ${show(b!.shape)}: the second must be a matrix, and a transposed first one too`);
    if (a!.dtype !== b!.dtype || bias!.dtype !== a!.dtype || bias!.shape.length > 2 || !sameShape(broadcast("gemm", flatShape(shape), bias!.shape), flatShape(shape)))
      throw new ShapeError("gemm", `${a!.dtype}, ${b!.dtype} and bias ${bias!.dtype}${show(bias!.shape)} for a product ${show(shape)}`);
    return { shape, dtype: a!.dtype };
  },
  lower: (emit, node, [a, b, bias], { transA, transB, alpha, activation }) => {
    const from = node.inputs[0]!.shape;
    const rows = from.length === 2 ? a! : emit.node("Reshape", [a!, emit.ints([-1, from.at(-1)!])]);
    const attrs = { transA: Number(transA), transB: Number(transB), alpha: { float: alpha } };
    const kind = activation && gemmActivations[activation].onnx;
    const fused = emit.target === "cpu" && kind;
    const y = fused ? emit.node("FusedGemm", [rows, b!, bias!], { ...attrs, activation: kind }, "com.microsoft") : emit.node("Gemm", [rows, b!, bias!], attrs);
    const active = kind && !fused ? emit.node(kind, [y]) : y;
    return from.length === 2 ? active : emit.node("Reshape", [active, emit.ints(node.shape)]);
  },
  grad: (node, dy, attrs) => {
    const [a, b, bias] = node.inputs as [Tensor, Tensor, Tensor];
    const inner = attrs.activation ? mul(dy, gemmActivations[attrs.activation].slope(node)) : dy;
    return [...productGradients(a, b, inner, attrs), sumTo(reshape(inner, flatShape(inner.shape)), bias.shape)];
  },
  evaluate: ([a, b, bias], attrs, node) => {
    const { data } = evaluateMatmul(a!, b!, attrs, node.shape);
    const at = broadcastIndex(bias!.shape, flatShape(node.shape));
    const f = attrs.activation ? gemmActivations[attrs.activation].f : (x: number): number => x;
    return { shape: node.shape, data: data.map((v, i) => f(v + bias!.data[at(i)]!)) };
  },
});

/** `activation(alpha * a b + bias)`; `b` is a matrix, `bias` broadcasts to the rows and columns of the product. */
export function gemm(a: Tensor, b: Tensor, bias: Tensor, { transA = false, transB = false, alpha = 1, activation = null }: Partial<GemmAttrs> = {}): Tensor {
  return apply(gemmOp, [a, b, bias], { transA, transB, alpha, activation });
}
