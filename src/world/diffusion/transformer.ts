/**
 * The denoising network of Cosmos 1.0, 2.0 and 2.5: a transformer over the patches of a latent video, after diffusers'
 * `CosmosTransformer3DModel` (`models/transformers/transformer_cosmos.py`), whose parameter names it declares. The 1.0
 * network is `GeneralDIT` of cosmos-predict1, and starting values are that network's.
 *
 * A block is self-attention, cross-attention to the text, and a perceptron, each wrapped in
 *
 *     x + gate * f(standardize(x) * (1 + scale) + shift)
 *
 * with shift, scale and gate computed from the noise level (AdaLN, with a bottleneck). Where every frame has a noise level of
 * its own, the modulation is computed per frame and broadcast over its tokens instead of being copied to each.
 *
 * Letters of shapes as in `embedding.ts`; F is 1, or t where every frame has its own noise level; M text tokens.
 */
import { OrreryError } from "../../errors.ts";
import { attention, linear, rmsNorm, type Scope } from "../../nn/index.ts";
import { add, checkpoint, full, gelu, mul, reshape, rotary, rotaryTables, silu, sliceAxis, standardize, sub, transpose, where, type Tensor } from "../../tensor/index.ts";
import { hiddenSize, textWidth, type CosmosTransformerConfig } from "../config.ts";
import { dense, embedPatches, embedTime, gridOf, learnedPositions, ropeAngles, unpatch } from "./embedding.ts";

const eps = 1e-6;
/** Of the norms of queries and keys: diffusers leaves its `Attention` at 1e-5, where cosmos-predict1 has 1e-6. */
const headEps = 1e-5;

export interface CosmosTransformerInputs {
  /** The scaled noisy latent [B, C, T, H, W]. */
  hiddenStates: Tensor;
  /** The noise level as the network knows it: [B], [1], or one per frame as [B, 1, T, 1, 1]. */
  timestep: Tensor;
  /** Text embeddings [B, M, E]. Left out, there is no text: the same as zeros, whose cross-attention is zero, at no cost. */
  encoderHiddenStates?: Tensor | undefined;
  /** Image embeddings [B, S, I] of models with `img_context_dim_in`. */
  imageContext?: Tensor | undefined;
  /** Which text tokens count, [B, M]: booleans, or numbers that are added to the scores. */
  attentionMask?: Tensor | undefined;
  /** Frames per second of the video; left out for images. */
  fps?: number | undefined;
  /** Ones where `hiddenStates` holds given frames, [B, 1, T, H, W]. */
  conditionMask?: Tensor | undefined;
  /** Ones where the picture is padding, [1 or B, 1, height, width] at any scale. Default: no padding. */
  paddingMask?: Tensor | undefined;
  /** Added after blocks 0, n, 2n, ... with n = `controlnet_block_every_n`; each [B, N, D]. */
  controlResiduals?: readonly Tensor[] | undefined;
  /** Computes the inside of each block again in the backward pass instead of keeping it. */
  recompute?: boolean | undefined;
}

/** Everything that is the same for all blocks. */
interface Surroundings {
  /** silu of the noise level's embedding [B, F, 1, D]. */
  condition: Tensor;
  /** [B, F, 1, 3D]. */
  shared: Tensor;
  text: Tensor;
  /** Text of zeros: cross-attention is declared but not computed. */
  textless: boolean;
  image: Tensor | undefined;
  mask: Tensor | undefined;
  /** Cosines and sines of the rotary angles, each [N, d / 2]. */
  turn: readonly [Tensor, Tensor];
  /** [1, F, N / F, D]. */
  positions: Tensor | undefined;
  config: CosmosTransformerConfig;
}

