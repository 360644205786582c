/**
 * AdamW (Loshchilov and Hutter 2019) with clipping by the global norm, exponential moving averages of the weights and
 * gradient accumulation, as nodes of the training graph. Arithmetic is arranged for few passes over memory: every constant
 * that can be folded into a scalar on the host is.
 */
import { add, addAll, constant, div, input, minimum, mul, reshape, sqrt, sub, sumSquares, where, greater, size, type Tensor } from "../tensor/index.ts";
import type { Parameter } from "../nn/index.ts";

export interface AdamWOptions {
  betas: readonly [number, number];
  eps: number;
  weightDecay: number;
  /** Gradients are scaled down to this global norm; Infinity leaves them alone. */
  clipNorm: number;
  /** Decay of the averaged weights, reached after a rise from 0.1 (see `stepScalars`), or null for none. */
  emaDecay: number | null;
  /** Micro-batches per update. */
  accumulate: number;
}

export const defaultAdamW: AdamWOptions = { betas: [0.9, 0.99], eps: 1e-8, weightDecay: 0.01, clipNorm: 1, emaDecay: 0.999, accumulate: 1 };

/** One buffer that lives from step to step: its value now, the next one, and how it starts. */
export interface StateUpdate {
  name: string;
  current: Tensor;
  next: Tensor;
  start: "zeros" | "parameter";
  parameter: Parameter;
}

/** Host-side scalars that the update reads; see `stepScalars`. */
export interface Update {
  state: StateUpdate[];
  gradNorm: Tensor;
}

/** Prefixes of the buffers that belong to a parameter; the parameter itself has none. */
export const statePrefix = { first: "adam.m/", second: "adam.v/", ema: "ema/", sum: "grad.sum/" } as const;

/**
 * Adds the update of every parameter. Inputs that it declares: `opt.decay`, `opt.rate`, `opt.eps` and, when averaging,
 * `opt.ema` (see `stepScalars`); when accumulating, `opt.apply` (1 on the last micro-batch of an update, else 0).
 */
export function adamw(parameters: readonly Parameter[], gradients: readonly Tensor[], options: AdamWOptions): Update {
  const { betas, clipNorm, emaDecay, accumulate } = options;
  const [b1, b2] = betas;
  const scalar = (name: string): Tensor => input(name, []);
  const [decay, rate, eps] = [scalar("opt.decay"), scalar("opt.rate"), scalar("opt.eps")];
  const emaWeight = emaDecay === null ? undefined : scalar("opt.ema");
  const state: StateUpdate[] = [];
  const buffer = (prefix: string, parameter: Parameter): Tensor => input(prefix + parameter.name, parameter.shape);

  const apply = accumulate > 1 ? greater(scalar("opt.apply"), 0.5) : undefined;
  const sums = gradients.map((g, i) => (apply ? add(buffer(statePrefix.sum, parameters[i]!), g) : g));
  const total = sqrt(addAll(sums.map((g) => reshape(sumSquares(g), []))));
  const gradNorm = accumulate > 1 ? mul(total, 1 / accumulate) : total;
  const clip = clipNorm === Infinity ? constant(1) : minimum(div(clipNorm, add(gradNorm, 1e-6)), 1);
  const scale = accumulate > 1 ? mul(clip, 1 / accumulate) : clip;
  // The clipping factor goes into the two coefficients, so that no clipped copy of a gradient is made.
  const firstScale = mul(scale, 1 - b1);
  const secondScale = mul(mul(scale, scale), 1 - b2);
  const keep = (next: Tensor, current: Tensor): Tensor => (apply ? where(apply, next, current) : next);

  parameters.forEach((parameter, i) => {
    const p = parameter.tensor;
    const g = sums[i]!;
    const m = buffer(statePrefix.first, parameter);
    const v = buffer(statePrefix.second, parameter);
    const nextM = add(mul(m, b1), mul(g, firstScale));
    const nextV = add(mul(v, b2), mul(mul(g, g), secondScale));
    // Matrices decay; biases, norms and other vectors do not.
    const kept = parameter.shape.length > 1 ? mul(p, decay) : p;
    const nextP = sub(kept, div(mul(nextM, rate), add(sqrt(nextV), eps)));
    const push = (name: string, current: Tensor, next: Tensor, start: StateUpdate["start"]): number => state.push({ name, current, next, start, parameter });
    push(parameter.name, p, keep(nextP, p), "parameter");
    push(statePrefix.first + parameter.name, m, keep(nextM, m), "zeros");
    push(statePrefix.second + parameter.name, v, keep(nextV, v), "zeros");
    if (emaWeight) {
      const ema = buffer(statePrefix.ema, parameter);
      push(statePrefix.ema + parameter.name, ema, keep(add(ema, mul(sub(nextP, ema), emaWeight)), ema), "parameter");
    }
    if (apply) {
      const sum = buffer(statePrefix.sum, parameter);
      push(statePrefix.sum + parameter.name, sum, where(apply, 0, sums[i]!), "zeros");
    }
  });
  return { state, gradNorm };
}

/**
 * Scalars of update `update` (from 0) at rate `lr`. Bias correction is folded in:
 * lr (m / c1) / (sqrt(v / c2) + eps) = lr sqrt(c2) / c1 * m / (sqrt(v) + eps sqrt(c2)).
 * The averages' decay rises as (1 + n) / (10 + n), as in TensorFlow's `ExponentialMovingAverage`, so that a short run's average
 * is not mostly its start.
 */
export function stepScalars({ betas, eps, weightDecay, emaDecay }: AdamWOptions, lr: number, update: number): Record<string, number> {
  const c1 = 1 - betas[0] ** (update + 1);
  const c2 = Math.sqrt(1 - betas[1] ** (update + 1));
  const scalars = { "opt.decay": 1 - lr * weightDecay, "opt.rate": (lr * c2) / c1, "opt.eps": eps * c2 };
  return emaDecay === null ? scalars : { ...scalars, "opt.ema": 1 - Math.min(emaDecay, (1 + update) / (10 + update)) };
}

/** Elements in all parameters. */
export const countParameters = (parameters: Iterable<Parameter>): number => [...parameters].reduce((n, p) => n + size(p.shape), 0);
