/**
 * The rewriting pass before lowering. Each rewrite is a function from a graph's outputs to equivalent ones, in a file of its
 * own; nodes that no output reaches any more are simply never lowered.
 */
import type { Target, Tensor } from "../graph.ts";
import { fuseGemm } from "./fuse.ts";
import { foldConstants } from "./fold.ts";
import { mergeCommon } from "./common.ts";
import { simplify } from "./simplify.ts";

export function rewrite(outputs: readonly Tensor[], target: Target): Tensor[] {
  const smaller = mergeCommon(simplify(foldConstants(mergeCommon(outputs))));
  return target === "cpu" ? fuseGemm(smaller) : smaller;
}
