/**
 * What `orrery train diffusion` can be told, and the network that follows from it. The main dial is `size`. Published values:
 * optimiser of cosmos-predict1's post-training (betas 0.9 and 0.99, decay 0.1, averages on), noise levels of
 * `EDMSDE`, given frames of cosmos-predict2 (`sigma_conditional` 1e-4).
 */
import { z } from "zod";
import { dataSettings } from "../../dataset/index.ts";
import { loopSettings } from "../../training/index.ts";
import { parseT5Config, type T5Config } from "../text/t5.ts";
import { transformerConfig, type CosmosTransformerConfig } from "../config.ts";
import { samplerNames, type SamplerName } from "../sampling/index.ts";

const count = z.int().positive();

/** `base` is Cosmos 2.0's 2B. */
const sizes = {
  nano: { layers: 4, heads: 4, headDim: 32, adalnDim: 32, textDim: 64 },
  small: { layers: 6, heads: 6, headDim: 48, adalnDim: 64, textDim: 128 },
  medium: { layers: 12, heads: 8, headDim: 64, adalnDim: 128, textDim: 256 },
  base: { layers: 28, heads: 16, headDim: 128, adalnDim: 256, textDim: 1024 },
} as const;

export const diffusionSettings = z.strictObject({
  size: z.enum(["nano", "small", "medium", "base"]).default("small"),
  layers: count.optional(),
  heads: count.optional(),
  headDim: z.int().min(12).multipleOf(2).optional(),
  adalnDim: count.optional(),
  mlpRatio: z.number().positive().default(4),
  /** Latent frames, rows and columns of a token. */
  patch: z.tuple([count, count, count]).default([1, 2, 2]),
  /**
   * "learned": a table that tells the network where in the picture a token lies, as in Cosmos 1.0; what stands still is learned by
   * heart, which suits footage of one camera. "relative": only how far tokens are apart (RoPE), as in 2.0.
   */
  positions: z.enum(["learned", "relative"]).default("learned"),
  /**
   * "edm-velocity": Cosmos 2.0; "edm": 1.0; "flow": 2.5. All three must carry the noise of a patch through the network, which one
   * narrower than a patch has numbers cannot. "edm-x0": the network says x0 itself (Li and He 2025, "JiT"), for just such networks.
   */
  formulation: z.enum(["edm-velocity", "edm", "flow", "edm-x0"]).default("edm-velocity"),
  /** Training noise: the logarithm of sigma is normal. For "flow", of the time's odds, which is the same. */
  noise: z.strictObject({ mean: z.number().default(0), std: z.number().positive().default(1.2) }).prefault({}),
  /** How many pixel frames are given, each as often; left out, 1 and whole latent frames up to half of the window. */
  conditionFrames: z.array(z.int().nonnegative()).min(1).optional(),
  /**
   * What the network says of the frames to come: "latents", as in Cosmos, or the "change" against the last given frame
   * (`latent-space.ts`), with which short training goes much further. Where nothing is given both are the same.
   */
  predicts: z.enum(["latents", "change"]).default("latents"),
  /** How far the channels of latents are brought to one deviation: 1, as in Cosmos, all; 0, not at all. Below 1 the large ones count more. */
  whitening: z.number().min(0).max(1).default(1),
  /** A text encoder that is trained along, for clips that have captions; left out, the model reads no text. */
  text: z
    .strictObject({
      /** Tokens that a prompt is cut or filled up to. */
      tokens: count.max(512).default(64),
      layers: count.default(2),
      heads: count.default(4),
      /** Words that are learned, at most, the most frequent first. */
      words: count.max(65_536).default(8192),
      /** How often a clip is shown without its caption, for guidance. */
      dropout: z.number().min(0).max(1).default(0.1),
      /** How often only the first sentences of a caption are shown. */
      shorten: z.number().min(0).max(1).default(0.3),
      guidance: z.number().nonnegative().default(2),
    })
    .optional(),
  data: dataSettings({ width: 128, height: 128, frames: 17 }).prefault({}),
  /** Frames between the beginnings of the windows that are coded. */
  stride: count.default(2),
  /** Computes blocks again in the backward pass instead of keeping them: slower, in a fraction of the memory. */
  recompute: z.boolean().default(false),
  /** How samples are drawn, on the way and by default from the finished model. */
  sampler: z
    .strictObject({
      name: z.enum(samplerNames as [SamplerName, ...SamplerName[]]).optional(),
      steps: count.default(18),
      sigmaMin: z.number().positive().default(0.01),
      sigmaMax: z.number().positive().default(80),
    })
    .prefault({}),
  ...loopSettings({ steps: 4000, batch: 8, lr: 1e-3, warmupSteps: 100, betas: [0.9, 0.99], weightDecay: 0.1 }),
});

export type DiffusionSettings = z.output<typeof diffusionSettings>;
/** What may be given: every field may be left out. */
export type DiffusionSettingsInput = z.input<typeof diffusionSettings>;

/** The network for latents of `channels`. @throws `bad_config`. */
export function transformerConfigOf(settings: DiffusionSettings, channels: number): CosmosTransformerConfig {
  const size = sizes[settings.size];
  const { layers = size.layers, heads = size.heads, headDim = size.headDim, adalnDim = size.adalnDim } = settings;
  return transformerConfig({
    in_channels: channels + 1, out_channels: channels, num_attention_heads: heads, attention_head_dim: headDim, num_layers: layers, mlp_ratio: settings.mlpRatio, text_embed_dim: size.textDim,
    adaln_lora_dim: adalnDim, patch_size: settings.patch, rope_scale: [1, 1, 1], extra_pos_embed_type: settings.positions === "learned" ? "learnable" : null,
    crossattn_proj_in_channels: size.textDim, encoder_hidden_states_channels: size.textDim,
  });
}

/** The text encoder that is trained along, for a vocabulary of `words`. */
export function textEncoderConfigOf(settings: DiffusionSettings, words: number, width: number): T5Config {
  const { layers, heads } = settings.text!;
  return parseT5Config({ vocab_size: words, d_model: width, d_kv: Math.max(8, Math.floor(width / heads)), d_ff: 4 * width, num_layers: layers, num_heads: heads, feed_forward_proj: "gated-gelu" });
}

/** Given pixel frames in a window of `frames`, where a latent frame after the first stands for `temporal`. */
export function conditionFramesOf({ conditionFrames, data }: DiffusionSettings, temporal: number): number[] {
  if (conditionFrames) return [...conditionFrames].sort((a, b) => a - b);
  const latent = 1 + (data.frames - 1) / temporal;
  return Array.from({ length: Math.max(1, Math.ceil(latent / 2)) }, (_, i) => 1 + i * temporal);
}
