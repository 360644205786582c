/**
 * Euler's method on the diffusion equation, as diffusers' Cosmos 1.0 pipelines use it: `EDMEulerScheduler` with a Karras
 * grid and `final_sigmas_type: "sigma_min"` (`scripts/convert_cosmos_to_diffusers.py`). The last of its `steps` levels
 * stands twice, so the last step goes nowhere; its evaluation is left out here, and the answer still holds noise of level
 * `sigmaMin`. Cosmos 2.0's `FlowMatchEulerDiscreteScheduler` takes the same steps.
 */
import { evaluator, karrasGrid, scaled, stepCount, type Sampler } from "./sampler.ts";

export const edmEuler: Sampler = {
  name: "euler",
  kind: "edm",
  defaultSteps: 36,

  sigmas(options = {}) {
    const grid = karrasGrid(stepCount(options, 36), options.sigmaMin ?? 0.002, options.sigmaMax ?? 80, options.rho);
    // The scheduler keeps its levels in single precision.
    return Float64Array.from([...grid, grid.at(-1)!], Math.fround);
  },

  async sample(denoise, noise, options = {}) {
    const sigmas = this.sigmas(options);
    const last = sigmas.length - 2;
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
