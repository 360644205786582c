/**
 * The network of nsfwjs' default model: MobileNetV2 (Sandler et al. 2018) in Keras' layout with three dense layers on top.
 * Parameters are named as Keras names the layers.
 *
 * Shapes: B pictures of 224 x 224, C channels, h x w places.
 */
import { batchNorm, convolution, linear, type Scope } from "../../../nn/index.ts";
import { add, cast, clamp, mean, mul, relu, reshape, softmax, transpose, type Tensor } from "../../../tensor/index.ts";

/** What the five answers mean, in their order. */
export const nsfwClasses = ["Drawing", "Hentai", "Neutral", "Porn", "Sexy"] as const;
export const nsfwSide = 224;

const relu6 = (x: Tensor): Tensor => clamp(x, 0, 6);
const norm = (p: Scope, x: Tensor): Tensor => batchNorm(p, x, { eps: 0.001 });

/** Stride 2 pads below and to the right only, stride 1 all around. */
function conv(p: Scope, x: Tensor, out: number, kernel: number, stride: number, groups = 1): Tensor {
  const [before, after] = kernel === 1 ? [0, 0] : stride === 2 ? [0, 1] : [1, 1];
  return convolution(p, x, out, [kernel, kernel], { bias: false, strides: [stride, stride], before, after, groups });
}

function block(p: Scope, prefix: string, x: Tensor, out: number, stride: number, expand: number): Tensor {
  const at = (name: string): Scope => p.in(`${prefix}_${name}`);
  let y = x;
  if (expand > 1) y = relu6(norm(at("expand_BN"), conv(at("expand"), y, y.shape[1]! * expand, 1, 1)));
  y = relu6(norm(at("depthwise_BN"), conv(at("depthwise"), y, y.shape[1]!, 3, stride, y.shape[1]!)));
  y = norm(at("project_BN"), conv(at("project"), y, out, 1, 1));
  return stride === 1 && x.shape[1] === out ? add(x, y) : y;
}

/** Output channels and stride of the blocks. */
const blocks = [
  [16, 1], [24, 2], [24, 1], [32, 2], [32, 1], [32, 1], [64, 2], [64, 1], [64, 1], [64, 1], [96, 1], [96, 1], [96, 1], [160, 2], [160, 1], [160, 1], [320, 1],
] as const;

/** Probabilities [B, 5] of bytes [B, 224, 224, 3] (RGB). */
export function nsfwProbabilities(p: Scope, pictures: Tensor): Tensor {
  let x = mul(cast(transpose(pictures, [0, 3, 1, 2]), "float32"), 1 / 255);
  x = relu6(norm(p.in("bn_Conv1"), conv(p.in("Conv1"), x, 32, 3, 2)));
  blocks.forEach(([out, stride], i) => (x = block(p, i === 0 ? "expanded_conv" : `block_${i}`, x, out, stride, i === 0 ? 1 : 6)));
  x = relu6(norm(p.in("Conv_1_bn"), conv(p.in("Conv_1"), x, 1280, 1, 1)));
  let y = reshape(mean(x, [2, 3]), [pictures.shape[0]!, -1]);
  for (const [name, width] of [["dense_1", 256], ["dense_2", 128]] as const) y = relu(linear(p.in(name), y, width));
  return softmax(linear(p.in("dense_3"), y, nsfwClasses.length));
}
