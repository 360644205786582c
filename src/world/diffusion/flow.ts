/**
 * Rectified flow (Liu et al. 2022), as Cosmos 2.5 is trained: x = (1 - t) x0 + t noise for a time t in 0..1, and the
 * network predicts the velocity noise - x0. Latents are scaled to a standard deviation of 1 and enter the network as they
 * are; the network's timestep is t. Source: cosmos-predict2.5 `_src/predict2/schedulers/rectified_flow.py` and
 * `models/text2world_model_rectified_flow.py`.
 */
import { add, mean, mul, square, sub, type Tensor } from "../../tensor/index.ts";
import type { RandomState } from "../../tensor/random.ts";
import { perLatent, type Network } from "./edm.ts";

/** The data [B, C, T, H, W] on its way to noise at times [B] or [B, 1, T, 1, 1]. */
export function interpolate(x0: Tensor, noise: Tensor, time: Tensor): Tensor {
  return add(x0, mul(sub(noise, x0), perLatent(time)));
}

/** The velocity that the network should predict. */
export const velocity = (x0: Tensor, noise: Tensor): Tensor => sub(noise, x0);

/** The estimate of x0 that a predicted velocity implies. */
export const flowDenoise = (network: Network, x: Tensor, time: Tensor): Tensor => sub(x, mul(network(x, time), perLatent(time)));

/** The mean squared error of a predicted velocity. One number. */
export const flowLoss = (predicted: Tensor, x0: Tensor, noise: Tensor): Tensor => mean(square(sub(predicted, velocity(x0, noise))));

/** Moves times towards noise: larger latents need more of it to be destroyed (Esser et al. 2024). */
export const shiftTime = (time: number, shift: number): number => (shift * time) / (1 + (shift - 1) * time);

export interface TimeOptions {
  distribution?: "logitnormal" | "uniform";
  /** Cosmos 2.5 trains with 5. */
  shift?: number;
}

/** A training time. */
export function drawTime(random: RandomState, { distribution = "logitnormal", shift = 5 }: TimeOptions = {}): number {
  const time = distribution === "uniform" ? random.random() : 1 / (1 + Math.exp(-random.gaussian()));
  return shiftTime(time, shift);
}