/** The network's answer [B, out_channels, T, H, W]; what it means is up to the preconditioning (`edm.ts`, `flow.ts`). */
export function cosmosTransformer(p: Scope, inputs: CosmosTransformerInputs, config: CosmosTransformerConfig): Tensor {
  check(inputs, config);
  const { hiddenStates, timestep, fps, conditionMask, paddingMask, controlResiduals = [], recompute } = inputs;
  const width = hiddenSize(config);
  const grid = gridOf(hiddenStates.shape, config);
  const b = hiddenStates.shape[0]!;
  const tokens = grid[0] * grid[1] * grid[2];
  const f = timestep.shape.length === 5 ? grid[0] : 1;
  // Tokens lie in frame order, so those of one noise level are neighbours: [B, F, N / F, D] throughout.
  const grouped = (x: Tensor): Tensor => reshape(x, [-1, f, tokens / f, width]);

  const time = embedTime(p.in("time_embed"), reshape(timestep, [-1]), width);
  const embeddings = inputs.encoderHiddenStates ?? full([b, 1, textWidth(config)], 0);
  const text = config.use_crossattn_projection ? gelu(linear(p.in("crossattn_proj").in(0), embeddings, config.encoder_hidden_states_channels)) : embeddings;
  const image = inputs.imageContext && gelu(linear(p.in("img_context_proj").in(0), inputs.imageContext, config.img_context_dim_out));
  const around: Surroundings = {
    condition: reshape(silu(time.condition), [-1, f, 1, width]),
    shared: reshape(time.shared, [-1, f, 1, 3 * width]),
    text,
    // No layer on the way has a bias, except the projection of 2.5.
    textless: !inputs.encoderHiddenStates && !config.use_crossattn_projection && !image,
    image,
    mask: inputs.attentionMask && scoreMask(inputs.attentionMask),
    turn: rotaryTables(ropeAngles(grid, fps, config), tokens),
    positions: config.extra_pos_embed_type === "learnable" ? grouped(learnedPositions(p.in("learnable_pos_embed"), grid, config)) : undefined,
    config,
  };

  let x = grouped(embedPatches(p.in("patch_embed"), hiddenStates, { condition: conditionMask, padding: paddingMask }, config));
  for (let i = 0; i < config.num_layers; i++) {
    const scope = p.in("transformer_blocks").in(i);
    x = recompute ? recomputed(scope, x, around) : block(scope, x, around);
    const every = config.controlnet_block_every_n;
    if (every && i % every === 0 && controlResiduals[i / every]) x = add(x, grouped(controlResiduals[i / every]!));
  }

  const [shift, scale] = modulation(p.in("norm_out"), around, 2) as [Tensor, Tensor];
  const y = dense(p.in("proj_out"), modulate(x, shift, scale), config.patch_size.reduce((a, n) => a * n, 1) * config.out_channels);
  return unpatch(reshape(y, [b, tokens, -1]), grid, config);
}

/** One block over x [B, F, N / F, D]. */
function block(p: Scope, x: Tensor, around: Surroundings): Tensor {
  const { positions, textless, config } = around;
  const width = hiddenSize(config);
  const wrapped = (from: Tensor, norm: string, f: (z: Tensor) => Tensor): Tensor => {
    const [shift, scale, gate] = modulation(p.in(norm), around, 3) as [Tensor, Tensor, Tensor];
    return add(from, mul(gate, f(modulate(from, shift, scale))));
  };
  let y = positions ? add(x, positions) : x;
  y = wrapped(y, "norm1", (z) => selfAttention(p.in("attn1"), z, around));
  const crossed = wrapped(y, "norm2", (z) => crossAttention(p.in("attn2"), z, around));
  if (!textless) y = crossed;
  const ff = p.in("ff").in("net");
  return wrapped(y, "norm3", (z) => dense(ff.in(2), gelu(dense(ff.in(0).in("proj"), z, Math.floor(width * config.mlp_ratio))), width));
}

/** A block whose inside is forgotten: everything it reads that needs a gradient must be handed through `checkpoint`. */
function recomputed(p: Scope, x: Tensor, around: Surroundings): Tensor {
  const names = (["condition", "shared", "text", "image", "positions"] as const).filter((name) => around[name]);
  // Declares the parameters before the region begins: what is made inside a region is computed again, and a parameter is not.
  block(p, x, around);
  return checkpoint((first, ...rest) => block(p, first!, { ...around, ...Object.fromEntries(rest.map((t, i) => [names[i]!, t])) }), x, ...names.map((name) => around[name]!));
}

/** The first `parts` of shift, scale and gate, each [B, F, 1, D]. */
function modulation(p: Scope, { condition, shared, config }: Surroundings, parts: 2 | 3): Tensor[] {
  const width = hiddenSize(config);
  // Blocks start as if the noise level went through the shared embedding only.
  const inner = dense(p.in("linear_1"), condition, config.adaln_lora_dim);
  const own = dense(p.in("linear_2"), inner, parts * width, parts === 3 ? { kind: "zeros" } : undefined);
  const all = add(own, sliceAxis(shared, -1, 0, parts * width));
  return Array.from({ length: parts }, (_, i) => sliceAxis(all, -1, i * width, (i + 1) * width));
}

