/**
 * The configuration of `CosmosTransformer3DModel` as diffusers writes it to `config.json`: same names, same defaults
 * (diffusers `models/transformers/transformer_cosmos.py`). One class covers three generations:
 *
 * | | Cosmos 1.0 | 2.0 | 2.5 |
 * |---|---|---|---|
 * | positions | RoPE and a learned table, added at every block | RoPE | RoPE |
 * | timestep | `[B]`, 0.25 ln sigma | `[B, 1, T, 1, 1]`, sigma / (1 + sigma) | `[B, 1, T, 1, 1]`, flow time |
 * | text | T5, 1024 wide | T5 | Reason1, 100352 wide, through `crossattn_proj` |
 * | video conditioning | 1 more input channel | the same | the same |
 */
import { z } from "zod";
import { OrreryError } from "../errors.ts";

const count = z.int().positive();
const positive = z.number().positive();

const schema = z
  .strictObject({
    /** Latent channels, and one for the condition mask in models that take one; not the padding mask. */
    in_channels: count.default(16),
    out_channels: count.default(16),
    num_attention_heads: count.default(32),
    attention_head_dim: count.default(128),
    num_layers: count.default(28),
    mlp_ratio: positive.default(4),
    /** Width of the text embeddings that cross-attention reads (after the projection, where there is one). */
    text_embed_dim: count.default(1024),
    /** Width of the bottleneck of every AdaLN modulation. */
    adaln_lora_dim: count.default(256),
    /** Largest latent, frames x height x width, before patching. */
    max_size: z.tuple([count, count, count]).default([128, 240, 240]),
    patch_size: z.tuple([count, count, count]).default([1, 2, 2]),
    /** How far RoPE is stretched along frames, height and width. */
    rope_scale: z.tuple([positive, positive, positive]).default([2, 1, 1]),
    concat_padding_mask: z.boolean().default(true),
    extra_pos_embed_type: z.literal("learnable").nullable().default("learnable"),
    use_crossattn_projection: z.boolean().default(false),
    crossattn_proj_in_channels: count.default(1024),
    encoder_hidden_states_channels: count.default(1024),
    controlnet_block_every_n: count.nullable().default(null),
    /** Width of the image context of 2.5 Transfer; null or 0 for none. */
    img_context_dim_in: z.int().nonnegative().nullable().default(null),
    img_context_num_tokens: count.default(256),
    img_context_dim_out: count.default(2048),
  })
  .superRefine((c, context) => {
    const wrong = (path: string, message: string): void => context.addIssue({ code: "custom", path: [path], message });
    // RoPE divides by (size - 2) of each axis' share, and pairs the halves of a head.
    if (c.attention_head_dim % 2 || c.attention_head_dim < 12) wrong("attention_head_dim", "must be even and at least 12, so that each of three axes gets a rotation");
    if (c.use_crossattn_projection && c.encoder_hidden_states_channels !== c.text_embed_dim)
      wrong("encoder_hidden_states_channels", `must equal text_embed_dim (${c.text_embed_dim}), which cross-attention reads`);
    if (c.img_context_dim_in && c.img_context_dim_out !== c.num_attention_heads * c.attention_head_dim)
      wrong("img_context_dim_out", `must equal the model's width (${c.num_attention_heads * c.attention_head_dim})`);
  });

export type CosmosTransformerConfig = z.output<typeof schema>;

/** What a user or a `config.json` gives: every field may be left out. */
export type CosmosTransformerOptions = z.input<typeof schema>;

export const transformerClassName = "CosmosTransformer3DModel";

/**
 * Checks a configuration and fills in the defaults. Keys that begin with `_` (diffusers' own notes) are dropped; a key that
 * is not known is an error, because ignoring it would run another network than the one that was trained.
 */
export function parseTransformerConfig(json: unknown): CosmosTransformerConfig {
  const fail = (what: string): never => {
    throw new OrreryError("bad_config", `this is not a valid configuration of ${transformerClassName}: ${what}`);
  };
  if (typeof json !== "object" || json === null || Array.isArray(json)) return fail("it must be an object of named fields");
  const { _class_name: className } = json as { _class_name?: unknown };
  if (className !== undefined && className !== transformerClassName) return fail(`_class_name is ${JSON.stringify(className)}`);
  const result = schema.safeParse(Object.fromEntries(Object.entries(json).filter(([key]) => !key.startsWith("_"))));
  return result.success ? result.data : fail(result.error.issues.map((i) => `${i.path.join(".") || "fields"}: ${i.message}`).join("; "));
}

/** As `parseTransformerConfig`, for code. */
export const transformerConfig = (options: CosmosTransformerOptions = {}): CosmosTransformerConfig => parseTransformerConfig(options);

/** Channels of the latent video; the rest of `in_channels` is the condition mask. */
export const takesConditionMask = (config: CosmosTransformerConfig): boolean => config.in_channels === config.out_channels + 1;

/** Width of the residual stream. */
export const hiddenSize = (config: CosmosTransformerConfig): number => config.num_attention_heads * config.attention_head_dim;

/** Width of the text embeddings that the network is given. */
export const textWidth = (config: CosmosTransformerConfig): number => (config.use_crossattn_projection ? config.crossattn_proj_in_channels : config.text_embed_dim);
