/**
 * Algebra that gradients leave behind: times one, plus nothing, double transposes, broadcasts that the next op makes anyway.
 * Every rule keeps the value for all finite inputs.
 */
import { constant, constantValue, rebuild, type Tensor } from "../graph.ts";
import { reshape, transpose } from "../ops/layout.ts";
import { mul } from "../ops/elementwise.ts";
import { matmul } from "../ops/matmul.ts";
import { sum } from "../ops/reduce.ts";
import { broadcast, sameShape } from "../shape.ts";
import { mapGraph } from "./map.ts";

type Rule = (node: Tensor) => Tensor | undefined;

const broadcasting = new Set(["add", "sub", "mul", "div", "pow", "maximum", "minimum", "where"]);
const isBroadcast = (t: Tensor): boolean => t.op.name === "broadcastTo";

/** `x + broadcast(y)` is `x + y` when the other operand already has the full shape. */
const dropBroadcast: Rule = (node) => {
  if (!broadcasting.has(node.op.name) || !node.inputs.some(isBroadcast)) return undefined;
  const bare = node.inputs.map((i) => (isBroadcast(i) ? i.inputs[0]! : i));
  // All at once if the shape survives, else all but one of them.
  for (const kept of [-1, ...bare.keys()]) {
    const inputs = bare.map((t, i) => (i === kept ? node.inputs[i]! : t));
    if (inputs.every((t, i) => t === node.inputs[i])) continue;
    if (sameShape(broadcast(node.op.name, ...inputs.map((t) => t.shape)), node.shape)) return rebuild(node, inputs);
  }
  return undefined;
};

/** The value of a constant, also one that was broadcast. */
const scalarOf = (t: Tensor): number | undefined => constantValue(isBroadcast(t) ? t.inputs[0]! : t);

const neutral: Rule = (node) => {
  const [a, b] = node.inputs as [Tensor, Tensor];
  const keep = (t: Tensor): Tensor | undefined => (sameShape(t.shape, node.shape) ? t : undefined);
  switch (node.op.name) {
    case "mul":
      return scalarOf(b) === 1 ? keep(a) : scalarOf(a) === 1 ? keep(b) : undefined;
    case "add":
      return scalarOf(b) === 0 ? keep(a) : scalarOf(a) === 0 ? keep(b) : undefined;
    case "sub":
    case "div":
      return scalarOf(b) === (node.op.name === "div" ? 1 : 0) ? keep(a) : undefined;
    default:
      return undefined;
  }
};

/** (x c1) c2 is x (c1 c2). */
const mergeScales: Rule = (node) => {
  if (node.op.name !== "mul") return undefined;
  const [a, b] = node.inputs as [Tensor, Tensor];
  const outer = constantValue(b);
  if (outer === undefined || b.shape.length > 0 || a.op.name !== "mul") return undefined;
  const inner = constantValue(a.inputs[1]!);
  if (inner === undefined || a.inputs[1]!.shape.length > 0) return undefined;
  return rebuild(a, [a.inputs[0]!, scalar(inner * outer, node)]);
};

const mergeTransposes: Rule = (node) => {
  if (node.op.name !== "transpose" || node.inputs[0]!.op.name !== "transpose") return undefined;
  const inner = node.inputs[0]!;
  const innerPerm = inner.attrs["perm"] as number[];
  return transpose(inner.inputs[0]!, (node.attrs["perm"] as number[]).map((p) => innerPerm[p]!));
};

const mergeReshapes: Rule = (node) => (node.op.name === "reshape" && node.inputs[0]!.op.name === "reshape" ? reshape(node.inputs[0]!.inputs[0]!, node.shape) : undefined);

/** A matrix product reads an operand transposed at no cost, so an exchange of the last two axes before it goes. */
const transposeIntoMatmul: Rule = (node) => {
  if (node.op.name !== "matmul") return undefined;
  const attrs = node.attrs as { transA: boolean; transB: boolean; alpha: number };
  const swapped = (t: Tensor): boolean => {
    const perm = t.attrs["perm"] as number[] | undefined;
    const rank = t.shape.length;
    return t.op.name === "transpose" && perm!.every((p, i) => p === (i < rank - 2 ? i : 2 * rank - 3 - i));
  };
  const [a, b] = node.inputs as [Tensor, Tensor];
  if (!swapped(a) && !swapped(b)) return undefined;
  return matmul(swapped(a) ? a.inputs[0]! : a, swapped(b) ? b.inputs[0]! : b, {
    alpha: attrs.alpha,
    transA: attrs.transA !== swapped(a),
    transB: attrs.transB !== swapped(b),
  });
};

/**
 * The row sums in softmax's gradient within attention, sum_k (dO Vᵀ)_k P_k, are sum_d dO_d (P V)_d: over the head's width
 * instead of the keys (Dao et al., FlashAttention, 2022, eq. 4).
 */
const shortenRowSums: Rule = (node) => {
  const attrs = node.attrs as { axes?: number[]; keepDims?: boolean };
  const product = node.inputs[0];
  if (node.op.name !== "sum" || product?.op.name !== "mul") return undefined;
  const rank = product.shape.length;
  if (attrs.axes!.length !== 1 || attrs.axes![0] !== rank - 1) return undefined;
  for (const [scores, p] of [product.inputs, [...product.inputs].reverse()] as [Tensor, Tensor][]) {
    const m = scores.attrs as { transA?: boolean; transB?: boolean; alpha?: number };
    if (scores.op.name !== "matmul" || m.transA || !m.transB || m.alpha !== 1 || p.op.name !== "softmax") continue;
    const [dO, v] = scores.inputs as [Tensor, Tensor];
    // Only worth it where the head is narrower than the row, and the product with the values exists anyway.
    if (dO.shape.at(-1)! >= p.shape.at(-1)! || !sameShape(scores.shape, p.shape)) continue;
    return sum(mul(dO, matmul(p, v)), -1, attrs.keepDims);
  }
  return undefined;
};

const scalar = (value: number, like: Tensor): Tensor => constant(value, [], like.dtype);

/** In the order in which they are tried; tests run each alone. */
export const rules: Readonly<Record<string, Rule>> = { dropBroadcast, neutral, mergeScales, mergeTransposes, mergeReshapes, transposeIntoMatmul, shortenRowSums };

export function simplify(outputs: readonly Tensor[], use: readonly Rule[] = Object.values(rules)): Tensor[] {
  return mapGraph(outputs, (node) => {
    let current = node;
    for (let changed = true; changed; ) {
      changed = false;
      for (const rule of use) {
        const next = rule(current);
        if (next && next !== current) {
          current = next;
          changed = true;
        }
      }
    }
    return current;
  });
}