const modulate = (x: Tensor, shift: Tensor, scale: Tensor): Tensor => add(mul(standardize(x, eps), add(scale, 1)), shift);

/** [B, ..., heads * d] to [B, heads, tokens, d]. */
function heads(x: Tensor, { num_attention_heads: n, attention_head_dim: d }: CosmosTransformerConfig): Tensor {
  return transpose(reshape(x, [x.shape[0]!, -1, n, d]), [0, 2, 1, 3]);
}

/** Back from [B, heads, tokens, d] to the shape `like`. */
const joined = (x: Tensor, like: Tensor): Tensor => reshape(transpose(x, [0, 2, 1, 3]), like.shape);

function selfAttention(p: Scope, x: Tensor, { turn, config }: Surroundings): Tensor {
  const width = hiddenSize(config);
  const turned = (to: string, norm: string): Tensor => rotary(rmsNorm(p.in(norm), heads(dense(p.in(to), x, width), config), { eps: headEps }), ...turn);
  const y = attention(turned("to_q", "norm_q"), turned("to_k", "norm_k"), heads(dense(p.in("to_v"), x, width), config));
  return dense(p.in("to_out").in(0), joined(y, x), width);
}

function crossAttention(p: Scope, x: Tensor, { text, image, mask, config }: Surroundings): Tensor {
  const width = hiddenSize(config);
  const project = (to: string, from: Tensor): Tensor => heads(dense(p.in(to), from, width), config);
  const norm = (name: string, y: Tensor): Tensor => rmsNorm(p.in(name), y, { eps: name.includes("img") ? eps : headEps });
  let y = attention(norm("norm_q", project("to_q", x)), norm("norm_k", project("to_k", text)), project("to_v", text), { mask });
  if (image) y = add(y, attention(norm("q_img_norm", project("q_img", x)), norm("k_img_norm", project("k_img", image)), project("v_img", image)));
  return dense(p.in("to_out").in(0), joined(y, x), width);
}

/** [B, M] as what is added to scores [B, heads, N, M]. */
function scoreMask(mask: Tensor): Tensor {
  const added = mask.dtype === "bool" ? mul(sub(where(mask, 1, 0), 1), 1e30) : mask;
  return reshape(added, [mask.shape[0]!, 1, 1, mask.shape[1]!]);
}

function check({ hiddenStates, timestep, encoderHiddenStates, imageContext, attentionMask, fps, conditionMask }: CosmosTransformerInputs, config: CosmosTransformerConfig): void {
  const wrong = (message: string): never => {
    throw new OrreryError("bad_argument", message);
  };
  const show = (t: Tensor): string => `[${t.shape.join(", ")}]`;
  const [b, c, frames] = hiddenStates.shape;
  if (hiddenStates.shape.length !== 5) wrong(`a latent is [B, C, T, H, W], not ${show(hiddenStates)}`);
  const channels = c! + (conditionMask ? 1 : 0);
  if (channels !== config.in_channels) wrong(`the latent and its condition mask have ${channels} channel(s), but this model takes ${config.in_channels}`);
  const perFrame = timestep.shape.length === 5;
  const fits = perFrame ? timestep.shape.join() === [b, 1, frames, 1, 1].join() : timestep.shape.length === 1 && (timestep.shape[0] === b || timestep.shape[0] === 1);
  if (!fits) wrong(`a timestep is [${b}] or [${b}, 1, ${frames}, 1, 1], not ${show(timestep)}`);
  if (perFrame && config.patch_size[0] !== 1) wrong(`a timestep per frame needs patches of one frame, but these are of ${config.patch_size[0]}`);
  if (encoderHiddenStates && (encoderHiddenStates.shape.length !== 3 || encoderHiddenStates.shape[2] !== textWidth(config))) wrong(`text embeddings are [B, tokens, ${textWidth(config)}], not ${show(encoderHiddenStates)}`);
  if (imageContext && !config.img_context_dim_in) wrong("this model takes no image context");
  if (imageContext && attentionMask) wrong("the reference has no attention mask beside an image context; leave one out");
  if (fps !== undefined && !(fps > 0)) wrong(`fps must be above 0, not ${fps}`);
}
