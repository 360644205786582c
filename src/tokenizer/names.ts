/**
 * Two namings of the same video network: diffusers' (`AutoencoderKLCosmos`) and the original's (`Causal...VideoTokenizer`).
 * A network asks for its scopes here, so one code declares either; weights load under the names that their checkpoint has.
 */
import type { Scope } from "../nn/index.ts";

export interface Names {
  /** The spatial and the temporal half of a factorised convolution. */
  pair: readonly [string, string];
  /** The scope of a lone convolution's weight. */
  conv(p: Scope, name: string): Scope;
  shortcut: string;
  qkv: readonly [string, string, string];
  projection: string;
  /** Levels in the order they run, of `count`. */
  down(i: number): string;
  up(i: number, count: number): string;
  resnet(j: number): string;
  /** Attention within frames and along time, after residual block `j`. */
  attentions(j: number): readonly [string, string];
  downsampler: string;
  upsampler: string;
  /** First residual block, both attentions, second residual block. */
  middle: readonly [string, string, string, string];
}

export const diffusersNames: Names = {
  pair: ["conv_s", "conv_t"],
  conv: (p, name) => p.in(name),
  shortcut: "conv_shortcut",
  qkv: ["to_q", "to_k", "to_v"],
  projection: "to_out.0",
  down: (i) => `down_blocks.${i}`,
  up: (i) => `up_blocks.${i}`,
  resnet: (j) => `resnets.${j}`,
  attentions: (j) => [`attentions.${j}`, `temp_attentions.${j}`],
  downsampler: "downsamplers.0",
  upsampler: "upsamplers.0",
  middle: ["mid_block.resnets.0", "mid_block.attentions.0", "mid_block.temp_attentions.0", "mid_block.resnets.1"],
};

export const originalNames: Names = {
  pair: ["0.conv3d", "1.conv3d"],
  conv: (p, name) => p.in(name).in("conv3d"),
  shortcut: "nin_shortcut",
  qkv: ["q", "k", "v"],
  projection: "proj_out",
  down: (i) => `down.${i}`,
  // Numbered by resolution, so the decoder runs them backwards.
  up: (i, count) => `up.${count - 1 - i}`,
  resnet: (j) => `block.${j}`,
  attentions: (j) => [`attn.${j}.0`, `attn.${j}.1`],
  downsampler: "downsample",
  upsampler: "upsample",
  middle: ["mid.block_1", "mid.attn_1.0", "mid.attn_1.1", "mid.block_2"],
};
