/**
 * What a tokenizer is trained towards: that pixels come back. The published losses (cosmos-predict1
 * `tokenizer/training/configs/base/loss.py`) are L1 on pixels, and terms that need networks of others: perceptual and Gram
 * (VGG), optical flow (RAFT). Here are L1, its square, and in the place of the perceptual terms' pull towards edges the
 * image-gradient difference of Mathieu et al. (2016, "Deep multi-scale video prediction beyond mean square error"), which needs
 * no network. There is no KL term, as in the released models, whose formulation is a plain autoencoder.
 */
import { abs, add, addAll, constant, mean, mul, sliceAxis, square, sub, type Tensor } from "../tensor/index.ts";

export interface LossWeights {
  l1: number;
  l2: number;
  gradient: number;
}

/** Steps between neighbours along an axis. */
const differences = (x: Tensor, axis: number): Tensor => sub(sliceAxis(x, axis, 1), sliceAxis(x, axis, 0, x.shape[axis]! - 1));

/** Mean absolute step of the error along rows, columns and, where there are several frames, time. Zero for a single pixel. */
function gradientDifference(error: Tensor): Tensor {
  const axes = [2, 3, 4].filter((axis) => error.shape[axis]! > 1);
  return addAll([constant(0), ...axes.map((axis) => mean(abs(differences(error, axis))))]);
}

/** The loss of a reconstruction of pixels [B, C, T, H, W], and its terms before they are weighed. */
export function reconstructionLoss(pixels: Tensor, reconstruction: Tensor, weights: LossWeights): { loss: Tensor; terms: Record<keyof LossWeights, Tensor> } {
  const error = sub(reconstruction, pixels);
  const terms = { l1: mean(abs(error)), l2: mean(square(error)), gradient: gradientDifference(error) };
  const weighed = (Object.keys(terms) as (keyof LossWeights)[]).filter((name) => weights[name] > 0).map((name) => mul(terms[name], weights[name]));
  return { loss: weighed.reduce((a, b) => add(a, b)), terms };
}
