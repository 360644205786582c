/**
 * The configuration of Cosmos-Predict1's autoregressive `Transformer`: the names of its `ModelConfig`
 * (cosmos-predict1 `autoregressive/configs/base/model.py`) with its defaults, as `config.json` holds them. One class covers
 *
 * | | 4B | 12B | 5B (4B and text) | 13B (12B and text) |
 * |---|---|---|---|---|
 * | layers x width | 16 x 4096 | 40 x 5120 | 16 x 4096 | 40 x 5120 |
 * | positions | RoPE | RoPE, stretched by YaRN | RoPE and sine waves at every layer, `<bov>` first | both |
 * | cross-attention | | | every layer, T5 | every layer, T5 |
 *
 * Tensor parallelism is a matter of how the reference spreads its weights over GPUs; here a model is whole.
 */
import { z } from "zod";
import { OrreryError } from "../../errors.ts";

const count = z.int().positive();
const optionalCount = count.nullable().default(null);
/** Latent frames, rows and columns. */
const latentShape = z.tuple([count, count, count]).nullable().default(null);
const positive = z.number().positive();

const schema = z
  .strictObject({
    dim: count.default(4096),
    n_layers: count.default(32),
    n_heads: count.default(32),
    /** Heads of keys and values, which several query heads share; null for as many as queries. */
    n_kv_heads: count.nullable().default(8),
    /** Null for dim / n_heads. */
    head_dim: optionalCount,
    vocab_size: count.default(128256),
    ffn_hidden_size: count.default(14336),
    norm_type: z.enum(["rmsnorm", "compiled_rmsnorm", "layernorm", "np_layernorm"]).default("rmsnorm"),
    norm_eps: positive.default(1e-5),
    use_qk_normalization: z.boolean().default(false),
    /** One matrix for queries, keys and values. */
    fuse_qkv: z.boolean().default(false),
    /** The reference reads it and then masks in any case; so it may stand here, but not be false. */
    causal_mask: z.literal(true).default(true),
    max_batch_size: count.default(1),
    /** Length of the cache. */
    max_seq_len: count.default(8192),

    insert_cross_attn: z.boolean().default(false),
    /** Cross-attention in layers 0, k, 2k, ... */
    insert_cross_attn_every_k_layers: z.int().nonnegative().default(1),
    /** Width of what cross-attention reads; null for `dim`. */
    context_dim: count.nullable().default(1024),

    rope_dim: z.enum(["1D", "3D"], { error: 'must be "1D" or "3D" (the reference cannot build a transformer with any other)' }).default("1D"),
    /** v2 turns pairs of halves, v1 pairs of neighbours. */
    pytorch_rope_version: z.enum(["v1", "v2"]).nullable().default("v2"),
    rope_theta: positive.default(500000),
    /** Latent size of the longest video: where the 3-D positions come from. */
    video_latent_shape: latentShape,
    apply_yarn: z.boolean().nullable().default(false),
    yarn_scale: positive.nullable().default(null),
    yarn_beta_fast: z.number().nullable().default(null),
    yarn_beta_slow: z.number().nullable().default(null),
    /** What the model was trained on before YaRN stretched it: latent size (3-D), length (1-D). */
    original_latent_shape: latentShape,
    original_seq_len: optionalCount,
    /** Positions are filled up with zeros to a multiple of this. */
    pad_to_multiple_of: optionalCount,
    /** Sine and cosine waves of the position, added before every layer. */
    apply_abs_pos_emb: z.boolean().default(false),
    /** "text_to_video" puts a `<bov>` token before the video, at a position of zeros. Kept in the tokenizer's part of the reference's configuration. */
    training_type: z.string().nullable().default(null),

    precision: z.string().default("float32"),
    tensor_model_parallel_size: z.literal(1, { error: "must be 1: join the parts of the checkpoint first" }).default(1),
    num_video_frames: optionalCount,
    video_height: optionalCount,
    video_width: optionalCount,
    ckpt_dir: z.string().nullable().default(null),
    ckpt_path: z.string().nullable().default(null),
    vision_encoder: z.null({ error: "must be null: vision-language models are not world models" }).default(null),
    vision_encoder_in_channels: z.int().nullable().default(3),
    mm_projector: z.null().default(null),
    tokenizer: z.unknown().optional(),
  })
  .superRefine((c, context) => {
    const wrong = (path: string, message: string): void => context.addIssue({ code: "custom", path: [path], message });
    if (c.head_dim === null && c.dim < c.n_heads) wrong("n_heads", `must not be more than dim (${c.dim})`);
    if (headWidth(c) % 2) wrong("head_dim", `must be even, because RoPE turns pairs, but is ${headWidth(c)}`);
    if (c.n_heads % keyHeads(c)) wrong("n_kv_heads", `must divide n_heads (${c.n_heads})`);
    if (c.rope_dim === "3D" && !c.video_latent_shape) wrong("video_latent_shape", "is needed by 3-D RoPE");
    if (c.rope_dim === "3D" && headWidth(c) < 6) wrong("head_dim", "must be at least 6, so that each of three axes gets a rotation");
    if (c.apply_abs_pos_emb && c.rope_dim !== "3D") wrong("apply_abs_pos_emb", "needs rope_dim 3D");
    if (c.apply_abs_pos_emb && c.dim % 2) wrong("dim", "must be even for absolute positions");
    if (c.insert_cross_attn && c.insert_cross_attn_every_k_layers === 0) wrong("insert_cross_attn_every_k_layers", "must be at least 1 with insert_cross_attn");
    if (c.apply_yarn) {
      for (const name of ["yarn_scale", "yarn_beta_fast", "yarn_beta_slow"] as const) if (c[name] === null) wrong(name, "is needed by apply_yarn");
      const original = c.rope_dim === "3D" ? "original_latent_shape" : "original_seq_len";
      if (c[original] === null) wrong(original, "is needed by apply_yarn");
    }
  });

