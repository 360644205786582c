/**
 * T5's encoder (Raffel et al. 2020), the text encoder of Cosmos and of this project's own models at a smaller size: names,
 * fields and formulas of transformers' `T5EncoderModel` (`models/t5/modeling_t5.py`). It has no absolute positions; a bias by
 * distance, shared by all layers, is added to the scores, which are not divided by the root of the width.
 */
import { z } from "zod";
import { OrreryError } from "../../errors.ts";
import { attention, linear, rmsNorm, type Scope } from "../../nn/index.ts";
import { add, constant, embedding, mul, relu, reshape, swapAxes, tanh, transpose, where, type Tensor } from "../../tensor/index.ts";

const count = z.int().positive();

const schema = z.object({
  vocab_size: count.default(32128),
  d_model: count.default(512),
  /** Width of a head. */
  d_kv: count.default(64),
  /** Width inside the feed-forward layers. */
  d_ff: count.default(2048),
  num_layers: count.default(6),
  num_heads: count.default(8),
  relative_attention_num_buckets: z.int().min(4).multipleOf(4).default(32),
  relative_attention_max_distance: count.default(128),
  layer_norm_epsilon: z.number().positive().default(1e-6),
  /** "relu": version 1.0, which Cosmos uses. "gated-gelu": 1.1. */
  feed_forward_proj: z.enum(["relu", "gated-gelu"]).default("relu"),
});

export type T5Config = z.output<typeof schema>;

export const t5ClassName = "T5EncoderModel";

/** The fields that the encoder needs, of a `config.json`. @throws `bad_config`. */
export function parseT5Config(json: unknown): T5Config {
  const result = schema.safeParse(json);
  if (!result.success) throw new OrreryError("bad_config", `this is not a valid configuration of ${t5ClassName}: ${result.error.issues.map((i) => `${i.path.join(".") || "fields"}: ${i.message}`).join("; ")}`);
  return result.data;
}

/** As transformers writes it. */
export const t5ConfigJson = (config: T5Config): Record<string, unknown> => ({ architectures: [t5ClassName], model_type: "t5", ...config, is_encoder_decoder: false, use_cache: false });

const far = -1e9;

/** The approximation of GELU that T5 was trained with. */
const geluByTanh = (x: Tensor): Tensor => mul(mul(x, 0.5), add(tanh(mul(add(x, mul(mul(mul(x, x), x), 0.044715)), Math.sqrt(2 / Math.PI))), 1));

/** Token ids [B, M] (int64) and which of them count, [B, M] (bool), to embeddings [B, M, d_model]. */
export function t5Encoder(p: Scope, tokens: Tensor, mask: Tensor, config: T5Config): Tensor {
  const { d_model, d_kv, d_ff, num_layers, num_heads, layer_norm_epsilon: eps } = config;
  const [b, m] = tokens.shape as [number, number];
  let x = embedding(p.in("shared").param("weight", [config.vocab_size, d_model], { kind: "normal", std: 0.5 }), tokens);
  const stack = p.in("encoder");
  const table = stack.in("block").in(0).in("layer").in(0).in("SelfAttention").in("relative_attention_bias").param("weight", [config.relative_attention_num_buckets, num_heads], { kind: "normal", std: d_model ** -0.5 });
  // [M, M, heads] to [1, heads, M, M].
  const distances = reshape(transpose(embedding(table, constant(bucketsOf(m, config), [m, m], "int64")), [2, 0, 1]), [1, num_heads, m, m]);
  const bias = add(distances, reshape(where(mask, 0, far), [b, 1, 1, m]));
  const heads = (y: Tensor): Tensor => swapAxes(reshape(y, [b, m, num_heads, d_kv]), 1, 2);
  const project = (scope: Scope, y: Tensor, out: number, std: number): Tensor => linear(scope, y, out, { bias: false, init: { kind: "normal", std } });
  for (let i = 0; i < num_layers; i++) {
    const layer = stack.in("block").in(i).in("layer");
    const [self, forward] = [layer.in(0), layer.in(1)];
    const y = rmsNorm(self.in("layer_norm"), x, { eps });
    const a = self.in("SelfAttention");
    const [q, k, v] = [project(a.in("q"), y, num_heads * d_kv, (d_model * d_kv) ** -0.5), project(a.in("k"), y, num_heads * d_kv, d_model ** -0.5), project(a.in("v"), y, num_heads * d_kv, d_model ** -0.5)];
    const read = reshape(swapAxes(attention(heads(q), heads(k), heads(v), { mask: bias, scale: 1 }), 1, 2), [b, m, num_heads * d_kv]);
    x = add(x, project(a.in("o"), read, d_model, (num_heads * d_kv) ** -0.5));
    const normed = rmsNorm(forward.in("layer_norm"), x, { eps });
    const d = forward.in("DenseReluDense");
    const inner = config.feed_forward_proj === "relu" ? relu(project(d.in("wi"), normed, d_ff, d_model ** -0.5)) : mul(geluByTanh(project(d.in("wi_0"), normed, d_ff, d_model ** -0.5)), project(d.in("wi_1"), normed, d_ff, d_model ** -0.5));
    x = add(x, project(d.in("wo"), inner, d_model, d_ff ** -0.5));
  }
  return rmsNorm(stack.in("final_layer_norm"), x, { eps });
}

/** Which bias belongs to each pair of query and key, row by row: half of the buckets before, half after; near ones exactly, far ones by logarithm. */
export function bucketsOf(length: number, { relative_attention_num_buckets: all, relative_attention_max_distance: farthest }: Pick<T5Config, "relative_attention_num_buckets" | "relative_attention_max_distance">): number[] {
  const half = all / 2;
  const exact = half / 2;
  const bucket = (distance: number): number => {
    const d = Math.abs(distance);
    const within = d < exact ? d : Math.min(half - 1, exact + Math.floor((Math.log(d / exact) / Math.log(farthest / exact)) * (half - exact)));
    return (distance > 0 ? half : 0) + within;
  };
  return Array.from({ length: length * length }, (_, i) => bucket((i % length) - Math.floor(i / length)));
}
