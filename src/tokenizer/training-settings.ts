/**
 * What `orrery train tokenizer` can be told, and the network that follows from it. The main dial is `size`; what it sets can
 * be set one by one. Defaults of the optimiser are the published ones (cosmos-predict1
 * `tokenizer/training/configs/base/optim.py`) except for length and learning rate, which are those of small models.
 */
import { z } from "zod";
import { OrreryError } from "../errors.ts";
import { dataSettings } from "../dataset/index.ts";
import { loopSettings } from "../training/index.ts";
import type { TokenizerConfig } from "./config.ts";
import { parseTokenizerConfig } from "./plan.ts";

const count = z.int().positive();

/** Width after `conv_in`, widths of the levels as multiples of it, residual blocks per level of the encoder. `base` is as published. */
const sizes = {
  nano: { width: 16, multipliers: [2, 4, 4], blocks: 1 },
  small: { width: 32, multipliers: [2, 4, 4], blocks: 2 },
  medium: { width: 64, multipliers: [2, 4, 4], blocks: 2 },
  base: { width: 128, multipliers: [2, 4, 4], blocks: 2 },
} as const;

export const tokenizerSettings = z.strictObject({
  /** C or D for continuous or discrete, V or I for video or images, then the compression: CV8x8x8, CV4x8x8, DV8x16x16, CI8x8, DI16x16. */
  kind: z.string().regex(/^[CD](V\d+x(\d+)x\2|I(\d+)x\3)$/, 'expected a name such as CV8x8x8, DV8x16x16, CI8x8 or DI16x16').default("CV8x8x8"),
  size: z.enum(["nano", "small", "medium", "base"]).default("small"),
  width: count.optional(),
  multipliers: z.array(count).min(1).optional(),
  blocks: count.optional(),
  /** Side of the wavelet patches that pixels are cut into first. */
  patch: count.default(4),
  /** Channels of continuous latents. */
  latentChannels: count.default(16),
  /** Levels of a discrete tokenizer's code; their product is the number of codes. */
  levels: z.array(z.int().min(2)).min(1).default([8, 8, 8, 5, 5, 5]),
  /** "components": where the network can (video kinds that only patch, such as CV4x4x4 or DV4x4x4 with patch 4), it starts as a linear autoencoder of the clips. */
  start: z.enum(["components", "random"]).default("components"),
  data: dataSettings({ width: 128, height: 128, frames: 17 }).prefault({}),
  loss: z
    .strictObject({
      /** Absolute difference of pixels, the published main term. */
      l1: z.number().nonnegative().default(1),
      /** Squared difference: what PSNR counts. */
      l2: z.number().nonnegative().default(0),
      /** Absolute difference of the pixels' differences along x, y and time (Mathieu et al. 2016), which keeps edges. */
      gradient: z.number().nonnegative().default(0.5),
    })
    .refine(({ l1, l2, gradient }) => l1 + l2 + gradient > 0, "at least one term must weigh more than 0")
    .prefault({}),
  ...loopSettings({ steps: 2000, batch: 2, lr: 1e-3, warmupSteps: 50, betas: [0.9, 0.99], weightDecay: 0.01 }),
});

export type TokenizerSettings = z.output<typeof tokenizerSettings>;
/** What may be given: every field may be left out. */
export type TokenizerSettingsInput = z.input<typeof tokenizerSettings>;

/** The configuration of the network. @throws `bad_config` where the numbers do not make one. */
export function tokenizerConfigOf(settings: TokenizerSettings): TokenizerConfig {
  const { width, multipliers, blocks } = { ...sizes[settings.size], ...defined(settings) };
  const [temporal, spatial] = settings.kind[1] === "V" ? (settings.kind.slice(2).split("x").map(Number) as [number, number]) : [1, Number(settings.kind.slice(2).split("x")[0])];
  const { patch, latentChannels, levels } = settings;
  const original = { channels: width, channels_mult: [...multipliers], num_res_blocks: blocks, patch_size: patch, spatial_compression: spatial };
  const video = { ...original, temporal_compression: temporal };
  switch (settings.kind.slice(0, 2)) {
    case "CV":
      return parseTokenizerConfig({
        _class_name: "AutoencoderKLCosmos",
        encoder_block_out_channels: [width, ...multipliers.map((m) => m * width)],
        decode_block_out_channels: [...multipliers.map((m) => m * width), multipliers.at(-1)! * width],
        num_layers: blocks, patch_size: patch, latent_channels: latentChannels, spatial_compression_ratio: spatial, temporal_compression_ratio: temporal, latents_mean: null, latents_std: null,
      });
    case "DV":
      return parseTokenizerConfig({ _class_name: "CausalDiscreteVideoTokenizer", ...video, levels, embedding_dim: levels.length });
    case "CI":
      return parseTokenizerConfig({ _class_name: "ContinuousImageTokenizer", ...original, latent_channels: latentChannels });
    case "DI":
      return parseTokenizerConfig({ _class_name: "DiscreteImageTokenizer", ...original, levels, embedding_dim: levels.length });
    default:
      throw new OrreryError("bad_config", `there is no tokenizer of the kind ${settings.kind}`);
  }
}

const defined = ({ width, multipliers, blocks }: TokenizerSettings): Partial<{ width: number; multipliers: readonly number[]; blocks: number }> => ({
  ...(width === undefined ? {} : { width }), ...(multipliers === undefined ? {} : { multipliers }), ...(blocks === undefined ? {} : { blocks }),
});
