/** Matrix products over the last two axes, either side transposed on the way, leading axes broadcast. */
import { apply, defineOp, type Attrs, type NdArray, type Tensor } from "../graph.ts";
import { broadcast, ShapeError, show, size } from "../shape.ts";
import { broadcastIndex } from "./elementwise.ts";
import { reshape, swapAxes, transpose } from "./layout.ts";
import { sumTo } from "./reduce.ts";

export interface MatmulAttrs extends Attrs {
  transA: boolean;
  transB: boolean;
  alpha: number;
}

function dims(a: readonly number[], b: readonly number[], { transA, transB }: MatmulAttrs): { m: number; k: number; n: number; batch: number[] } {
  if (a.length < 2 || b.length < 2) throw new ShapeError("matmul", `${show(a)} and ${show(b)} need at least two axes each`);
  const [m, k] = transA ? [a.at(-1)!, a.at(-2)!] : [a.at(-2)!, a.at(-1)!];
  const [kb, n] = transB ? [b.at(-1)!, b.at(-2)!] : [b.at(-2)!, b.at(-1)!];
  if (k !== kb) throw new ShapeError("matmul", `${show(a)}${transA ? "ᵀ" : ""} and ${show(b)}${transB ? "ᵀ" : ""} do not chain: ${k} is not ${kb}`);
  return { m, k, n, batch: broadcast("matmul", a.slice(0, -2), b.slice(0, -2)) };
}

/** The shape of the product, its leading axes broadcast. Throws `ShapeError`. */
export function matmulShape(a: readonly number[], b: readonly number[], attrs: MatmulAttrs): number[] {
  const { m, n, batch } = dims(a, b, attrs);
  return [...batch, m, n];
}

const matmulOp = defineOp<MatmulAttrs>({
  name: "matmul",
  infer: ([a, b], attrs) => {
    if (a!.dtype !== b!.dtype) throw new ShapeError("matmul", `operands are ${a!.dtype} and ${b!.dtype}; cast one`);
    return { shape: matmulShape(a!.shape, b!.shape, attrs), dtype: a!.dtype };
  },
  lower: (emit, node, [a, b], { transA, transB, alpha }) => {
    if ((emit.target === "cpu" || emit.target === "cuda") && (transA || transB || alpha !== 1))
      return emit.node("FusedMatMul", [a!, b!], { transA: Number(transA), transB: Number(transB), alpha: { float: alpha } }, "com.microsoft");
    const turn = (name: string, t: Tensor): string => {
      const rank = t.shape.length;
      return emit.node("Transpose", [name], { perm: t.shape.map((_, i) => (i < rank - 2 ? i : 2 * rank - 3 - i)) });
    };
    const y = emit.node("MatMul", [transA ? turn(a!, node.inputs[0]!) : a!, transB ? turn(b!, node.inputs[1]!) : b!]);
    return alpha === 1 ? y : emit.node("Mul", [y, emit.constant("float32", [], new Float32Array([alpha]))]);
  },
  grad: (node, dy, attrs) => productGradients(node.inputs[0]!, node.inputs[1]!, dy, attrs),
  evaluate: ([a, b], attrs, node) => evaluateMatmul(a!, b!, attrs, node.shape),
});

/** Gradients of both operands of a product. */
export function productGradients(a: Tensor, b: Tensor, dy: Tensor, { transA, transB, alpha }: MatmulAttrs): [Tensor, Tensor] {
  const da = transA ? matmul(b, dy, { transA: transB, transB: true, alpha }) : matmul(dy, b, { transB: !transB, alpha });
  if (b.shape.length === 2 && a.shape.length > 2 && !transA) {
    // A weight shared by all leading axes: fold them into the contraction instead of summing products afterwards.
    const flatA = reshape(a, [-1, a.shape.at(-1)!]);
    const flatDy = reshape(dy, [-1, dy.shape.at(-1)!]);
    return [da, transB ? matmul(flatDy, flatA, { transA: true, alpha }) : matmul(flatA, flatDy, { transA: true, alpha })];
  }
  const db = transB ? matmul(dy, a, { transA: true, transB: transA, alpha }) : matmul(a, dy, { transA: !transA, alpha });
  return [sumTo(da, a.shape), sumTo(db, b.shape)];
}

export function evaluateMatmul(a: NdArray, b: NdArray, attrs: MatmulAttrs, shape: readonly number[]): NdArray {
  const { m, k, n, batch } = dims(a.shape, b.shape, attrs);
  const atA = broadcastIndex(a.shape.slice(0, -2), batch);
  const atB = broadcastIndex(b.shape.slice(0, -2), batch);
  const data = new Float64Array(size(shape));
  for (let g = 0; g < size(batch); g++) {
    const [pa, pb] = [atA(g) * m * k, atB(g) * k * n];
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++) {
        let total = 0;
        for (let l = 0; l < k; l++) total += a.data[pa + (attrs.transA ? l * m + i : i * k + l)]! * b.data[pb + (attrs.transB ? j * k + l : l * n + j)]!;
        data[(g * m + i) * n + j] = attrs.alpha * total;
      }
  }
  return { shape, data };
}

/** `alpha * a b` over the last two axes; `transA` and `transB` exchange those two of an operand first. */
export function matmul(a: Tensor, b: Tensor, { transA = false, transB = false, alpha = 1 }: { transA?: boolean; transB?: boolean; alpha?: number } = {}): Tensor {
  return apply(matmulOp, [a, b], { transA, transB, alpha });
}

/**
 * Sums of products in Einstein's notation for two operands, as far as one matrix product goes: every letter of the output
 * stands in an input, and a summed letter in both. Example: `einsum("bhid,bhjd->bhij", q, k)`.
 */
export function einsum(equation: string, a: Tensor, b: Tensor): Tensor {
  const [left, out] = equation.split("->").map((s) => s.trim());
  const [ea, eb] = left!.split(",").map((s) => s.trim());
  if (!ea || !eb || out === undefined || ea.length !== a.shape.length || eb.length !== b.shape.length) throw new ShapeError("einsum", `"${equation}" for ${show(a.shape)} and ${show(b.shape)}`);
  const length = (l: string): number => (ea.includes(l) ? a.shape[ea.indexOf(l)]! : b.shape[eb.indexOf(l)]!);
  const both = [...ea].filter((l) => eb.includes(l));
  const batch = both.filter((l) => out.includes(l));
  const summed = both.filter((l) => !out.includes(l));
  const rows = [...ea].filter((l) => !eb.includes(l));
  const columns = [...eb].filter((l) => !ea.includes(l));
  if ([...rows, ...columns].some((l) => !out.includes(l))) throw new ShapeError("einsum", `"${equation}" sums a letter of one operand only`);
  const order = (t: Tensor, e: string, letters: string[]): Tensor => transpose(t, letters.map((l) => e.indexOf(l)));
  const count = (letters: string[]): number => letters.reduce((n, l) => n * length(l), 1);
  const left3 = reshape(order(a, ea, [...batch, ...rows, ...summed]), [...batch.map(length), count(rows), count(summed)]);
  const right3 = reshape(order(b, eb, [...batch, ...summed, ...columns]), [...batch.map(length), count(summed), count(columns)]);
  const letters = [...batch, ...rows, ...columns];
  const y = reshape(matmul(left3, right3), letters.map(length));
  return transpose(y, [...out].map((l) => letters.indexOf(l)));
}

/** Exchanges the last two axes. */
export const matrixTranspose = (x: Tensor): Tensor => swapAxes(x, -1, -2);
