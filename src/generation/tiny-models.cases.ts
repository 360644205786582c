/** For tests: pipelines of both families with random weights, small enough that a chunk takes a fraction of a second. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parameters, type Parameters } from "../nn/index.ts";
import { saveComponent, savePipeline, type AutoregressiveGeneration, type DiffusionGeneration } from "../registry/index.ts";
import { input } from "../tensor/index.ts";
import { RandomState } from "../tensor/random.ts";
import { decode, decodeIndices, encode, encodeIndices, isDiscrete, parseTokenizerConfig } from "../tokenizer/index.ts";
import { autoregressiveParameters, parseAutoregressiveConfig } from "../world/autoregressive/index.ts";
import { transformerParameters } from "../world/diffusion/denoiser.ts";
import { parseTransformerConfig } from "../world/index.ts";
import { saveTextEncoder, t5Parameters, textComponents } from "../world/text/encoder.ts";
import { parseT5Config } from "../world/text/t5.ts";
import { collectWords } from "../world/text/words.ts";

type Json = Record<string, unknown>;

/** Weights whose layers keep the size of what they are given. */
function randomWeights({ all }: Parameters, seed: number): Map<string, Float32Array> {
  const random = new RandomState(seed);
  return new Map(
    [...all.values()].map(({ name, shape }) => {
      const count = shape.reduce((a, b) => a * b, 1);
      const [scale, centre] = shape.length > 1 ? [1 / Math.sqrt(count / shape[0]!), 0] : [0.1, name.endsWith("weight") ? 1 : 0];
      return [name, random.standardNormalFloat32(count).map((v) => v * scale + centre)];
    }),
  );
}

async function saveTokenizer(folder: string, json: Json, seed: number): Promise<void> {
  const config = parseTokenizerConfig(json);
  const all = parameters();
  const pixels = input("pixels", [1, 3, 9, 32, 32]);
  if (isDiscrete(config)) decodeIndices(all.root, encodeIndices(all.root, pixels, config).indices, config);
  else decode(all.root, encode(all.root, pixels, config), config);
  await saveComponent(folder, json, all.all.values(), randomWeights(all, seed));
}

const size = { width: 48, height: 32, frames: 17, fps: 8, version: 1, text: null } as const;

export const tinyDiffusion: DiffusionGeneration = {
  family: "diffusion", ...size, conditionFrames: [1, 9], formulation: "edm", sigmaData: 0.5, conditionSigma: 0.001,
  sampler: { name: "res2ab", steps: 4, sigmaMin: 0.002, sigmaMax: 80 }, guidance: 0, latents: { mean: [0, 0, 0, 0], std: [1, 1, 1, 1] },
};

export const tinyAutoregressive: AutoregressiveGeneration = { family: "autoregressive", ...size, conditionFrames: [1, 9], sampling: { temperature: 1, topP: 0.9 } };

/** The same with text, and with the change against the last given frame as its answer. */
export const tinyTextDiffusion: DiffusionGeneration = {
  ...tinyDiffusion, conditionFrames: [0, 1, 9], text: { component: "text_encoder", tokens: 8, width: 8 }, guidance: 2, change: { std: [0.5, 0.5, 0.5, 0.5] },
};

/** A diffusion pipeline in `folder`, with a text encoder where its text is said to be encoded. */
export async function saveTinyDiffusion(folder: string, generation: DiffusionGeneration = tinyDiffusion, seed = 1): Promise<void> {
  mkdirSync(folder, { recursive: true });
  await saveTokenizer(join(folder, "vae"), {
    _class_name: "AutoencoderKLCosmos", latents_mean: null, latents_std: null, latent_channels: 4, encoder_block_out_channels: [8, 8, 16, 16], decode_block_out_channels: [8, 16, 16, 16],
    num_layers: 1, attention_resolutions: [8], resolution: 64, patch_size: 4, patch_type: "haar", spatial_compression_ratio: 8, temporal_compression_ratio: 8,
  }, seed);
  const json = { _class_name: "CosmosTransformer3DModel", in_channels: 5, out_channels: 4, num_attention_heads: 2, attention_head_dim: 12, num_layers: 2, mlp_ratio: 2, text_embed_dim: 8, adaln_lora_dim: 4, max_size: [8, 16, 16], extra_pos_embed_type: null };
  const all = transformerParameters(parseTransformerConfig(json));
  await saveComponent(join(folder, "transformer"), json, all.all.values(), randomWeights(all, seed + 1));
  if (generation.text) {
    const words = collectWords(["a red ball falls and a blue cube slides"], { least: 1 });
    const config = parseT5Config({ vocab_size: words.list.length, d_model: generation.text.width, d_kv: 4, d_ff: 16, num_layers: 1, num_heads: 2 });
    await saveTextEncoder(folder, config, words, randomWeights(t5Parameters(config), seed + 2));
  }
  await savePipeline(folder, { vae: ["diffusers", "AutoencoderKLCosmos"], transformer: ["diffusers", "CosmosTransformer3DModel"], ...(generation.text ? textComponents : {}) }, generation);
}

/** An autoregressive pipeline in `folder`. */
export async function saveTinyAutoregressive(folder: string, generation: AutoregressiveGeneration = tinyAutoregressive, seed = 3): Promise<void> {
  mkdirSync(folder, { recursive: true });
  await saveTokenizer(join(folder, "tokenizer"), {
    _class_name: "CausalDiscreteVideoTokenizer", attn_resolutions: [16], channels: 8, channels_mult: [1, 2, 2], num_res_blocks: 1, resolution: 64, patch_size: 4, patch_method: "haar",
    z_channels: 8, spatial_compression: 8, temporal_compression: 8, levels: [4, 4, 4], embedding_dim: 3, num_groups: 1,
  }, seed);
  const json = { _class_name: "CosmosAutoregressiveTransformer", dim: 24, n_layers: 2, n_heads: 2, n_kv_heads: 1, vocab_size: 70, ffn_hidden_size: 32, max_seq_len: 72, rope_dim: "3D", video_latent_shape: [3, 4, 6], use_qk_normalization: true };
  const all = autoregressiveParameters(parseAutoregressiveConfig(json));
  await saveComponent(join(folder, "transformer"), json, all.all.values(), randomWeights(all, seed + 1));
  await savePipeline(folder, { tokenizer: ["cosmos", "CausalDiscreteVideoTokenizer"], transformer: ["cosmos", "CosmosAutoregressiveTransformer"] }, generation);
}
