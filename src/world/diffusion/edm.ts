/**
 * What the network's answer means and what it is trained towards, in the formulation of Karras et al. (2022, "EDM") that
 * Cosmos 1.0 uses: data x0 with standard deviation `sigmaData`, noised as x = x0 + sigma * noise, and
 *
 *     x0 estimate = c_skip x + c_out network(c_in x, c_noise)
 *
 * Sources: cosmos-predict1 `diffusion/modules/denoiser_scaling.py`, `diffusion/training/modules/edm_sde.py`,
 * `diffusion/training/models/model{,_image}.py`; for 2.0, diffusers `pipelines/cosmos/pipeline_cosmos2_video2world.py`.
 *
 * Each formula exists twice: for a number, when sampling, and for a tensor of levels, when training.
 */
import { add, div, log, mean, mul, reshape, sqrt, square, sub, type Tensor } from "../../tensor/index.ts";
import type { RandomState } from "../../tensor/random.ts";

export const sigmaData = 0.5;

/** The factors around the network at one noise level. */
export interface Scaling<N = number> {
  skip: N;
  out: N;
  in: N;
  /** What the network is told as its timestep. */
  noise: N;
}

/** Cosmos 1.0. */
export function edmScaling(sigma: number, sd = sigmaData): Scaling {
  const total = sigma * sigma + sd * sd;
  return { skip: (sd * sd) / total, out: (sigma * sd) / Math.sqrt(total), in: 1 / Math.sqrt(total), noise: 0.25 * Math.log(sigma) };
}

/**
 * Cosmos 2.0: the network predicts the velocity of a rectified flow, reached from EDM's noise levels by
 * time = sigma / (1 + sigma); the data has a standard deviation of 1.
 */
export function flowScaling(sigma: number): Scaling {
  const time = sigma / (sigma + 1);
  return { skip: 1 - time, out: -time, in: 1 - time, noise: time };
}

/** Cosmos 1.0, for levels of any shape. */
export function edmScalingOf(sigma: Tensor, sd = sigmaData): Scaling<Tensor> {
  const total = add(square(sigma), sd * sd);
  const root = sqrt(total);
  return { skip: div(sd * sd, total), out: div(mul(sigma, sd), root), in: div(1, root), noise: mul(log(sigma), 0.25) };
}

/** Cosmos 2.0, for levels of any shape. */
export function flowScalingOf(sigma: Tensor): Scaling<Tensor> {
  const time = div(sigma, add(sigma, 1));
  return { skip: sub(1, time), out: sub(0, time), in: sub(1, time), noise: time };
}

/** The network inside its preconditioning. `network` gets the scaled latent and `noise` in the shape of `sigma`. */
export type Network = (scaled: Tensor, noise: Tensor) => Tensor;

/** Levels [B] or [B, 1, T, 1, 1] so that they broadcast over a latent [B, C, T, H, W]. */
export const perLatent = (levels: Tensor): Tensor => (levels.shape.length === 1 ? reshape(levels, [-1, 1, 1, 1, 1]) : levels);

/** The estimate of x0 from x [B, C, T, H, W] at `sigma`, [B] or [B, 1, T, 1, 1]. */
export function denoise(network: Network, x: Tensor, sigma: Tensor, scaling: (sigma: Tensor) => Scaling<Tensor> = edmScalingOf): Tensor {
  const { skip, out, in: scale, noise } = scaling(sigma);
  return add(mul(x, perLatent(skip)), mul(network(mul(x, perLatent(scale)), noise), perLatent(out)));
}

/** The data with noise of level `sigma`. */
export const addNoise = (x0: Tensor, noise: Tensor, sigma: Tensor): Tensor => add(x0, mul(noise, perLatent(sigma)));

export interface SigmaOptions {
  mean?: number;
  std?: number;
  /** Latent frames: given, the level is multiplied by the root of it, because frames share content (`adjust_video_noise`). */
  frames?: number;
}

/** A training noise level: log-normal. */
export function drawSigma(random: RandomState, { mean: m = -1.2, std = 1.2, frames = 1 }: SigmaOptions = {}): number {
  return Math.exp(m + std * random.gaussian()) * Math.sqrt(frames);
}

/** The weight that makes the network's own target equally large at every level. */
export const lossWeight = (sigma: number, sd = sigmaData): number => (sigma * sigma + sd * sd) / (sigma * sd) ** 2;

/** As `lossWeight`, for levels of any shape. */
export const lossWeightOf = (sigma: Tensor, sd = sigmaData): Tensor => div(add(square(sigma), sd * sd), square(mul(sigma, sd)));

/** The weighted mean squared error of an estimate of x0; sigma is [B] or [B, 1, T, 1, 1]. One number. */
export function edmLoss(estimate: Tensor, x0: Tensor, sigma: Tensor, sd = sigmaData): Tensor {
  return mean(mul(square(sub(estimate, x0)), perLatent(lossWeightOf(sigma, sd))));
}
