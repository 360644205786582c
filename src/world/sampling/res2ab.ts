/**
 * RES, the sampler of Cosmos 1.0: a second-order Adams-Bashforth method on the exponential integrator of the diffusion
 * equation ("Refined Exponential Solver", Zhang et al. 2023, arXiv 2308.02157). Each step reuses the estimate of the step
 * before; the first is an Euler step. After the last level the denoiser is asked once more, and its estimate is the answer,
 * so `steps` cost steps + 1 evaluations. Double precision throughout, as in cosmos-predict1
 * `diffusion/modules/res_sampler.py` with `solver_option="2ab"`.
 */
import { OrreryError } from "../../errors.ts";
import { evaluator, karrasGrid, scaled, stepCount, type Sampler } from "./sampler.ts";

interface Before {
  sigma: number;
  x0: Float64Array;
}

/** One step from level `s` to `t`, in place: x becomes a x + b x0 + c (the estimate before). */
function step(x: Float64Array, s: number, t: number, x0: Float64Array, before: Before | undefined): void {
  // Time is -ln sigma, h the step in it.
  const h = Math.log(s / t);
  const phi1 = -Math.expm1(-h) / h;
  const phi2 = (1 - phi1) / h;
  // Without a past, the weights of one estimate: 1 - t / s.
  const past = before ? phi2 / (Math.log(s / before.sigma) / h) : 0;
  const [a, b, c] = [t / s, h * (phi1 - past), h * past];
  for (let i = 0; i < x.length; i++) x[i] = a * x[i]! + b * x0[i]! + (before ? c * before.x0[i]! : 0);
}

export const res2ab: Sampler = {
  name: "res2ab",
  kind: "edm",
  defaultSteps: 35,

  sigmas(options = {}) {
    return karrasGrid(stepCount(options, 35) + 1, options.sigmaMin ?? 0.002, options.sigmaMax ?? 80, options.rho);
  },

  async sample(denoise, noise, options = {}) {
    const sigmas = this.sigmas(options);
    if (Math.log(sigmas.at(-2)! / sigmas.at(-1)!) < 1e-6) throw new OrreryError("bad_argument", `${sigmas.length - 1} steps are too many between noise levels ${sigmas[0]} and ${sigmas.at(-1)}`);
    const x = scaled(noise, sigmas[0]!);
    const estimate = evaluator(denoise, sigmas.length, options);
    let before: Before | undefined;
    for (let i = 0; i + 1 < sigmas.length; i++) {
      const x0 = await estimate(x, sigmas[i]!);
      step(x, sigmas[i]!, sigmas[i + 1]!, x0, before);
      before = { sigma: sigmas[i]!, x0 };
    }
    return Float32Array.from(await estimate(x, sigmas.at(-1)!));
  },
};
