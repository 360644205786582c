/**
 * Cosmos-Predict1's autoregressive transformer: a Llama 3 over the tokens of a video in frame, row, column order, with 3-D
 * rotary positions, and in the text models cross-attention. Names of parameters are the checkpoint's. After cosmos-predict1
 * `autoregressive/networks/transformer.py`, `modules/{attention,mlp,normalization}.py`; training from
 * `training/model.py`.
 *
 * Two graphs of one network: `prefill` reads n tokens at once, `step` reads one more token at any position given the keys
 * and values of those before. The reference's cache has one place per position and so does ours, which lets one compiled
 * graph serve the whole sequence.
 *
 * Letters of shapes: B sequences; n tokens; D width; H heads of queries, K of keys; d width of a head; S places in the
 * cache; M tokens of context; V words of the vocabulary.
 */
import { OrreryError } from "../../errors.ts";
import { attention, embedding, linear, rmsNorm, type Init, type Scope } from "../../nn/index.ts";
import {
  add, arange, cast, concat, constant, div, gatherElements, lessEqual, logSumExp, mean, mul, reshape, setAt, silu, sliceAxis, split, square, standardize, sub, sum, transpose, where, type Tensor,
} from "../../tensor/index.ts";
import { hasCrossAttention, headWidth, keyHeads, longestSequence, type AutoregressiveConfig } from "./config.ts";
import { absolutePositions } from "./position.ts";
import { rope, type Turn } from "./rope.ts";

/** Keys and values of one layer: [B, K, n, d] of a prefill, [B, K, S, d] in a cache. */
export interface KeysAndValues {
  keys: Tensor;
  values: Tensor;
}

export interface Context {
  /** What cross-attention reads, [B or 1, M, context_dim]. */
  context?: Tensor | undefined;
  /** Which of it counts: booleans [B, M] or [B, 1, 1 or n, M]. */
  contextMask?: Tensor | undefined;
}

export interface Answer {
  /** [B, n, V], or [B, 1, V] where only the last token's were wanted. */
  logits: Tensor;
  layers: KeysAndValues[];
}

/** Reads tokens [B, n] (int64) from position 0. With `lastOnly` the vocabulary is asked for the last token alone. */
export function prefill(p: Scope, tokens: Tensor, config: AutoregressiveConfig, { lastOnly = false, ...context }: Context & { lastOnly?: boolean } = {}): Answer {
  const n = tokens.shape[1]!;
  const limit = longestSequence(config);
  if (n > limit) throw new OrreryError("bad_argument", `${n} tokens are more than the ${limit} that this model has positions for`);
  const order = cast(arange(n), "float32");
  // The queries of the heads that share a key head stand one after the other, so the mask is repeated for each.
  const queries = concat(new Array<Tensor>(config.n_heads / keyHeads(config)).fill(order), 0);
  const visible = lessEqual(reshape(order, [1, n]), reshape(queries, [-1, 1]));
  const around = surroundings(config, n, visible, context);
  return network(p, tokens, config, around, () => (fresh) => fresh, lastOnly);
}

/**
 * Reads one token each, [B, 1], at `position` (int64 [1], the same for all sequences), given caches whose places before it
 * are filled. Returns the caches with this place filled too.
 */
export function step(p: Scope, tokens: Tensor, position: Tensor, caches: readonly KeysAndValues[], config: AutoregressiveConfig, context: Context = {}): Answer {
  if (tokens.shape[1] !== 1) throw new OrreryError("bad_argument", `a step reads one token per sequence, not ${tokens.shape[1]}`);
  if (caches.length !== config.n_layers) throw new OrreryError("bad_argument", `${caches.length} caches for ${config.n_layers} layers`);
  const places = caches[0]!.keys.shape[2]!;
  // Compared as floats, which every device can; positions are far below 2^24.
  const now = reshape(cast(position, "float32"), [1, 1, 1, 1]);
  const order = cast(arange(places), "float32");
  const around = surroundings(config, position, lessEqual(reshape(order, [1, 1, 1, places]), now), context);
  const remember = (layer: number) => (fresh: KeysAndValues): KeysAndValues => ({
    keys: setAt(caches[layer]!.keys, fresh.keys, position, 2),
    values: setAt(caches[layer]!.values, fresh.values, position, 2),
  });
  return network(p, tokens, config, around, remember, false);
}

