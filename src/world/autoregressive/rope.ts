/**
 * Rotary positions of the autoregressive transformer (cosmos-predict1 `autoregressive/modules/embedding.py`): 1-D over the
 * sequence as in Llama, or 3-D over the latent's frames, rows and columns, each axis with its share of the head; stretched
 * by YaRN (Peng et al. 2023) where the model was. Computed once, in single precision step by step like the reference.
 *
 * n tokens; d the width of a head; L positions.
 */
import { add, concat, constant, gather, mul, neg, reshape, rotary, sliceAxis, type Tensor } from "../../tensor/index.ts";
import { hasBov, headWidth, positionCount, type AutoregressiveConfig } from "./config.ts";

const f32 = Math.fround;

/** 1 / theta^(2i / width), stretched by YaRN from what `original` positions were: slow waves by `yarn_scale`, fast ones not. */
export function frequencies(width: number, original: number | undefined, c: AutoregressiveConfig): Float32Array {
  return Float32Array.from({ length: width / 2 }, (_, i) => {
    const frequency = f32(1 / f32(c.rope_theta ** f32((2 * i) / width)));
    if (!c.apply_yarn) return frequency;
    const high = (2 * Math.PI * c.yarn_beta_fast!) / original!;
    const low = (2 * Math.PI * c.yarn_beta_slow!) / original!;
    const fast = Math.min(1, Math.max(0, f32(f32(frequency - f32(low)) / f32(high - low))));
    return frequency * f32(f32((1 - fast) / f32(c.yarn_scale!)) + fast);
  });
}

/** The angles [L, d / 2] by which the pairs of a head turn at every position. */
export function ropeAngles(c: AutoregressiveConfig): Float64Array {
  const d = headWidth(c);
  const rows = positionCount(c);
  // Rows that nothing fills (padding, and <bov>) stay at angle zero.
  const angles = new Float64Array((rows * d) / 2);
  if (c.rope_dim === "1D") {
    const waves = frequencies(d, c.original_seq_len ?? undefined, c);
    for (let i = 0; i < c.max_seq_len; i++) waves.forEach((w, k) => (angles[(i * d) / 2 + k] = f32(i * w)));
    return angles;
  }
  const [frames, height, width] = c.video_latent_shape!;
  const spatial = Math.floor(d / 6) * 2;
  const ofSpace = frequencies(spatial, c.original_latent_shape?.[1], c);
  const ofTime = frequencies(d - 2 * spatial, c.original_latent_shape?.[0], c);
  let at = hasBov(c) ? d / 2 : 0;
  for (let t = 0; t < frames; t++)
    for (let h = 0; h < height; h++)
      for (let w = 0; w < width; w++) {
        for (const wave of ofTime) angles[at++] = f32(t * wave);
        for (const wave of ofSpace) angles[at++] = f32(h * wave);
        for (const wave of ofSpace) angles[at++] = f32(w * wave);
      }
  return angles;
}

/** Turns x [B, heads, n, d] for the positions it was made for. */
export type Turn = (x: Tensor) => Tensor;

/** The rotation at `positions`, an int64 tensor [n] or the first n positions. */
export function rope(c: AutoregressiveConfig, positions: Tensor | number): Turn {
  const rows = positionCount(c);
  const angles = ropeAngles(c);
  const table = (values: Float32Array): Tensor => {
    const width = values.length / rows;
    return typeof positions === "number" ? constant(values.slice(0, positions * width), [positions, width]) : gather(constant(values, [rows, width]), positions);
  };
  if (c.pytorch_rope_version !== "v1") {
    // YaRN's magnitude is left out here: the reference computes and does not use it.
    const [cos, sin] = [table(Float32Array.from(angles, Math.cos)), table(Float32Array.from(angles, Math.sin))];
    return (x) => rotary(x, cos, sin);
  }
  const [cos, sin] = [table(neighbours(angles, Math.cos, c)), table(neighbours(angles, Math.sin, c))];
  return (x) => add(mul(x, cos), mul(turnNeighbours(x), sin));
}

/**
 * Version 1 turns neighbours (x[2k], x[2k + 1]). In one dimension each angle stands twice in a row; in three the reference
 * repeats the whole row instead, so that neighbours turn by different angles. Trained weights know no better.
 */
function neighbours(angles: Float64Array, wave: (angle: number) => number, c: AutoregressiveConfig): Float32Array {
  const d = headWidth(c);
  const magnitude = c.apply_yarn && c.yarn_scale! > 1 ? 0.1 * Math.log(c.yarn_scale!) + 1 : 1;
  return Float32Array.from({ length: angles.length * 2 }, (_, i) => {
    const [row, k] = [Math.floor(i / d), i % d];
    const angle = angles[(row * d) / 2 + (c.rope_dim === "1D" ? Math.floor(k / 2) : k % (d / 2))]!;
    return f32(wave(angle)) * f32(magnitude);
  });
}

/** (x0, x1, x2, x3, ...) to (-x1, x0, -x3, x2, ...). */
function turnNeighbours(x: Tensor): Tensor {
  const pairs = reshape(x, [...x.shape.slice(0, -1), -1, 2]);
  return reshape(concat([neg(sliceAxis(pairs, -1, 1)), sliceAxis(pairs, -1, 0, 1)], -1), x.shape);
}
