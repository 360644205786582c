/**
 * Names of the continuous video tokenizer: as NVIDIA's Cosmos-Tokenizer and Predict1 write them (`autoencoder.jit`,
 * `model.pt`), and as diffusers' `AutoencoderKLCosmos` does. The facts are those of diffusers'
 * `scripts/convert_cosmos_to_diffusers.py`; attention inside the levels, which the released models do not have, is added,
 * and the decoder's levels are counted from the other end for any number of them, where that script knows three.
 */
import { nest, type KeyRule } from "./key-template.ts";

/** Buffers that the original keeps with its weights and that follow from its configuration. */
export const tokenizerBuffers = /(^|\.)(wavelets|_arange|patch_size_buffer|_levels|_basis|implicit_codebook|zero|codebook)$/;

/** A causal convolution keeps its numbers one module further down. */
const conv = (from: string, to: string): KeyRule => [`${from}.conv3d.{rest}`, `${to}.{rest}`];

/** A 1x3x3 convolution followed by a 3x1x1 one. */
const factorised = (name: string): KeyRule[] => [conv(`${name}.0`, `${name}.conv_s`), conv(`${name}.1`, `${name}.conv_t`)];

const resnet: KeyRule[] = [
  ["norm1.norm.{rest}", "norm1.norm.{rest}"],
  ...factorised("conv1"),
  ["norm2.norm.{rest}", "norm2.norm.{rest}"],
  ...factorised("conv2"),
  conv("nin_shortcut", "conv_shortcut"),
];

const attention: KeyRule[] = [
  ["norm.norm.{rest}", "norm.norm.{rest}"],
  conv("q", "to_q"),
  conv("k", "to_k"),
  conv("v", "to_v"),
  conv("proj_out", "to_out.0"),
];

const resample: KeyRule[] = [conv("conv1", "conv1"), conv("conv2", "conv2"), conv("conv3", "conv3")];

const level: KeyRule[] = [
  ...nest([["block.{j}", "resnets.{j}"]], resnet),
  ...nest([["attn.{j}.0", "attentions.{j}"], ["attn.{j}.1", "temp_attentions.{j}"]], attention),
];

const middle: KeyRule[] = [
  ...nest([["block_1", "resnets.0"], ["block_2", "resnets.1"]], resnet),
  ...nest([["attn_1.0", "attentions.0"], ["attn_1.1", "temp_attentions.0"]], attention),
];

const both: KeyRule[] = [
  ...factorised("conv_in"),
  ...nest([["mid", "mid_block"]], middle),
  ["norm_out.norm.{rest}", "norm_out.norm.{rest}"],
  ...factorised("conv_out"),
];

export const tokenizerRules: KeyRule[] = [
  ...nest([["encoder", "encoder"], ["decoder", "decoder"]], both),
  ...nest([["encoder.down.{i}", "encoder.down_blocks.{i}"]], level),
  ...nest([["encoder.down.{i}.downsample", "encoder.down_blocks.{i}.downsamplers.0"]], resample),
  ...nest([["decoder.up.{~i}", "decoder.up_blocks.{~i}"]], level),
  ...nest([["decoder.up.{~i}.upsample", "decoder.up_blocks.{~i}.upsamplers.0"]], resample),
  conv("quant_conv", "quant_conv"),
  conv("post_quant_conv", "post_quant_conv"),
];

/** How many levels a decoder has, from its names in either naming. */
export function decoderLevels(names: Iterable<string>): number {
  let levels = 0;
  for (const name of names) {
    const match = /^decoder\.up(?:_blocks)?\.(\d+)\./.exec(name);
    if (match) levels = Math.max(levels, Number(match[1]) + 1);
  }
  return levels;
}
