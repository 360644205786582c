/** Scaled dot-product attention, and rotary position embedding in the rotate-half convention. */
import { add, concat, matmul, mul, neg, sliceAxis, softmax, type Tensor } from "../tensor/index.ts";

/**
 * softmax(q kᵀ / sqrt(d) + mask) v over [..., tokens, d]. `mask` is added to the scores and broadcasts to
 * [..., queries, keys]; `scale` replaces 1 / sqrt(d).
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, { mask, scale = q.shape.at(-1)! ** -0.5 }: { mask?: Tensor | undefined; scale?: number } = {}): Tensor {
  const scores = matmul(q, k, { transB: true, alpha: scale });
  return matmul(softmax(mask ? add(scores, mask) : scores), v);
}

/** x cos + rotateHalf(x) sin, where rotateHalf([a, b]) = [-b, a] over the halves of the last axis. */
export function rotary(x: Tensor, cos: Tensor, sin: Tensor): Tensor {
  const half = x.shape.at(-1)! / 2;
  const turned = concat([neg(sliceAxis(x, -1, half)), sliceAxis(x, -1, 0, half)], -1);
  return add(mul(x, cos), mul(turned, sin));
}