/** Everything that is the same for all layers. */
interface Surroundings {
  turn: Turn;
  /** Added before every layer, [n, D]. */
  positions: Tensor | undefined;
  /** Added to scores [B, K, H / K * n, keys]. */
  mask: Tensor;
  context: Tensor | undefined;
  contextMask: Tensor | undefined;
}

/** What of -infinity a softmax needs; a row is never masked whole. */
const hidden = -1e30;

function surroundings(config: AutoregressiveConfig, positions: Tensor | number, visible: Tensor, { context, contextMask }: Context): Surroundings {
  const width = config.context_dim ?? config.dim;
  if (config.insert_cross_attn && !context) throw new OrreryError("bad_argument", "this model reads a context (text embeddings), but none was given");
  if (!config.insert_cross_attn && context) throw new OrreryError("bad_argument", "this model has no cross-attention to read a context with");
  if (context && (context.shape.length !== 3 || context.shape[2] !== width)) throw new OrreryError("bad_argument", `a context is [B, tokens, ${width}], not [${context.shape.join(", ")}]`);
  const masked = contextMask && where(contextMask, 0, hidden);
  return {
    turn: rope(config, positions),
    positions: config.apply_abs_pos_emb ? absolutePositions(config, positions) : undefined,
    mask: where(visible, 0, hidden),
    context,
    contextMask: masked && (masked.shape.length === 2 ? reshape(masked, [masked.shape[0]!, 1, 1, masked.shape[1]!]) : masked),
  };
}

/** Truncated normal, as the reference's `init_weights`. */
const start = (std: number): Init => ({ kind: "normal", std });

type Remember = (layer: number) => (fresh: KeysAndValues) => KeysAndValues;

function network(p: Scope, tokens: Tensor, config: AutoregressiveConfig, around: Surroundings, remember: Remember, lastOnly: boolean): Answer {
  let x = embedding(p.in("tok_embeddings"), tokens, config.vocab_size, config.dim);
  const layers: KeysAndValues[] = [];
  for (let i = 0; i < config.n_layers; i++) {
    const scope = p.in("layers").in(i);
    const depth = 0.02 / Math.sqrt(2 * (i + 1));
    if (around.positions) x = add(x, around.positions);
    const { y, memory } = selfAttention(scope.in("attention"), norm(scope.in("attention_norm"), x, config), config, around, depth, remember(i));
    layers.push(memory);
    x = add(x, y);
    if (hasCrossAttention(config, i)) x = add(x, crossAttention(scope.in("cross_attention"), norm(scope.in("cross_attention_norm"), x, config), config, around, depth));
    x = add(x, feedForward(scope.in("feed_forward"), norm(scope.in("ffn_norm"), x, config), config, depth));
  }
  x = norm(p.in("norm"), lastOnly ? sliceAxis(x, 1, x.shape[1]! - 1) : x, config);
  return { logits: linear(p.in("output"), x, config.vocab_size, { bias: false, init: { kind: "normal", std: config.dim ** -0.5, truncate: 3 } }), layers };
}

function norm(p: Scope, x: Tensor, { norm_type, norm_eps: eps }: AutoregressiveConfig): Tensor {
  if (norm_type === "np_layernorm") return standardize(x, eps);
  if (norm_type === "layernorm") return mul(standardize(x, eps), p.param("weight", [x.shape.at(-1)!], { kind: "ones" }));
  return rmsNorm(p, x, { eps });
}

/** SwiGLU. */
function feedForward(p: Scope, x: Tensor, { dim, ffn_hidden_size: inner }: AutoregressiveConfig, depth: number): Tensor {
  const gate = silu(linear(p.in("w1"), x, inner, { bias: false, init: start(0.02) }));
  const value = linear(p.in("w3"), x, inner, { bias: false, init: start(depth) });
  return linear(p.in("w2"), mul(gate, value), dim, { bias: false, init: start(depth) });
}

/** [B, n, heads * d] to [B, heads, n, d]; queries and keys are normalised per head on the way. */
function heads(p: Scope, name: "q_norm" | "k_norm" | undefined, x: Tensor, config: AutoregressiveConfig): Tensor {
  const apart = reshape(x, [x.shape[0]!, x.shape[1]!, -1, headWidth(config)]);
  // Always RMSNorm with this epsilon, whatever `norm_type` says.
  return transpose(name && config.use_qk_normalization ? rmsNorm(p.in(name), apart, { eps: 1e-5 }) : apart, [0, 2, 1, 3]);
}

