/**
 * UniPC (Zhao et al. 2023) of order two on a rectified flow, the sampler of Cosmos 2.5: diffusers'
 * `UniPCMultistepScheduler` with `use_karras_sigmas, use_flow_sigmas, prediction_type "flow_prediction", sigma_max 200,
 * sigma_min 0.01`, solver "bh2" (`schedulers/scheduling_unipc_multistep.py`). Each new estimate first corrects the step that
 * led to it and then predicts the next one. Levels are flow times: x = (1 - s) x0 + s noise; the last is 0, where the
 * prediction is the estimate itself.
 */
import { evaluator, karrasGrid, scaled, stepCount, type Sampler } from "./sampler.ts";

interface Estimate {
  /** Half the logarithm of the signal-to-noise ratio, up to a constant. */
  lambda: number;
  x0: Float64Array;
}

const lambdaOf = (s: number): number => Math.log(1 - s) - Math.log(s);

/** What the formulas of predictor and corrector share, for a step in lambda of `h`; `ratio` is the past step's in units of it. */
function weights(h: number): { whole: number; first: number; second: number } {
  // With B(h) = e^-h - 1 ("bh2"); b1 and b2 are what the differences of estimates are weighed by.
  const whole = Math.expm1(-h);
  const phi = whole / -h - 1;
  return { whole, first: phi / whole, second: ((phi / -h - 0.5) * 2) / whole };
}

/** The exact step of a constant estimate from level `s` to `t`, plus `correction(i)` weighed by -alpha B(h). */
function advance(from: Float64Array, s: number, t: number, x0: Float64Array, whole: number, correction: (i: number) => number): Float64Array {
  const alpha = 1 - t;
  return from.map((v, i) => (t / s) * v - alpha * whole * (x0[i]! + correction(i)));
}

/** From `from` at level s to level t by the estimate there and, for order two, the one before. */
function predict(from: Float64Array, s: number, t: number, now: Estimate, before: Estimate | undefined): Float64Array {
  const h = lambdaOf(t) - now.lambda;
  const { whole } = weights(h);
  if (!before) return advance(from, s, t, now.x0, whole, () => 0);
  const ratio = (before.lambda - now.lambda) / h;
  return advance(from, s, t, now.x0, whole, (i) => (0.5 * (before.x0[i]! - now.x0[i]!)) / ratio);
}

/** The same step again, now that the estimate at its end, `next`, is known. */
function correct(from: Float64Array, s: number, t: number, now: Estimate, before: Estimate | undefined, next: Float64Array): Float64Array {
  const h = lambdaOf(t) - now.lambda;
  const { whole, first, second } = weights(h);
  if (!before) return advance(from, s, t, now.x0, whole, (i) => 0.5 * (next[i]! - now.x0[i]!));
  // Solves [[1, 1], [ratio, 1]] rho = [first, second].
  const ratio = (before.lambda - now.lambda) / h;
  const past = (second - first) / (ratio - 1);
  return advance(from, s, t, now.x0, whole, (i) => (past * (before.x0[i]! - now.x0[i]!)) / ratio + (first - past) * (next[i]! - now.x0[i]!));
}

export const unipc: Sampler = {
  name: "unipc",
  kind: "flow",
  defaultSteps: 36,

  sigmas(options = {}) {
    const grid = karrasGrid(stepCount(options, 36), options.sigmaMin ?? 0.01, options.sigmaMax ?? 200, options.rho);
    return Float64Array.from([...grid.map((sigma) => sigma / (sigma + 1)), 0], Math.fround);
  },

  async sample(denoise, noise, options = {}) {
    const sigmas = this.sigmas(options);
    const steps = sigmas.length - 1;
    const estimate = evaluator(denoise, steps, options);
    // The pipelines start from noise of deviation 1, although the first level is a little below 1.
    let x: Float64Array = scaled(noise, 1);
    let start = x;
    let [now, before]: [Estimate | undefined, Estimate | undefined] = [undefined, undefined];
    for (let i = 0; i < steps; i++) {
      const [s, t] = [sigmas[i]!, sigmas[i + 1]!];
      const x0 = await estimate(x, s);
      if (now) x = correct(start, sigmas[i - 1]!, s, now, before, x0);
      [before, now] = [now, { lambda: lambdaOf(s), x0 }];
      start = x;
      // Order one at level 0, where lambda is infinite.
      x = t === 0 ? x0 : predict(start, s, t, now, before);
    }
    return Float32Array.from(x);
  },
};
