/**
 * Configurations of the tokenizers, with the field names and defaults of the two references:
 *
 * - `AutoencoderKLCosmos`: diffusers `models/autoencoders/autoencoder_kl_cosmos.py`;
 * - `CausalContinuousVideoTokenizer`, `CausalDiscreteVideoTokenizer`, `ContinuousImageTokenizer`, `DiscreteImageTokenizer`:
 *   cosmos-predict1 `tokenizer/networks`, whose `configs.py` has the defaults.
 *
 * Not here: which layers follow from them (`plan.ts`).
 */
import { z } from "zod";
import { OrreryError } from "../errors.ts";
import { cosmosLatentsMean, cosmosLatentsStd } from "./latent-statistics.ts";

const count = z.int().positive();
const counts = z.array(count).min(1);
const powerOfTwo = count.refine((n) => Number.isInteger(Math.log2(n)), "must be a power of two");
const method = z.enum(["haar", "rearrange"]);
const statistics = z.array(z.number()).nullable();

const diffusersFields = {
  in_channels: count.default(3),
  out_channels: count.default(3),
  latent_channels: count.default(16),
  /** Widths after `conv_in` and after each level, at falling resolution. */
  encoder_block_out_channels: counts.min(2).default([128, 256, 512, 512]),
  /** The decoder's, also from high resolution to low. */
  decode_block_out_channels: counts.min(2).default([256, 512, 512, 512]),
  /** Levels whose nominal resolution is in this list get attention; it is reckoned from `resolution`, not from the input. */
  attention_resolutions: z.array(count).default([32]),
  resolution: count.default(1024),
  /** Residual blocks per level of the encoder; the decoder has one more. */
  num_layers: count.default(2),
  patch_size: powerOfTwo.default(4),
  patch_type: method.default("haar"),
  scaling_factor: z.number().default(1),
  spatial_compression_ratio: powerOfTwo.default(8),
  temporal_compression_ratio: powerOfTwo.default(8),
  /** Per latent channel and latent frame, channel by channel. Left out: those of Cosmos 1.0 CV8x8x8. */
  latents_mean: statistics.optional(),
  latents_std: statistics.optional(),
};

/** Fields that the original classes take and that change nothing here: a name, and settings of training or of other quantizers. */
const ignored = Object.fromEntries(["name", "dropout", "num_quantizers", "num_embeddings", "codebook_size", "codebook_dim", "persistent_quantizer", "dtype"].map((k) => [k, z.unknown().optional()]));

const originalFields = {
  ...ignored,
  attn_resolutions: z.array(count).default([32]),
  channels: count.default(128),
  channels_mult: counts.default([2, 4, 4]),
  in_channels: count.default(3),
  out_channels: count.default(3),
  num_res_blocks: count.default(2),
  resolution: count.default(1024),
  patch_size: powerOfTwo.default(4),
  patch_method: method.default("haar"),
  z_channels: count.default(16),
  /** Channels of the encoder's output over `z_channels`: 2 for a mean and a variance. */
  z_factor: count.default(1),
};

const videoFields = {
  ...originalFields,
  spatial_compression: powerOfTwo.default(8),
  temporal_compression: powerOfTwo.default(8),
  /** Groups of the norms of the `BASE` networks; the factorised ones always use one. */
  num_groups: count.optional(),
  /** Up-samples time one level earlier, as the first released decoders do. */
  legacy_mode: z.boolean().default(false),
  encoder: z.literal("FACTORIZED").default("FACTORIZED"),
  decoder: z.literal("FACTORIZED").default("FACTORIZED"),
};

const imageFields = {
  ...originalFields,
  spatial_compression: powerOfTwo.default(16),
  encoder: z.literal("Default").default("Default"),
  decoder: z.literal("Default").default("Default"),
};

const continuousFields = {
  latent_channels: count.default(16),
  /** `VAE` gives a mean and a log variance; the mean is the latent here. */
  formulation: z.enum(["AE", "VAE"]).default("AE"),
};

const discreteFields = {
  quantizer: z.literal("FSQ").default("FSQ"),
  embedding_dim: count.default(6),
  levels: z.array(z.int().min(2)).min(1).default([8, 8, 8, 5, 5, 5]),
};

const named = <N extends string>(name: N): { _class_name: z.ZodLiteral<N> } => ({ _class_name: z.literal(name) });