/** Attention where H / K heads of queries share one of keys: q [B, H, n, d] over k, v [B, K, S, d] gives [B, n, H d]. */
function grouped(q: Tensor, { keys, values }: KeysAndValues, mask: Tensor | undefined): Tensor {
  const [b, h, n, d] = q.shape as [number, number, number, number];
  const y = attention(reshape(q, [b, keys.shape[1]!, -1, d]), keys, values, { mask });
  return reshape(transpose(reshape(y, [b, h, n, d]), [0, 2, 1, 3]), [b, n, h * d]);
}

function selfAttention(p: Scope, x: Tensor, config: AutoregressiveConfig, { turn, mask }: Surroundings, depth: number, remember: (fresh: KeysAndValues) => KeysAndValues): { y: Tensor; memory: KeysAndValues } {
  const sizes = [config.n_heads, keyHeads(config), keyHeads(config)].map((count) => count * headWidth(config)) as [number, number, number];
  const project = (name: string, size: number): Tensor => linear(p.in(name), x, size, { bias: false, init: start(0.02) });
  const [q, k, v] = config.fuse_qkv ? split(project("wqkv", sizes[0] + 2 * sizes[1]), sizes, -1) : [project("wq", sizes[0]), project("wk", sizes[1]), project("wv", sizes[2])];
  const memory = remember({ keys: turn(heads(p, "k_norm", k!, config)), values: heads(p, undefined, v!, config) });
  const y = grouped(turn(heads(p, "q_norm", q!, config)), memory, mask);
  return { y: linear(p.in("wo"), y, config.dim, { bias: false, init: start(depth) }), memory };
}

function crossAttention(p: Scope, x: Tensor, config: AutoregressiveConfig, { context, contextMask }: Surroundings, depth: number): Tensor {
  const project = (name: string, from: Tensor, count: number): Tensor => linear(p.in(name), from, count * headWidth(config), { bias: false, init: start(0.02) });
  const q = heads(p, "q_norm", project("wq", x, config.n_heads), config);
  const keys = heads(p, "k_norm", project("wk", context!, keyHeads(config)), config);
  const values = heads(p, undefined, project("wv", context!, keyHeads(config)), config);
  // A mask row per token must be repeated for the heads that share keys, like their queries.
  const rows = contextMask && contextMask.shape[2] !== 1 ? concat(new Array<Tensor>(config.n_heads / keyHeads(config)).fill(contextMask), 2) : contextMask;
  return linear(p.in("wo"), grouped(q, { keys, values }, rows), config.dim, { bias: false, init: start(depth) });
}

export interface LossOptions {
  /** Tokens at the beginning (the condition) whose successors are not learned. */
  ignoreFirst?: number;
  /** Weight of the mean of log(Z)^2, which keeps logits from drifting. */
  zLoss?: number;
}

/**
 * The training loss: mean cross-entropy of every next token, plus z-loss over all positions. `logits` [B, n, V] of
 * `tokens` [B, n]; the last token's have nothing to predict.
 */
export function nextTokenLoss(logits: Tensor, tokens: Tensor, { ignoreFirst = 0, zLoss = 1e-4 }: LossOptions = {}): Tensor {
  const n = tokens.shape[1]!;
  if (n < 2 || ignoreFirst < 0 || ignoreFirst >= n - 1) throw new OrreryError("bad_argument", `there is nothing to learn from ${n} tokens of which the first ${ignoreFirst} are ignored`);
  const scores = sliceAxis(logits, 1, 0, n - 1);
  const labels = sliceAxis(tokens, 1, 1);
  const logZ = logSumExp(scores);
  const right = reshape(gatherElements(scores, reshape(labels, [...labels.shape, 1]), 2), labels.shape);
  const counted = constant(Array.from({ length: n - 1 }, (_, i) => (i < ignoreFirst ? 0 : 1)), [1, n - 1]);
  const crossEntropy = div(sum(mul(sub(logZ, right), counted)), tokens.shape[0]! * (n - 1 - ignoreFirst));
  return zLoss ? add(crossEntropy, mul(mean(square(logZ)), zLoss)) : crossEntropy;
}
