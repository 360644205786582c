/**
 * A tokenizer as functions of a parameter scope, whatever its family. Pixels are in -1..1, [B, 3, T, H, W] for videos; image
 * tokenizers take [B, 3, H, W] too, and treat the frames of a video as pictures.
 */
import { OrreryError } from "../errors.ts";
import type { Scope } from "../nn/index.ts";
import { reshape, sliceAxis, transpose, type Shape, type Tensor } from "../tensor/index.ts";
import { isDiscrete, isImage, type DiscreteConfig, type TokenizerConfig } from "./config.ts";
import { fsqCodes, fsqQuantize, type Quantized } from "./fsq.ts";
import { decodeImage, encodeImage } from "./image.ts";
import { planOf, type Plan } from "./plan.ts";
import { decodeVideo, encodeVideo } from "./video.ts";

export interface Compression {
  /** Frames per latent frame; the first latent frame stands for one frame. 1 for images. */
  temporal: number;
  /** Pixels per latent position along each side. */
  spatial: number;
  /** Of the pixels. */
  channels: number;
  /** Of latents, or of the code vectors of a discrete tokenizer. */
  latentChannels: number;
}

export function compression(config: TokenizerConfig): Compression {
  const { temporal, spatial, latent } = planOf(config);
  return { temporal, spatial, channels: config.in_channels, latentChannels: latent };
}

const wrongShape = (config: TokenizerConfig, what: string, shape: Shape, expected: string): OrreryError =>
  new OrreryError("bad_argument", `${config["_class_name"]} takes ${what} ${expected}, not [${shape.join(", ")}]`);

/** The shape of the latents of pixels [B, C, T, H, W], or [B, C, H, W] for images. Throws `bad_argument` for sizes that do not divide. */
export function latentShape(config: TokenizerConfig, shape: Shape): number[] {
  const { channels, latentChannels } = compression(config);
  const { space: spatial, time: temporal } = planOf(config).encoder;
  const fits = (shape.length === 5 || (shape.length === 4 && isImage(config))) && shape[1] === channels && shape.slice(-2).every((d) => d > 0 && d % spatial === 0) && (shape.length === 4 || (shape[2]! - 1) % temporal === 0);
  if (!fits) throw wrongShape(config, "pixels", shape, `[B, ${channels}, ${temporal === 1 ? "T" : `1 + k * ${temporal}`}, H, W] with sides in multiples of ${spatial}`);
  const time = shape.length === 5 ? [1 + (shape[2]! - 1) / temporal] : [];
  return [shape[0]!, latentChannels, ...time, shape.at(-2)! / spatial, shape.at(-1)! / spatial];
}

/** The shape of the pixels that latents of `shape` decode to. */
export function pixelShape(config: TokenizerConfig, shape: Shape): number[] {
  const { latentChannels } = compression(config);
  const { space: spatial, time: temporal } = planOf(config).decoder;
  if (!(shape.length === 5 || (shape.length === 4 && isImage(config))) || shape[1] !== latentChannels)
    throw wrongShape(config, "latents", shape, `[B, ${latentChannels}, ${isImage(config) ? "" : "T, "}H, W]`);
  const time = shape.length === 5 ? [1 + (shape[2]! - 1) * temporal] : [];
  return [shape[0]!, config.out_channels, ...time, shape.at(-2)! * spatial, shape.at(-1)! * spatial];
}

/** Runs `f` on pictures, folding the frames of a video into the batch. */
function onPictures(x: Tensor, f: (pictures: Tensor) => Tensor): Tensor {
  if (x.shape.length === 4) return f(x);
  const [b, c, t, h, w] = x.shape as [number, number, number, number, number];
  const y = f(reshape(transpose(x, [0, 2, 1, 3, 4]), [b * t, c, h, w]));
  return transpose(reshape(y, [b, t, ...y.shape.slice(1)]), [0, 2, 1, 3, 4]);
}

/** What stands before quantization or sampling. */
function moments(p: Scope, pixels: Tensor, config: TokenizerConfig, plan: Plan): Tensor {
  latentShape(config, pixels.shape);
  return isImage(config) ? onPictures(pixels, (x) => encodeImage(p, x, plan)) : encodeVideo(p, pixels, plan);
}

/**
 * Latents of pixels: [B, C, T', H', W']. Deterministic: of a VAE, the mean. Of a discrete tokenizer, the code vectors, with
 * gradients that pass through the rounding, so that `decode(encode(x))` trains either kind.
 */
export function encode(p: Scope, pixels: Tensor, config: TokenizerConfig): Tensor {
  const plan = planOf(config);
  const y = moments(p, pixels, config, plan);
  if (isDiscrete(config)) return quantize(y, config).codes;
  return plan.moments === plan.latent ? y : sliceAxis(y, 1, 0, plan.latent);
}

/** Pixels of latents (or code vectors): [B, 3, T, H, W], not clipped. */
export function decode(p: Scope, latent: Tensor, config: TokenizerConfig): Tensor {
  pixelShape(config, latent.shape);
  const plan = planOf(config);
  return isImage(config) ? onPictures(latent, (x) => decodeImage(p, x, plan)) : decodeVideo(p, latent, plan);
}

function discrete(config: TokenizerConfig): DiscreteConfig {
  if (!isDiscrete(config)) throw new OrreryError("bad_argument", `${config["_class_name"]} has continuous latents, not code indices; use encode and decode`);
  return config;
}

/** Quantizes what `quant_conv` makes, [B, C, ...], to indices and code vectors. */
export const quantize = (z: Tensor, config: TokenizerConfig): Quantized => fsqQuantize(z, discrete(config).levels);

/** Indices int64 [B, T', H', W'] and code vectors [B, C, T', H', W'] of pixels. */
export const encodeIndices = (p: Scope, pixels: Tensor, config: TokenizerConfig): Quantized => quantize(moments(p, pixels, discrete(config), planOf(config)), config);

/** Pixels of code indices. */
export const decodeIndices = (p: Scope, indices: Tensor, config: TokenizerConfig): Tensor => decode(p, fsqCodes(indices, discrete(config).levels), config);
