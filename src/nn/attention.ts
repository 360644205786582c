/** Scaled dot-product attention. */
import { add, matmul, softmax, type Tensor } from "../tensor/index.ts";

/**
 * softmax(q kᵀ / sqrt(d) + mask) v over [..., tokens, d]. `mask` is added to the scores and broadcasts to
 * [..., queries, keys]; `scale` replaces 1 / sqrt(d).
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, { mask, scale = q.shape.at(-1)! ** -0.5 }: { mask?: Tensor | undefined; scale?: number } = {}): Tensor {
  const scores = matmul(q, k, { transB: true, alpha: scale });
  return matmul(softmax(mask ? add(scores, mask) : scores), v);
}
