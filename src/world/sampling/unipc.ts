/**
 * UniPC (Zhao et al. 2023) on a rectified flow, the sampler of Cosmos 2.5: diffusers' `UniPCMultistepScheduler` with
 * `use_karras_sigmas, use_flow_sigmas, prediction_type "flow_prediction", sigma_max 200, sigma_min 0.01`, order two and solver
 * "bh2" (`schedulers/scheduling_unipc_multistep.py`), or other orders, solvers and flow grids. Each new estimate first corrects
 * the step that led to it and then predicts the next one. Levels are flow times: x = (1 - s) x0 + s noise; the last is 0, where
 * the prediction is the estimate itself.
 */
import { OrreryError } from "../../errors.ts";
import { evaluator, karrasGrid, scaled, stepCount, type Sampler } from "./sampler.ts";

export interface UniPcOptions {
  /** How many estimates a prediction looks at. */
  order?: number;
  solver?: "bh1" | "bh2";
  /** Karras' grid from `sigmaMax` to `sigmaMin` brought to flow times, or times spread evenly and then shifted. */
  grid?: "karras" | "flow";
  /** Of "flow": moves times towards noise. */
  shift?: number;
  /** Of "flow": the last time is brought to this. */
  terminal?: number | undefined;
  final?: "zero" | "sigma_min";
  /** Fewer estimates in the last steps. */
  lowerOrderFinal?: boolean;
  /** Steps (from 0) whose result is not corrected. */
  uncorrected?: readonly number[];
}

interface Estimate {
  /** Half the logarithm of the signal-to-noise ratio, up to a constant. */
  lambda: number;
  x0: Float64Array;
}

const lambdaOf = (s: number): number => Math.log(1 - s) - Math.log(s);

/** x with a x = b, by elimination with the largest pivots. */
function solve(a: readonly (readonly number[])[], b: readonly number[]): number[] {
  const rows = a.map((row, i) => [...row, b[i]!]);
  const n = b.length;
  for (let k = 0; k < n; k++) {
    const best = rows.slice(k).reduce((at, row, i) => (Math.abs(row[k]!) > Math.abs(rows[at]![k]!) ? i + k : at), k);
    [rows[k], rows[best]] = [rows[best]!, rows[k]!];
    for (let i = k + 1; i < n; i++) {
      const factor = rows[i]![k]! / rows[k]![k]!;
      for (let j = k; j <= n; j++) rows[i]![j]! -= factor * rows[k]![j]!;
    }
  }
  const x = new Array<number>(n).fill(0);
  for (let k = n - 1; k >= 0; k--) x[k] = (rows[k]![n]! - rows[k]!.slice(k + 1, n).reduce((sum, v, j) => sum + v * x[k + 1 + j]!, 0)) / rows[k]![k]!;
  return x;
}

/** Moments that a combination of estimates must match for a step in lambda of `h`: powers 0 .. order - 1, divided by B(h). */
function moments(h: number, order: number, solver: "bh1" | "bh2"): { whole: number; scale: number; wanted: number[] } {
  const whole = Math.expm1(-h);
  const scale = solver === "bh1" ? -h : whole;
  const wanted: number[] = [];
  let [phi, factorial] = [whole / -h - 1, 1];
  for (let i = 1; i <= order; i++) {
    wanted.push((phi * factorial) / scale);
    factorial *= i + 1;
    phi = phi / -h - 1 / factorial;
  }
  return { whole, scale, wanted };
}

/**
 * From `from` at level `s` to level `t` by the newest estimates, `past` (newest first); with `next`, the estimate at `t`, the
 * same step again, corrected.
 */
function advance(from: Float64Array, s: number, t: number, past: readonly Estimate[], solver: "bh1" | "bh2", next?: Float64Array): Float64Array {
  const [now, ...older] = past as [Estimate, ...Estimate[]];
  const h = lambdaOf(t) - now.lambda;
  // Two equal levels: nowhere to go.
  if (h === 0) return from;
  const order = past.length;
  const { whole, scale, wanted } = moments(h, order, solver);
  // Where the older estimates stand, in steps from this one; the next stands at 1.
  const ratios = older.map((e) => (e.lambda - now.lambda) / h);
  const powers = (places: readonly number[]): number[][] => places.map((_, i) => places.map((r) => r ** i));
  const share = next
    ? order === 1 ? [0.5] : solve(powers([...ratios, 1]), wanted)
    // The reference takes a half for the one difference of order two.
    : order === 2 ? [0.5] : solve(powers(ratios), wanted.slice(0, -1));
  const alpha = 1 - t;
  return from.map((v, i) => {
    let slope = next ? share.at(-1)! * (next[i]! - now.x0[i]!) : 0;
    older.forEach((e, k) => (slope += (share[k]! * (e.x0[i]! - now.x0[i]!)) / ratios[k]!));
    return (t / s) * v - alpha * (whole * now.x0[i]! + scale * slope);
  });
}

export function unipcSampler({ order = 2, solver = "bh2", grid = "karras", shift = 1, terminal, final = "zero", lowerOrderFinal = true, uncorrected = [] }: UniPcOptions = {}): Sampler {
  const levels = (steps: number, sigmaMin: number, sigmaMax: number, rho: number | undefined): number[] => {
    if (grid === "karras") return Array.from(karrasGrid(steps, sigmaMin, sigmaMax, rho), (sigma) => sigma / (sigma + 1));
    const even = Array.from({ length: steps }, (_, i) => 1 + (i / steps) * (1 / 1000 - 1));
    let times = even.map((s) => (shift * s) / (1 + (shift - 1) * s));
    if (terminal !== undefined) {
      const stretch = (1 - times.at(-1)!) / (1 - terminal);
      times = times.map((s) => 1 - (1 - s) / stretch);
    }
    // At 1 there is no signal and lambda is infinite.
    if (Math.abs(times[0]! - 1) < 1e-6) times[0]! -= 1e-6;
    return times;
  };
  return {
    name: "unipc",
    kind: "flow",
    defaultSteps: 36,

    sigmas(options = {}) {
      const times = levels(stepCount(options, 36), options.sigmaMin ?? 0.01, options.sigmaMax ?? 200, options.rho);
      return Float64Array.from([...times, final === "zero" ? 0 : times.at(-1)!], Math.fround);
    },

    async sample(denoise, noise, options = {}) {
      const sigmas = this.sigmas(options);
      const steps = sigmas.length - 1;
      if (final === "zero" && !lowerOrderFinal && order > 1 && steps > 1) throw new OrreryError("bad_argument", "UniPC cannot end at level zero with more than one estimate: set lower_order_final, or final_sigmas_type to sigma_min");
      const estimate = evaluator(denoise, steps, options);
      // The pipelines start from noise of deviation 1, although the first level is a little below 1.
      let x: Float64Array = scaled(noise, 1);
      let start = x;
      let past: Estimate[] = [];
      let used: Estimate[] = [];
      for (let i = 0; i < steps; i++) {
        const [s, t] = [sigmas[i]!, sigmas[i + 1]!];
        const x0 = await estimate(x, s);
        if (i > 0 && !uncorrected.includes(i - 1)) x = advance(start, sigmas[i - 1]!, s, used, solver, x0);
        past = [{ lambda: lambdaOf(s), x0 }, ...past].slice(0, order);
        used = past.slice(0, lowerOrderFinal ? steps - i : order);
        start = x;
        // At level 0 lambda is infinite, and the estimate all there is.
        x = t === 0 ? x0 : advance(start, s, t, used, solver);
      }
      return Float32Array.from(x);
    },
  };
}

export const unipc: Sampler = unipcSampler();
