/**
 * The causal video encoder and decoder, of factorised layers: `AutoencoderKLCosmos` and the original `Causal...VideoTokenizer`
 * (diffusers `autoencoder_kl_cosmos.py`, cosmos-predict1 `tokenizer/networks` and `modules/layers3d.py`, `EncoderFactorized`
 * and `DecoderFactorized`), which differ in names only.
 *
 * Encoder: patches, `conv_in`, levels of residual blocks (with attention where the plan says so) each but the last followed by
 * a resampler, middle block, norm, SiLU, `conv_out`, `quant_conv`. Decoder: the mirror image, one residual block more per level.
 */
import type { Scope } from "../nn/index.ts";
import type { Tensor } from "../tensor/index.ts";
import { reshape, transpose } from "../tensor/index.ts";
import { attentionBlock, downsample, normAct, pairConv, pointConv, resnetBlock, upsample, type Clip } from "./layers.ts";
import { diffusersNames, originalNames, type Names } from "./names.ts";
import { patchVideo, unpatchVideo } from "./patcher.ts";
import type { Half, Plan } from "./plan.ts";

const namesOf = (plan: Plan): Names => (plan.naming === "diffusers" ? diffusersNames : originalNames);

const attentionPair = (p: Scope, names: Names, clip: Clip, [space, time]: readonly [string, string]): Clip =>
  attentionBlock(p.in(time), names, attentionBlock(p.in(space), names, clip, "space"), "time");

function middle(p: Scope, names: Names, clip: Clip): Clip {
  const [first, space, time, second] = names.middle;
  const width = clip.x.shape[1]!;
  const attended = attentionPair(p, names, resnetBlock(p.in(first), names, clip, width), [space, time]);
  return resnetBlock(p.in(second), names, attended, width);
}

/** The levels of one half, in the order they run. */
function levels(p: Scope, names: Names, clip: Clip, half: Half, direction: "down" | "up"): Clip {
  return half.levels.reduce((x, level, i) => {
    const here = p.in(direction === "down" ? names.down(i) : names.up(i, half.levels.length));
    let y = x;
    for (let j = 0; j < half.blocks; j++) {
      y = resnetBlock(here.in(names.resnet(j)), names, y, level.width);
      if (level.attention) y = attentionPair(here, names, y, names.attentions(j));
    }
    if (!level.resample) return y;
    return direction === "down" ? downsample(here.in(names.downsampler), names, y, level.resample) : upsample(here.in(names.upsampler), names, y, level.resample);
  }, clip);
}

const finish = (p: Scope, names: Names, clip: Clip, output: number): Clip => pairConv(p.in("conv_out"), names, normAct(p.in("norm_out"), clip), output);

/** Pixels [B, C, T, H, W] to what `quant_conv` makes, [B, moments, T', H', W']. */
export function encodeVideo(p: Scope, pixels: Tensor, plan: Plan): Tensor {
  const names = namesOf(plan);
  const here = p.in("encoder");
  const batch = pixels.shape[0]!;
  const x = patchVideo(pixels, plan.patch);
  const start = pairConv(here.in("conv_in"), names, { x, batch, frames: x.shape[0]! / batch }, plan.encoder.start);
  const deep = middle(here, names, levels(here, names, start, plan.encoder, "down"));
  const latent = pointConv(names.conv(p, "quant_conv"), finish(here, names, deep, plan.encoder.output), plan.moments);
  const [, c, h, w] = latent.x.shape as [number, number, number, number];
  return transpose(reshape(latent.x, [batch, latent.frames, c, h, w]), [0, 2, 1, 3, 4]);
}

/** Latents [B, C, T', H', W'] to pixels [B, 3, T, H, W]. */
export function decodeVideo(p: Scope, latent: Tensor, plan: Plan): Tensor {
  const names = namesOf(plan);
  const here = p.in("decoder");
  const [batch, c, frames, h, w] = latent.shape as [number, number, number, number, number];
  const x = reshape(transpose(latent, [0, 2, 1, 3, 4]), [batch * frames, c, h, w]);
  const unquantized = pointConv(names.conv(p, "post_quant_conv"), { x, batch, frames }, plan.decoder.input);
  const start = pairConv(here.in("conv_in"), names, unquantized, plan.decoder.start);
  const shallow = levels(here, names, middle(here, names, start), plan.decoder, "up");
  return unpatchVideo(finish(here, names, shallow, plan.decoder.output).x, batch, plan.patch);
}
