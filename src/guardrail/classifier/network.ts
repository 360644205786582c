/**
 * The classifier's network: an embedding per feature bucket, attention of four heads over a window's features (each bucket has
 * its own weight per head, after Yang et al. 2016 with the query folded into the table), and two linear layers. As a graph for
 * training; `model.ts` computes the same without a runtime.
 */
import { linear, type Parameters } from "../../nn/index.ts";
import { add, gather, input, matmul, mean, mul, reshape, sliceAxis, silu, softmax, sub, swapAxes, type Tensor, log, exp, abs, maximum, neg } from "../../tensor/index.ts";
import { categoryIds } from "../taxonomy.ts";
import { buckets } from "./features.ts";

export const width = 28;
export const heads = 4;
export const hidden = 64;
/** A logit for each category, and the last for "any harm". */
export const outputs = categoryIds.length + 1;

/** Logits [B, outputs] of windows: `features` [B, L] int64 bucket numbers, `padding` [B, L] of 0 and, where there is none, -1e4. */
export function classify({ root }: Parameters, features: Tensor, padding: Tensor): Tensor {
  const [batch, length] = features.shape as [number, number];
  const table = root.in("features").param("weight", [buckets, width + heads], { kind: "normal", std: 0.05 });
  const rows = gather(table, features); // [B, L, width + heads]
  const values = sliceAxis(rows, 2, 0, width);
  const scores = add(sliceAxis(rows, 2, width, width + heads), reshape(padding, [batch, length, 1]));
  const weights = softmax(swapAxes(scores, 1, 2), 2); // [B, heads, L]
  const pooled = reshape(matmul(weights, values), [batch, heads * width]);
  return linear(root.in("out"), silu(linear(root.in("in"), pooled, hidden)), outputs);
}

/** Inputs and mean binary cross-entropy of a batch; `targets` and `importance` are [B, outputs]. */
export function lossOf(all: Parameters, batch: number, length: number): Tensor {
  const [targets, importance] = [input("targets", [batch, outputs]), input("importance", [batch, outputs])];
  const logits = classify(all, input("features", [batch, length], "int64"), input("padding", [batch, length]));
  // max(x, 0) - x y + log(1 + exp(-|x|))
  const each = add(sub(maximum(logits, 0), mul(logits, targets)), log(add(exp(neg(abs(logits))), 1)));
  return mean(mul(each, importance));
}
