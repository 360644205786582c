/**
 * Euler's method on the diffusion equation: diffusers' `EDMEulerScheduler`. The Cosmos 1.0 pipelines use it with a Karras
 * grid and `final_sigmas_type: "sigma_min"` (`scripts/convert_cosmos_to_diffusers.py`): the last of the `steps` levels stands
 * twice, so the last step goes nowhere; its evaluation is left out here, and the answer still holds noise of level
 * `sigmaMin`. With "zero", the scheduler's own default, the last step goes to the estimate itself. Cosmos 2.0's
 * `FlowMatchEulerDiscreteScheduler` takes the same steps.
 */
import { evaluator, karrasGrid, scaled, stepCount, type Sampler } from "./sampler.ts";

export interface EdmEulerOptions {
  /** Where the last step ends. */
  final?: "sigma_min" | "zero";
  /** How levels are spread: evenly in their rho-th roots, or in their logarithms. */
  grid?: "karras" | "exponential";
}

/** `count` levels from `sigmaMax` to `sigmaMin`, each the same fraction of the one before. */
const exponentialGrid = (count: number, sigmaMin: number, sigmaMax: number): Float64Array =>
  // The reference lists them from the smallest, which is what a single level then is.
  Float64Array.from({ length: count }, (_, i) => (count === 1 ? sigmaMin : sigmaMax * (sigmaMin / sigmaMax) ** (i / (count - 1))));

export function edmEulerSampler({ final = "sigma_min", grid = "karras" }: EdmEulerOptions = {}): Sampler {
  return {
    name: "euler",
    kind: "edm",
    defaultSteps: 36,

    sigmas(options = {}) {
      const steps = stepCount(options, 36);
      const levels = karrasGrid(steps, options.sigmaMin ?? 0.002, options.sigmaMax ?? 80, options.rho);
      const used = grid === "karras" ? levels : exponentialGrid(steps, options.sigmaMin ?? 0.002, options.sigmaMax ?? 80);
      // The scheduler keeps its levels in single precision.
      return Float64Array.from([...used, final === "zero" ? 0 : used.at(-1)!], Math.fround);
    },

    async sample(denoise, noise, options = {}) {
      const sigmas = this.sigmas(options);
      const steps = sigmas.length - 1;
      const last = final === "zero" ? steps : steps - 1;
      const x = scaled(noise, sigmas[0]!);
      // A single level has nothing to step to: its estimate is all there is.
      if (last === 0) return Float32Array.from(await evaluator(denoise, 1, options)(x, sigmas[0]!));
      const estimate = evaluator(denoise, last, options);
      for (let i = 0; i < last; i++) {
        const x0 = await estimate(x, sigmas[i]!);
        const keep = sigmas[i + 1]! / sigmas[i]!;
        for (let k = 0; k < x.length; k++) x[k] = x0[k]! + keep * (x[k]! - x0[k]!);
      }
      return Float32Array.from(x);
    },
  };
}

export const edmEuler: Sampler = edmEulerSampler();
