/**
 * The image encoder and decoder (`ContinuousImageTokenizer`, `DiscreteImageTokenizer`: cosmos-predict1 `tokenizer/networks`
 * and `modules/layers2d.py`), with the original's names. GroupNorm has 32 groups, resampling is a strided convolution and a
 * convolution after nearest-neighbour doubling, attention is over positions with one head.
 */
import { convolution, groupNorm, type Scope } from "../nn/index.ts";
import { add, resize, silu, type Tensor } from "../tensor/index.ts";
import { attendInFrame } from "./layers.ts";
import { patchImage, unpatchImage } from "./patcher.ts";
import { imageGroups, type Half, type Plan } from "./plan.ts";

const conv3 = (p: Scope, x: Tensor, out: number): Tensor => convolution(p, x, out, [3, 3], { before: 1 });
const conv1 = (p: Scope, x: Tensor, out: number): Tensor => convolution(p, x, out, [1, 1]);
const normAct = (p: Scope, x: Tensor): Tensor => silu(groupNorm(p, x, imageGroups));

function resnetBlock(p: Scope, x: Tensor, out: number): Tensor {
  const first = conv3(p.in("conv1"), normAct(p.in("norm1"), x), out);
  const second = conv3(p.in("conv2"), normAct(p.in("norm2"), first), out);
  return add(second, x.shape[1] === out ? x : conv1(p.in("nin_shortcut"), x, out));
}

function attentionBlock(p: Scope, x: Tensor): Tensor {
  const width = x.shape[1]!;
  const normed = groupNorm(p.in("norm"), x, imageGroups);
  const [q, k, v] = ["q", "k", "v"].map((name) => conv1(p.in(name), normed, width)) as [Tensor, Tensor, Tensor];
  return add(conv1(p.in("proj_out"), attendInFrame(q, k, v), width), x);
}

function middle(p: Scope, x: Tensor): Tensor {
  const width = x.shape[1]!;
  return resnetBlock(p.in("block_2"), attentionBlock(p.in("attn_1"), resnetBlock(p.in("block_1"), x, width)), width);
}

/** Zeros beyond the last row and column only. */
const downsample = (p: Scope, x: Tensor): Tensor => convolution(p.in("conv"), x, x.shape[1]!, [3, 3], { strides: [2, 2], before: 0, after: 1 });

const upsample = (p: Scope, x: Tensor): Tensor => conv3(p.in("conv"), resize(x, [x.shape[2]! * 2, x.shape[3]! * 2]), x.shape[1]!);

function levels(p: Scope, x: Tensor, half: Half, direction: "down" | "up"): Tensor {
  return half.levels.reduce((y, level, i) => {
    // Levels are numbered by resolution, so the decoder runs them backwards.
    const here = direction === "down" ? p.in("down").in(i) : p.in("up").in(half.levels.length - 1 - i);
    for (let j = 0; j < half.blocks; j++) {
      y = resnetBlock(here.in("block").in(j), y, level.width);
      if (level.attention) y = attentionBlock(here.in("attn").in(j), y);
    }
    if (!level.resample) return y;
    return direction === "down" ? downsample(here.in("downsample"), y) : upsample(here.in("upsample"), y);
  }, x);
}

/** Pictures [N, C, H, W] to what `quant_conv` makes, [N, moments, H', W']. */
export function encodeImage(p: Scope, pixels: Tensor, plan: Plan): Tensor {
  const here = p.in("encoder");
  const start = conv3(here.in("conv_in"), patchImage(pixels, plan.patch), plan.encoder.start);
  const deep = middle(here.in("mid"), levels(here, start, plan.encoder, "down"));
  return conv1(p.in("quant_conv"), conv3(here.in("conv_out"), normAct(here.in("norm_out"), deep), plan.encoder.output), plan.moments);
}

/** Latents [N, C, H', W'] to pictures. */
export function decodeImage(p: Scope, latent: Tensor, plan: Plan): Tensor {
  const here = p.in("decoder");
  const start = conv3(here.in("conv_in"), conv1(p.in("post_quant_conv"), latent, plan.decoder.input), plan.decoder.start);
  const shallow = levels(here, middle(here.in("mid"), start), plan.decoder, "up");
  return unpatchImage(conv3(here.in("conv_out"), normAct(here.in("norm_out"), shallow), plan.decoder.output), plan.patch);
}
