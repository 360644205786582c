/**
 * RetinaFace: a backbone, a feature pyramid, a context module (SSH) per level, and three heads that answer for two priors at
 * every place. After `models/retinaface.py` and `models/net.py` of biubug6/Pytorch_Retinaface (MIT), whose names the
 * parameters have. BatchNorm uses its stored statistics.
 *
 * Shapes: B pictures of H x W; C channels; h x w places of a level; P priors.
 */
import { convolution, type Scope } from "../../nn/index.ts";
import { add, concat, relu, reshape, resize, softmax, transpose, type Tensor } from "../../tensor/index.ts";
import { convBlock, features } from "./backbone.ts";
import type { RetinaFaceConfig } from "./config.ts";

export interface FaceAnswers {
  /** Offsets of boxes from their priors [B, P, 4]; `decode.ts` knows what they mean. */
  loc: Tensor;
  /** Probabilities of background and face [B, P, 2]; logits in the train phase. */
  conf: Tensor;
  /** Offsets of five landmarks [B, P, 10]: eyes, nose, corners of the mouth. */
  landmarks: Tensor;
}

/** Pictures [B, 3, H, W] are BGR in 0..255 minus (104, 117, 123). */
export function retinaFace(p: Scope, pictures: Tensor, config: RetinaFaceConfig): FaceAnswers {
  const levels = pyramid(p.in("fpn"), features(p.in("body"), pictures, config.backbone), config).map((x, i) => context(p.in(`ssh${i + 1}`), x, config));
  const answers = (head: string, values: number): Tensor => concat(levels.map((x, i) => places(p.in(head).in(i).in("conv1x1"), x, values)), 1);
  const conf = answers("ClassHead", 2);
  return { loc: answers("BboxHead", 4), conf: config.phase === "train" ? conf : softmax(conf), landmarks: answers("LandmarkHead", 10) };
}

/** Narrow networks leak below zero. */
const leakOf = ({ outChannels }: RetinaFaceConfig): number => (outChannels <= 64 ? 0.1 : 0);

/** Coarse levels added to finer ones. */
function pyramid(p: Scope, maps: readonly Tensor[], config: RetinaFaceConfig): Tensor[] {
  const [out, leaky] = [config.outChannels, leakOf(config)];
  const [fine, middle, coarse] = maps.map((x, i) => convBlock(p.in(`output${i + 1}`), x, out, { kernel: 1, leaky })) as [Tensor, Tensor, Tensor];
  const enlarged = (x: Tensor, like: Tensor): Tensor => resize(x, like.shape.slice(2), "nearest");
  const merged2 = convBlock(p.in("merge2"), add(middle, enlarged(coarse, middle)), out, { leaky });
  const merged1 = convBlock(p.in("merge1"), add(fine, enlarged(merged2, fine)), out, { leaky });
  return [merged1, merged2, coarse];
}

/** Views of 3x3, 5x5 and 7x7 places around each, as a half and two quarters of the channels (Najibi et al. 2017, "SSH"). */
function context(p: Scope, x: Tensor, config: RetinaFaceConfig): Tensor {
  const [out, leaky] = [config.outChannels, leakOf(config)];
  const near = convBlock(p.in("conv3X3"), x, out / 2, {});
  const shared = convBlock(p.in("conv5X5_1"), x, out / 4, { leaky });
  const wide = convBlock(p.in("conv5X5_2"), shared, out / 4, {});
  const wider = convBlock(p.in("conv7x7_3"), convBlock(p.in("conv7X7_2"), shared, out / 4, { leaky }), out / 4, {});
  return relu(concat([near, wide, wider], 1));
}

/** A head: `values` numbers for both priors at each place of x [B, C, h, w], as [B, h w 2, values]. */
function places(p: Scope, x: Tensor, values: number): Tensor {
  const y = transpose(convolution(p, x, 2 * values, [1, 1]), [0, 2, 3, 1]);
  return reshape(y, [x.shape[0]!, -1, values]);
}
