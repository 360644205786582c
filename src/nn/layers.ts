/** The layers that every network here is made of. Names of parameters are PyTorch's: `weight`, `bias`. */
import { add, conv, div, embedding as lookup, matmul, mul, reshape, rmsNorm as normalizeRms, size, sqrt, standardize, sub, type ConvOptions, type Tensor } from "../tensor/index.ts";
import type { Init, Scope } from "./scope.ts";

/** PyTorch's default for linear and convolution layers: uniform within 1 / sqrt(fan in). */
export const fanIn = (inputs: number): Init => ({ kind: "uniform", bound: 1 / Math.sqrt(inputs) });

interface LinearOptions {
  bias?: boolean;
  init?: Init;
}

/** y = x Wᵀ + b over the last axis; `weight` [out, in]. */
export function linear(p: Scope, x: Tensor, out: number, { bias = true, init }: LinearOptions = {}): Tensor {
  const width = x.shape.at(-1)!;
  const plain = matmul(x, p.param("weight", [out, width], init ?? fanIn(width)), { transB: true });
  const adapted = p.adapt?.(x, out);
  const y = adapted ? add(plain, adapted) : plain;
  return bias ? add(y, p.param("bias", [out], fanIn(width))) : y;
}

interface ConvLayerOptions extends Omit<ConvOptions, "bias"> {
  bias?: boolean;
  init?: Init;
}

/** Convolution of x [B, C, ...]; `weight` [out, C / groups, ...kernel]. */
export function convolution(p: Scope, x: Tensor, out: number, kernel: readonly number[], { bias = true, init, ...options }: ConvLayerOptions = {}): Tensor {
  const perGroup = x.shape[1]! / (options.groups ?? 1);
  const start = init ?? fanIn(perGroup * size(kernel));
  const weight = p.param("weight", [out, perGroup, ...kernel], start);
  return conv(x, weight, { ...options, bias: bias ? p.param("bias", [out], fanIn(perGroup * size(kernel))) : undefined });
}

/** LayerNorm over the last axis. */
export function layerNorm(p: Scope, x: Tensor, { eps = 1e-5 }: { eps?: number } = {}): Tensor {
  const width = x.shape.at(-1)!;
  return add(mul(standardize(x, eps), p.param("weight", [width], { kind: "ones" })), p.param("bias", [width], { kind: "zeros" }));
}

/** RMSNorm over the last axis, with a scale. */
export const rmsNorm = (p: Scope, x: Tensor, { eps = 1e-6 }: { eps?: number } = {}): Tensor =>
  normalizeRms(x, p.param("weight", [x.shape.at(-1)!], { kind: "ones" }), eps);

/** GroupNorm of x [B, C, ...]: every group of channels is standardised over its channels and positions. */
export function groupNorm(p: Scope, x: Tensor, groups: number, { eps = 1e-6 }: { eps?: number } = {}): Tensor {
  const channels = x.shape[1]!;
  const perChannel = [channels, ...x.shape.slice(2).map(() => 1)];
  const normal = reshape(standardize(reshape(x, [x.shape[0]!, groups, -1]), eps), x.shape);
  const weight = reshape(p.param("weight", [channels], { kind: "ones" }), perChannel);
  return add(mul(normal, weight), reshape(p.param("bias", [channels], { kind: "zeros" }), perChannel));
}

/** BatchNorm of x [B, C, ...] with the stored statistics (evaluation mode). */
export function batchNorm(p: Scope, x: Tensor, { eps = 1e-5 }: { eps?: number } = {}): Tensor {
  const channels = x.shape[1]!;
  const perChannel = [channels, ...x.shape.slice(2).map(() => 1)];
  const stored = (name: string, kind: "ones" | "zeros"): Tensor => reshape(p.param(name, [channels], { kind }), perChannel);
  const scale = div(stored("weight", "ones"), sqrt(add(stored("running_var", "ones"), eps)));
  return add(mul(x, scale), sub(stored("bias", "zeros"), mul(stored("running_mean", "zeros"), scale)));
}

/** A table of vectors, looked up by integer indices of any shape. */
export const embedding = (p: Scope, indices: Tensor, count: number, width: number): Tensor => lookup(p.param("weight", [count, width], { kind: "normal", std: 1 }), indices);
