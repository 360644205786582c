/**
 * Latents brought to the mean and deviation that a diffusion model is trained on, and back. Statistics are per channel and
 * latent frame, channel by channel, as in `latents_mean` of `AutoencoderKLCosmos`; a list of one per channel serves all
 * frames, and frames past the end of a list use its last.
 */
import { OrreryError } from "../errors.ts";
import type { TokenizerConfig } from "./config.ts";

export interface LatentStatistics {
  mean: readonly number[];
  std: readonly number[];
}

/** The statistics that a tokenizer's configuration carries, if any. */
export function statisticsOf(config: TokenizerConfig): LatentStatistics | undefined {
  if (config["_class_name"] !== "AutoencoderKLCosmos" || !config.latents_mean || !config.latents_std) return undefined;
  return { mean: config.latents_mean, std: config.latents_std };
}

function each(data: Float32Array, shape: readonly number[], { mean, std }: LatentStatistics, f: (value: number, mean: number, std: number) => number): Float32Array {
  const [b, c, t, h, w] = shape as [number, number, number, number, number];
  if (shape.length !== 5 || data.length !== b * c * t * h * w) throw new OrreryError("bad_argument", `latents [B, C, T, H, W] were expected, not ${data.length} values as [${shape.join(", ")}]`);
  const frames = mean.length / c;
  if (!Number.isInteger(frames) || frames < 1 || std.length !== mean.length) throw new OrreryError("bad_config", `${mean.length} means and ${std.length} deviations do not fit latents of ${c} channels`);
  const out = new Float32Array(data.length);
  const area = h * w;
  for (let row = 0; row < b * c * t; row++) {
    const at = (Math.floor(row / t) % c) * frames + Math.min(row % t, frames - 1);
    for (let i = row * area; i < (row + 1) * area; i++) out[i] = f(data[i]!, mean[at]!, std[at]!);
  }
  return out;
}

/** (latent - mean) / std * sigmaData. */
export const standardizeLatents = (data: Float32Array, shape: readonly number[], statistics: LatentStatistics, sigmaData = 1): Float32Array =>
  each(data, shape, statistics, (v, mean, std) => ((v - mean) / std) * sigmaData);

/** The inverse of `standardizeLatents`. */
export const restoreLatents = (data: Float32Array, shape: readonly number[], statistics: LatentStatistics, sigmaData = 1): Float32Array =>
  each(data, shape, statistics, (v, mean, std) => (v / sigmaData) * std + mean);

/** Adds up latents [B, C, T, H, W] of one shape and gives their statistics, per channel and latent frame. */
export function latentMeter(): { add(data: ArrayLike<number>, shape: readonly number[]): void; result(): { mean: number[]; std: number[] } } {
  let [sums, squares] = [new Float64Array(0), new Float64Array(0)];
  let count = 0;
  return {
    add(data, shape) {
      const [b, c, t, h, w] = shape as [number, number, number, number, number];
      if (sums.length === 0) [sums, squares] = [new Float64Array(c * t), new Float64Array(c * t)];
      for (let row = 0; row < b * c * t; row++) {
        const at = row % (c * t);
        for (let i = row * h * w; i < (row + 1) * h * w; i++) {
          sums[at]! += data[i]!;
          squares[at]! += data[i]! ** 2;
        }
      }
      count += b * h * w;
    },
    result() {
      const mean = [...sums].map((s) => s / count);
      // A channel that never moves would be divided by nothing.
      return { mean, std: mean.map((m, i) => Math.max(1e-4, Math.sqrt(Math.max(0, squares[i]! / count - m * m)))) };
    },
  };
}
