/**
 * Video to world: some latent frames are given, the rest is generated. One function says how, for training and for sampling
 * alike, so that a network is asked exactly what it was taught (cosmos-predict2 `models/video2world_model.py`; diffusers
 * `pipelines/cosmos/pipeline_cosmos2_video2world.py`, `pipeline_cosmos_video2world.py`, `pipeline_cosmos2_5_predict.py`):
 *
 * - the given frames enter the network clean instead of noisy, and a mask channel says which they are;
 * - where the generation has a noise level per frame (2.0, 2.5), theirs is said to be `conditionSigma`, next to nothing;
 * - in the answer they stand as given, and the loss does not look at them.
 *
 * The generations differ in what a noise level is and what the network predicts; a `Formulation` names the combination.
 */
import { add, div, full, maximum, mean, mul, reciprocal, square, sub, sum, where, greater, broadcastTo, reshape, type Tensor } from "../../tensor/index.ts";
import { edmScaling, edmScalingOf, flowScaling, flowScalingOf, lossWeightOf, perLatent, type Scaling } from "./edm.ts";

/** "edm": Cosmos 1.0. "edm-velocity": 2.0. "flow": 2.5. "edm-x0": as 2.0, but the network says x0 itself. See `registry/pipeline.ts`. */
export type Formulation = "edm" | "edm-velocity" | "flow" | "edm-x0";

/** Below this time of the flow an error of x0 counts no more than at it: x0 is next to known there, and its weight would grow without end. */
const leastTime = 0.2;

/** Factors around the network for levels of any shape. */
export function scalingOf(formulation: Formulation, level: Tensor, sigmaData: number): Scaling<Tensor> {
  if (formulation === "edm") return edmScalingOf(level, sigmaData);
  if (formulation === "edm-velocity") return flowScalingOf(level);
  if (formulation === "edm-x0") return { ...flowScalingOf(level), skip: full(level.shape, 0), out: full(level.shape, 1) };
  return { skip: full(level.shape, 1), out: sub(0, level), in: full(level.shape, 1), noise: level };
}

/** What weighs the squared error of the estimate so that the network's own target counts equally at every level. */
export function weightOf(formulation: Formulation, level: Tensor, sigmaData: number): Tensor {
  if (formulation === "edm") return lossWeightOf(level, sigmaData);
  if (formulation === "edm-x0") return reciprocal(square(maximum(div(level, add(level, 1)), leastTime)));
  // (1 + sigma)^2 / sigma^2 is one over the square of the time sigma / (1 + sigma).
  if (formulation === "edm-velocity") return square(div(add(level, 1), level));
  return reciprocal(square(level));
}

/** The data at a noise level: x0 + sigma noise, or on its way (1 - t) x0 + t noise. Levels [B]. */
export function noised(formulation: Formulation, x0: Tensor, noise: Tensor, level: Tensor): Tensor {
  const l = perLatent(level);
  return formulation === "flow" ? add(mul(x0, sub(1, l)), mul(noise, l)) : add(x0, mul(noise, l));
}

export interface Condition {
  /** Latents [B, C, T, H, W] of which the given frames are read. */
  given: Tensor;
  /** Ones for given frames, else zeros, [B, 1, T, 1, 1]. */
  indicator: Tensor;
}

export interface Conditioning {
  formulation: Formulation;
  sigmaData: number;
  /** The level that given frames are said to have. */
  conditionSigma: number;
}

/** What the network is asked. `mask` is the condition mask [B, 1, T, H, W]; `timestep` is [B], or [B, 1, T, 1, 1] where frames have levels of their own. */
export type ConditionedNetwork = (question: { scaled: Tensor; timestep: Tensor; mask: Tensor }) => Tensor;

/** The estimate of x0 from x [B, C, T, H, W] at levels [B]; its given frames are the given ones. */
export function conditionedDenoise(network: ConditionedNetwork, x: Tensor, level: Tensor, { given, indicator }: Condition, how: Conditioning): Tensor {
  const [b, , t, h, w] = x.shape as [number, number, number, number, number];
  const { formulation, sigmaData, conditionSigma } = how;
  const scaling = scalingOf(formulation, level, sigmaData);
  const isGiven = greater(indicator, 0.5);
  // What the reference does to the given frames: 1.0 scales them by the preconditioning of their own level, later ones not at all.
  const clean = formulation === "edm" ? mul(given, edmScaling(conditionSigma, sigmaData).in) : given;
  const scaled = where(isGiven, clean, mul(x, perLatent(scaling.in)));
  const said = formulation === "edm-velocity" || formulation === "edm-x0" ? flowScaling(conditionSigma).noise : conditionSigma;
  const timestep = formulation === "edm" ? scaling.noise : where(isGiven, said, reshape(scaling.noise, [b, 1, 1, 1, 1]));
  const answer = network({ scaled, timestep, mask: broadcastTo(indicator, [b, 1, t, h, w]) });
  return where(isGiven, given, add(mul(x, perLatent(scaling.skip)), mul(answer, perLatent(scaling.out))));
}

/** The weighted mean squared error of an estimate over the frames that are not given. One number. */
export function conditionedLoss(estimate: Tensor, x0: Tensor, level: Tensor, indicator: Tensor, { formulation, sigmaData }: Conditioning): Tensor {
  const [, c, , h, w] = x0.shape as [number, number, number, number, number];
  const counted = sub(1, indicator);
  const errors = mul(mul(square(sub(estimate, x0)), perLatent(weightOf(formulation, level, sigmaData))), counted);
  // Per video, so that one with few frames left to predict counts like the others.
  const perVideo = div(sum(errors, [1, 2, 3, 4]), mul(sum(counted, [1, 2, 3, 4]), c * h * w));
  return mean(perVideo);
}
