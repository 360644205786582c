/**
 * LoRA (Hu et al. 2021): a linear layer keeps its weight W and gains a product of two thin matrices, y = W x + (alpha / r) B A x.
 * Which layers do is said by their paths, as PEFT says it: a target is a whole path or its end. The adapters are parameters of
 * their own under PEFT's names, `PATH.lora_A.weight` [r, in] and `PATH.lora_B.weight` [out, r], so the network's stay as they are.
 */
import { matmul, type Tensor } from "../tensor/index.ts";
import { fanIn } from "./layers.ts";
import { parameters, type Parameters, type Scope } from "./scope.ts";

export interface Lora {
  /** Width of the bottleneck. */
  rank: number;
  /** The update is scaled by alpha / rank. */
  alpha: number;
  /** Paths of linear layers, or ends of them: "to_q", "ff.net.2". */
  targets: readonly string[];
}

/** Whether a path is meant by a target. */
export const isTarget = (path: string, targets: readonly string[]): boolean => targets.some((target) => path === target || path.endsWith(`.${target}`));

export interface Adapted {
  /** The network's own scope, under which targeted layers are adapted. */
  root: Scope;
  /** The adapters of the layers that were asked for under `root`. */
  adapters: Parameters;
}

/** Adapts the linear layers below a scope. A starts as PyTorch's linear layers do and B at zero, so that at first nothing is changed. */
export function withLora(base: Scope, { rank, alpha, targets }: Lora): Adapted {
  const adapters = parameters();
  const adapterAt = (path: string): Scope => path.split(".").reduce((scope, part) => scope.in(part), adapters.root);
  const wrap = (scope: Scope): Scope => ({
    path: scope.path,
    in: (name) => wrap(scope.in(name)),
    param: (name, shape, init) => scope.param(name, shape, init),
    adapt(x: Tensor, out: number) {
      if (!isTarget(scope.path, targets)) return undefined;
      const width = x.shape.at(-1)!;
      const here = adapterAt(scope.path);
      const down = matmul(x, here.in("lora_A").param("weight", [rank, width], fanIn(width)), { transB: true });
      return matmul(down, here.in("lora_B").param("weight", [out, rank], { kind: "zeros" }), { transB: true, alpha: alpha / rank });
    },
  });
  return { root: wrap(base), adapters };
}

/** W + scale B A, row by row in double precision: `weight` [out, in], `a` [r, in], `b` [out, r]. A negative scale takes an update out again. */
export function mergeLora(weight: Float32Array, a: Float32Array, b: Float32Array, rank: number, scale: number): Float32Array {
  const width = a.length / rank;
  const out = new Float32Array(weight.length);
  const row = new Float64Array(width);
  for (let o = 0; o < b.length / rank; o++) {
    row.fill(0);
    for (let r = 0; r < rank; r++) {
      const factor = scale * b[o * rank + r]!;
      if (factor !== 0) for (let i = 0; i < width; i++) row[i]! += factor * a[r * width + i]!;
    }
    for (let i = 0; i < width; i++) out[o * width + i] = weight[o * width + i]! + row[i]!;
  }
  return out;
}
