/**
 * What `orrery train autoregressive` can be told, and the network that follows from it. The main dial is `size`; `base` is the
 * reference's 1B. Loss and architecture are cosmos-predict1's (`autoregressive/training/model.py`,
 * `configs/base/model_config.py`): SwiGLU, RMSNorm, normalised queries and keys, 3-D RoPE, z-loss 1e-4.
 */
import { z } from "zod";
import { dataSettings } from "../../dataset/index.ts";
import { loopSettings } from "../../training/index.ts";
import { autoregressiveConfig, type AutoregressiveConfig } from "./config.ts";

const count = z.int().positive();

const sizes = {
  nano: { layers: 4, heads: 4, keyHeads: 2, width: 128, inner: 384 },
  small: { layers: 6, heads: 6, keyHeads: 2, width: 288, inner: 768 },
  medium: { layers: 12, heads: 8, keyHeads: 4, width: 512, inner: 1408 },
  base: { layers: 16, heads: 32, keyHeads: 8, width: 2048, inner: 8192 },
} as const;

export const autoregressiveSettings = z.strictObject({
  size: z.enum(["nano", "small", "medium", "base"]).default("small"),
  layers: count.optional(),
  /** Heads of queries, and of the keys that they share. */
  heads: count.optional(),
  keyHeads: count.optional(),
  width: count.optional(),
  /** Width inside the feed-forward layers. */
  inner: count.optional(),
  /** How many pixel frames are given, as in `orrery train diffusion`; tokens of the fewest are not learned. */
  conditionFrames: z.array(z.int().positive()).min(1).optional(),
  zLoss: z.number().nonnegative().default(1e-4),
  data: dataSettings({ width: 128, height: 128, frames: 17 }).prefault({}),
  /** Frames between the beginnings of the windows that are coded. */
  stride: count.default(2),
  /** How tokens are drawn, on the way and by default from the finished model. */
  sampling: z.strictObject({ temperature: z.number().nonnegative().default(1), topP: z.number().positive().max(1).default(0.8) }).prefault({}),
  ...loopSettings({ steps: 4000, batch: 8, lr: 1e-3, warmupSteps: 100, betas: [0.9, 0.95], weightDecay: 0.1 }),
});

export type AutoregressiveSettings = z.output<typeof autoregressiveSettings>;

/** The network for `codes` codes and latents of [T, H, W]. @throws `bad_config`. */
export function autoregressiveConfigOf(settings: AutoregressiveSettings, codes: number, latent: readonly [number, number, number]): AutoregressiveConfig {
  const size = sizes[settings.size];
  const { layers = size.layers, heads = size.heads, keyHeads = size.keyHeads, width = size.width, inner = size.inner } = settings;
  return autoregressiveConfig({
    dim: width, n_layers: layers, n_heads: heads, n_kv_heads: keyHeads, vocab_size: codes, ffn_hidden_size: inner, use_qk_normalization: true, rope_dim: "3D",
    video_latent_shape: [...latent], max_seq_len: latent[0] * latent[1] * latent[2], num_video_frames: settings.data.frames, video_height: settings.data.height, video_width: settings.data.width,
  });
}