const schemas = {
  AutoencoderKLCosmos: z.strictObject({ ...named("AutoencoderKLCosmos"), ...diffusersFields }),
  CausalContinuousVideoTokenizer: z.strictObject({ ...named("CausalContinuousVideoTokenizer"), ...videoFields, ...continuousFields }),
  CausalDiscreteVideoTokenizer: z.strictObject({ ...named("CausalDiscreteVideoTokenizer"), ...videoFields, ...discreteFields, spatial_compression: powerOfTwo.default(16) }),
  ContinuousImageTokenizer: z.strictObject({ ...named("ContinuousImageTokenizer"), ...imageFields, ...continuousFields }),
  DiscreteImageTokenizer: z.strictObject({ ...named("DiscreteImageTokenizer"), ...imageFields, ...discreteFields, z_channels: count.default(256) }),
};

type ClassName = keyof typeof schemas;
type Of<N extends ClassName> = z.output<(typeof schemas)[N]>;

export type DiffusersConfig = Omit<Of<"AutoencoderKLCosmos">, "latents_mean" | "latents_std"> & { latents_mean: number[] | null; latents_std: number[] | null };
export type VideoConfig = Of<"CausalContinuousVideoTokenizer"> | Of<"CausalDiscreteVideoTokenizer">;
export type ImageConfig = Of<"ContinuousImageTokenizer"> | Of<"DiscreteImageTokenizer">;
export type DiscreteConfig = Of<"CausalDiscreteVideoTokenizer"> | Of<"DiscreteImageTokenizer">;
export type TokenizerConfig = DiffusersConfig | VideoConfig | ImageConfig;

export const tokenizerClassNames = Object.keys(schemas) as ClassName[];

export const isImage = (config: TokenizerConfig): config is ImageConfig => config["_class_name"] === "ContinuousImageTokenizer" || config["_class_name"] === "DiscreteImageTokenizer";
/** Whether it makes code indices (FSQ), not continuous latents. */
export const isDiscrete = (config: TokenizerConfig): config is DiscreteConfig => config["_class_name"] === "CausalDiscreteVideoTokenizer" || config["_class_name"] === "DiscreteImageTokenizer";

export const badConfig = (name: string, what: string): OrreryError => new OrreryError("bad_config", `this is not a valid configuration of ${name}: ${what}`);

/**
 * Checks the fields of a `config.json` and fills in the defaults. `_class_name` says which network it is; other keys that begin
 * with `_` are dropped; a key that is not known is an error, because ignoring it would run another network than was trained.
 */
export function parseFields(json: unknown): TokenizerConfig {
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw badConfig("a tokenizer", "it must be an object of named fields");
  const name = (json as { _class_name?: unknown })["_class_name"] as ClassName;
  if (!tokenizerClassNames.includes(name)) throw badConfig("a tokenizer", `_class_name is ${JSON.stringify(name)}; it must be one of ${tokenizerClassNames.join(", ")}`);
  const fields = Object.entries(json).filter(([key]) => key === "_class_name" || !key.startsWith("_"));
  const result = schemas[name].safeParse(Object.fromEntries(fields));
  if (!result.success) throw badConfig(name, result.error.issues.map((i) => `${i.path.join(".") || "fields"}: ${i.message}`).join("; "));
  const config = result.data;
  if (config["_class_name"] === "AutoencoderKLCosmos") {
    // Absent is not null: diffusers then uses the statistics of its main model, which has 16 channels.
    const otherwise = (list: readonly number[]): number[] | null => (config.latent_channels === 16 ? [...list] : null);
    const { latents_mean = otherwise(cosmosLatentsMean), latents_std = otherwise(cosmosLatentsStd) } = config;
    for (const list of [latents_mean, latents_std])
      if (list && list.length % config.latent_channels) throw badConfig(name, `latents_mean and latents_std need a multiple of latent_channels (${config.latent_channels}) numbers, not ${list.length}`);
    return { ...config, latents_mean, latents_std };
  }
  if ("levels" in config) {
    if (config.embedding_dim !== config.levels.length) throw badConfig(name, `embedding_dim (${config.embedding_dim}) must be the number of levels (${config.levels.length})`);
    const codes = config.levels.reduce((a, b) => a * b, 1);
    if (codes > 2 ** 22) throw badConfig(name, `levels give ${codes} codes; more than ${2 ** 22} cannot be numbered exactly in float32`);
  } else {
    const factor = config.formulation === "VAE" ? 2 : 1;
    if (config.z_factor !== factor) throw badConfig(name, `z_factor is ${config.z_factor}; formulation ${config.formulation} needs ${factor}`);
  }
  return config;
}
