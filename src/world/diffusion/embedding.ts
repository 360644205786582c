/**
 * How the transformer learns what it looks at, where, and when: patches, positions, and the noise level. After diffusers
 * `models/transformers/transformer_cosmos.py` (`CosmosPatchEmbed`, `CosmosRotaryPosEmbed`,
 * `CosmosLearnablePositionalEmbed`, `CosmosEmbedding`).
 *
 * Letters of shapes: B videos; T, H, W latent frames, rows and columns; t, h, w the same in patches; N = t h w tokens;
 * D the width of the model; d of one head.
 */
import { OrreryError } from "../../errors.ts";
import { linear, rmsNorm, type Init, type Scope } from "../../nn/index.ts";
import { add, broadcastTo, concat, constant, cos, div, full, mean, mul, reshape, resize, silu, sin, sliceAxis, sqrt, square, transpose, type Tensor } from "../../tensor/index.ts";
import { hiddenSize, type CosmosTransformerConfig } from "../config.ts";

/** Frames, rows and columns of patches. */
export type Grid = readonly [number, number, number];

/** A linear layer without bias that starts as the reference networks' do: Glorot's uniform distribution. */
export const dense = (p: Scope, x: Tensor, out: number, init: Init = glorot(x.shape.at(-1)!, out)): Tensor => linear(p, x, out, { bias: false, init });

const glorot = (fanIn: number, fanOut: number): Init => ({ kind: "uniform", bound: Math.sqrt(6 / (fanIn + fanOut)) });

/** The patches of a latent [B, C, T, H, W]. Throws for one that does not divide or is larger than the model was made for. */
export function gridOf(latent: readonly number[], { patch_size, max_size }: CosmosTransformerConfig): Grid {
  const names = ["frames", "rows", "columns"];
  return patch_size.map((patch, axis) => {
    const length = latent[axis + 2]!;
    if (length % patch || length === 0) throw new OrreryError("bad_argument", `a latent of ${length} ${names[axis]} does not divide into patches of ${patch}`);
    if (length > max_size[axis]!) throw new OrreryError("bad_argument", `a latent of ${length} ${names[axis]} is larger than the ${max_size[axis]} that this model takes`);
    return length / patch;
  }) as unknown as Grid;
}

/**
 * Latents [B, C, T, H, W] with the mask channels, cut into patches and projected: [B, N, D]. The condition mask is
 * [B, 1, T, H, W]; the padding mask [1 or B, 1, any, any] marks what was added around the video and is brought to H x W.
 */
export function embedPatches(p: Scope, latents: Tensor, masks: { condition: Tensor | undefined; padding: Tensor | undefined }, config: CosmosTransformerConfig): Tensor {
  const [b, , frames, rows, columns] = latents.shape as [number, number, number, number, number];
  const channels = [latents];
  if (masks.condition) channels.push(masks.condition);
  if (config.concat_padding_mask) {
    // No mask means no padding: the pipelines give zeros then.
    const plane = masks.padding && resize(masks.padding, [rows, columns], "nearest");
    channels.push(plane ? broadcastTo(reshape(plane, [plane.shape[0]!, 1, 1, rows, columns]), [b, 1, frames, rows, columns]) : full([b, 1, frames, rows, columns], 0));
  }
  const x = concat(channels, 1);
  const [t, h, w] = gridOf(latents.shape, config);
  const [pt, ph, pw] = config.patch_size;
  const c = x.shape[1]!;
  const patches = transpose(reshape(x, [b, c, t, pt, h, ph, w, pw]), [0, 2, 4, 6, 1, 3, 5, 7]);
  return dense(p.in("proj"), reshape(patches, [b, t * h * w, c * pt * ph * pw]), hiddenSize(config));
}

/**
 * The projected patches [B, N, C'] put back together: [B, C, T, H, W]. Within a patch the order is rows, columns, frames,
 * channels, not the order of `embedPatches`; the reference networks are like that.
 */