export type AutoregressiveConfig = z.output<typeof schema>;

/** What a user or a `config.json` gives: every field may be left out. */
export type AutoregressiveOptions = z.input<typeof schema>;

export const autoregressiveClassName = "CosmosAutoregressiveTransformer";

/**
 * Checks a configuration and fills in the defaults. Keys that begin with `_` are dropped; a key that is not known is an
 * error, because ignoring it would run another network than the one that was trained.
 */
export function parseAutoregressiveConfig(json: unknown): AutoregressiveConfig {
  const fail = (what: string): never => {
    throw new OrreryError("bad_config", `this is not a valid configuration of ${autoregressiveClassName}: ${what}`);
  };
  if (typeof json !== "object" || json === null || Array.isArray(json)) return fail("it must be an object of named fields");
  const { _class_name: className } = json as { _class_name?: unknown };
  if (className !== undefined && className !== autoregressiveClassName) return fail(`_class_name is ${JSON.stringify(className)}`);
  const result = schema.safeParse(Object.fromEntries(Object.entries(json).filter(([key]) => !key.startsWith("_"))));
  return result.success ? result.data : fail(result.error.issues.map((i) => `${i.path.join(".") || "fields"}: ${i.message}`).join("; "));
}

/** As `parseAutoregressiveConfig`, for code. */
export const autoregressiveConfig = (options: AutoregressiveOptions = {}): AutoregressiveConfig => parseAutoregressiveConfig(options);

/** Width of one head. */
export const headWidth = (c: Pick<AutoregressiveConfig, "head_dim" | "dim" | "n_heads">): number => c.head_dim ?? Math.floor(c.dim / c.n_heads);

export const keyHeads = (c: Pick<AutoregressiveConfig, "n_kv_heads" | "n_heads">): number => c.n_kv_heads ?? c.n_heads;

/** Whether layer `index` reads the context. */
export const hasCrossAttention = (c: AutoregressiveConfig, index: number): boolean => c.insert_cross_attn && index % c.insert_cross_attn_every_k_layers === 0;

/** Whether a `<bov>` token stands before the video. */
export const hasBov = (c: AutoregressiveConfig): boolean => c.training_type === "text_to_video" && c.rope_dim === "3D" && c.pytorch_rope_version !== "v1";

/** How many positions there are: a sequence can be no longer than this, nor than `max_seq_len`. */
export function positionCount(c: AutoregressiveConfig): number {
  const rows = c.rope_dim === "1D" ? c.max_seq_len : (hasBov(c) ? 1 : 0) + c.video_latent_shape!.reduce((a, b) => a * b, 1);
  const unit = c.pytorch_rope_version === "v1" ? 1 : (c.pad_to_multiple_of ?? 1);
  return Math.ceil(rows / unit) * unit;
}

/** The longest sequence that the model takes. */
export const longestSequence = (c: AutoregressiveConfig): number => Math.min(c.max_seq_len, positionCount(c));
