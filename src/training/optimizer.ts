/**
 * AdamW (Loshchilov and Hutter 2019) with clipping by the global norm, exponential moving averages of the weights and
 * gradient accumulation, as nodes of the training graph. Arithmetic is arranged for few passes over memory: every constant
 * that can be folded into a scalar on the host is.
 */
import { add, addAll, concat, constant, div, greater, input, minimum, mul, reshape, size, split, sqrt, sub, sumSquares, where, type Shape, type Tensor } from "../tensor/index.ts";
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
  shape: Shape;
  current: Tensor;
  next: Tensor;
  start: "zeros" | "parameter";
  /** What of the buffer belongs to which parameter, in order; several where small ones share a buffer. */
  parts: readonly { name: string; parameter: Parameter }[];
}

/** Host-side scalars that the update reads; see `stepScalars`. */
export interface Update {
  state: StateUpdate[];
  gradNorm: Tensor;
}

/** Prefixes of the buffers that belong to a parameter; the parameter itself has none. */
export const statePrefix = { first: "adam.m/", second: "adam.v/", ema: "ema/", sum: "grad.sum/" } as const;

/** Parameters of at most this many elements share buffers: a kernel call for each of hundreds costs more than its arithmetic. */
const smallParameter = 2 ** 18;

/** Parameters that are updated together: one large one in its own shape, or small ones end to end. */
interface Bundle {
  key: string;
  shape: Shape;
  members: { parameter: Parameter; gradient: Tensor }[];
  decays: boolean;
}

function bundles(parameters: readonly Parameter[], gradients: readonly Tensor[]): Bundle[] {
  const large: Bundle[] = [];
  const small: Record<"matrices" | "vectors", Bundle["members"]> = { matrices: [], vectors: [] };
  parameters.forEach((parameter, i) => {
    const member = { parameter, gradient: gradients[i]! };
    // Matrices decay; biases, norms and other vectors do not.
    const decays = parameter.shape.length > 1;
    if (size(parameter.shape) > smallParameter) large.push({ key: parameter.name, shape: parameter.shape, members: [member], decays });
    else small[decays ? "matrices" : "vectors"].push(member);
  });
  const joined = (Object.entries(small) as [keyof typeof small, Bundle["members"]][]).filter(([, members]) => members.length > 0);
  return [...large, ...joined.map(([key, members]): Bundle => ({ key: `small ${key}`, shape: [members.reduce((n, m) => n + size(m.parameter.shape), 0)], members, decays: key === "matrices" }))];
}

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
  const apply = accumulate > 1 ? greater(scalar("opt.apply"), 0.5) : undefined;
  const state: StateUpdate[] = [];
  const all = bundles(parameters, gradients);
  const whole = ({ shape, members }: Bundle, tensors: readonly Tensor[]): Tensor => (members.length === 1 ? reshape(tensors[0]!, shape) : concat(tensors.map((t) => reshape(t, [-1])), 0));
  const buffer = (prefix: string, { key, shape }: Bundle): Tensor => input(prefix + key, shape);
  const push = (prefix: string, { key, shape, members }: Bundle, current: Tensor, next: Tensor, start: StateUpdate["start"]): number =>
    state.push({ name: prefix + key, shape, current, next, start, parts: members.map(({ parameter }) => ({ name: prefix + parameter.name, parameter })) });

  const sums = all.map((bundle) => {
    const gradient = whole(bundle, bundle.members.map((m) => m.gradient));
    return apply ? add(buffer(statePrefix.sum, bundle), gradient) : gradient;
  });
  const total = sqrt(addAll(sums.map((g) => reshape(sumSquares(g), []))));
  const gradNorm = accumulate > 1 ? mul(total, 1 / accumulate) : total;
  const clip = clipNorm === Infinity ? constant(1) : minimum(div(clipNorm, add(gradNorm, 1e-6)), 1);
  const scale = accumulate > 1 ? mul(clip, 1 / accumulate) : clip;
  // The clipping factor goes into the two coefficients, so that no clipped copy of a gradient is made.
  const firstScale = mul(scale, 1 - b1);
  const secondScale = mul(mul(scale, scale), 1 - b2);
  const keep = (next: Tensor, current: Tensor): Tensor => (apply ? where(apply, next, current) : next);

  all.forEach((bundle, i) => {
    const g = sums[i]!;
    const p = whole(bundle, bundle.members.map((m) => m.parameter.tensor));
    const m = buffer(statePrefix.first, bundle);
    const v = buffer(statePrefix.second, bundle);
    const nextM = add(mul(m, b1), mul(g, firstScale));
    const nextV = add(mul(v, b2), mul(mul(g, g), secondScale));
    const kept = bundle.decays ? mul(p, decay) : p;
    const nextP = sub(kept, div(mul(nextM, rate), add(sqrt(nextV), eps)));
    const pieces = bundle.members.length === 1 ? [nextP] : split(nextP, bundle.members.map((member) => size(member.parameter.shape)), 0);
    bundle.members.forEach(({ parameter }, k) => {
      const { name, shape, tensor } = parameter;
      state.push({ name, shape, current: tensor, next: keep(reshape(pieces[k]!, shape), tensor), start: "parameter", parts: [{ name, parameter }] });
    });
    push(statePrefix.first, bundle, m, keep(nextM, m), "zeros");
    push(statePrefix.second, bundle, v, keep(nextV, v), "zeros");
    if (emaWeight) {
      const ema = buffer(statePrefix.ema, bundle);
      push(statePrefix.ema, bundle, ema, keep(add(ema, mul(sub(nextP, ema), emaWeight)), ema), "parameter");
    }
    if (apply) push(statePrefix.sum, bundle, buffer(statePrefix.sum, bundle), where(apply, 0, g), "zeros");
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