export function unpatch(x: Tensor, [t, h, w]: Grid, config: CosmosTransformerConfig): Tensor {
  const [pt, ph, pw] = config.patch_size;
  const b = x.shape[0]!;
  const c = config.out_channels;
  const apart = transpose(reshape(x, [b, t, h, w, ph, pw, pt, c]), [0, 7, 1, 6, 2, 4, 3, 5]);
  return reshape(apart, [b, c, t * pt, h * ph, w * pw]);
}

const baseFps = 24;
const f32 = Math.fround;

/**
 * Angles of the three-dimensional RoPE [N, d / 2], in single precision step by step as the reference computes them. A head
 * is split into frames, rows and columns; temporal positions count 24ths of a second when `fps` is given.
 */
export function ropeAngles([t, h, w]: Grid, fps: number | undefined, { attention_head_dim: d, rope_scale }: CosmosTransformerConfig): Float64Array {
  const dh = Math.floor(d / 6) * 2;
  const widths = [d - 2 * dh, dh, dh];
  const frequencies = widths.map((width, axis) => {
    const theta = 10000 * rope_scale[axis]! ** (width / (width - 2));
    return Float32Array.from({ length: width / 2 }, (_, i) => 1 / f32(theta ** f32((2 * i) / width)));
  }) as [Float32Array, Float32Array, Float32Array];
  const angles = new Float64Array((t * h * w * d) / 2);
  let at = 0;
  for (let i = 0; i < t; i++)
    for (let j = 0; j < h; j++)
      for (let k = 0; k < w; k++) {
        const time = fps === undefined ? i : f32(f32(i / fps) * baseFps);
        [time, j, k].forEach((position, axis) => {
          for (const frequency of frequencies[axis]!) angles[at++] = f32(position * frequency);
        });
      }
  return angles;
}

/**
 * The learned positions of Cosmos 1.0, [N, D]: one table per axis, summed and brought to a root mean square of one. They
 * are the same for every block, which adds them to its input.
 */
export function learnedPositions(p: Scope, grid: Grid, config: CosmosTransformerConfig): Tensor {
  const width = hiddenSize(config);
  const tables = (["pos_emb_t", "pos_emb_h", "pos_emb_w"] as const).map((name, axis) => {
    const table = p.param(name, [Math.floor(config.max_size[axis]! / config.patch_size[axis]!), width], { kind: "normal", std: 0.02, truncate: 2 });
    return reshape(sliceAxis(table, 0, 0, grid[axis]), [...grid.map((n, i) => (i === axis ? n : 1)), width]);
  }) as [Tensor, Tensor, Tensor];
  const sum = reshape(add(add(tables[0], tables[1]), tables[2]), [grid[0] * grid[1] * grid[2], width]);
  // The 1e-30 gives tables of zeros (a fresh diffusers model) the gradient 0 instead of 0 / 0.
  return div(sum, add(sqrt(add(mean(square(sum), -1, true), 1e-30)), 1e-6));
}

/** A noise level per row, [R], as cosines and sines of 1 to 1/10000 of it: [R, D]. */
export function sinusoids(timestep: Tensor, width: number): Tensor {
  const half = width / 2;
  const frequencies = Float32Array.from({ length: half }, (_, i) => Math.exp(f32(f32(-Math.log(10000) * i) / half)));
  const angles = mul(reshape(timestep, [-1, 1]), constant(frequencies, [1, half]));
  return concat([cos(angles), sin(angles)], -1);
}

/**
 * The two forms of the noise level that modulate every block: `condition` [R, D], which goes through each block's own
 * bottleneck, and `shared` [R, 3D], which is added to the shift, scale and gate that come out.
 */
export function embedTime(p: Scope, timestep: Tensor, width: number): { condition: Tensor; shared: Tensor } {
  const waves = sinusoids(timestep, width);
  const start: Init = { kind: "normal", std: 0.02 };
  const inner = silu(dense(p.in("t_embedder").in("linear_1"), waves, width, start));
  return { condition: rmsNorm(p.in("norm"), waves), shared: dense(p.in("t_embedder").in("linear_2"), inner, 3 * width, start) };
}
