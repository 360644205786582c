/**
 * Latents as the network sees them. Given frames are standardised as in Cosmos. What is predicted is either that too, or the
 * **change**: what is to be added to the last given frame, coded as a still picture. A network that answers "no change" repeats that
 * frame exactly, so even a small one never has to learn by heart what stands still. Where nothing is given there is nothing
 * to change, and the two are the same.
 *
 * Not in Cosmos; residuals of the last frame are an old idea of video prediction (e.g. Villegas et al. 2017, "MCnet").
 */
import { restoreLatents, standardizeLatents, type LatentStatistics } from "../../tokenizer/index.ts";

export interface LatentSpace {
  sigmaData: number;
  /** Left out, latents enter as they were coded. */
  latents?: LatentStatistics | undefined;
  /** Deviation of the change, per channel; left out, no change is predicted but the latents themselves. */
  change?: { std: readonly number[] } | undefined;
}

/** What a window is given: latent frames, and the last given pixel frame coded alone, [C, H, W] (read only for a change). */
export interface GivenFrames {
  latentFrames: number;
  anchor?: Float32Array | undefined;
}

const predictsChange = ({ change }: LatentSpace, { latentFrames, anchor }: GivenFrames): boolean => change !== undefined && latentFrames > 0 && anchor !== undefined;

/** Coded latents [1, C, T, H, W] to those of the network. */
export function toNetwork(coded: Float32Array, shape: readonly number[], given: GivenFrames, space: LatentSpace): Float32Array {
  const out = space.latents ? standardizeLatents(coded, shape, space.latents, space.sigmaData) : Float32Array.from(coded);
  if (predictsChange(space, given))
    eachPredicted(shape, given, (at, from, c) => {
      out[at] = ((coded[at]! - given.anchor![from]!) / space.change!.std[c]!) * space.sigmaData;
    });
  return out;
}

/** The inverse of `toNetwork`. */
export function fromNetwork(latents: Float32Array, shape: readonly number[], given: GivenFrames, space: LatentSpace): Float32Array {
  const out = space.latents ? restoreLatents(latents, shape, space.latents, space.sigmaData) : Float32Array.from(latents);
  if (predictsChange(space, given))
    eachPredicted(shape, given, (at, from, c) => {
      out[at] = given.anchor![from]! + (latents[at]! / space.sigmaData) * space.change!.std[c]!;
    });
  return out;
}

function eachPredicted(shape: readonly number[], { latentFrames }: GivenFrames, visit: (at: number, from: number, channel: number) => void): void {
  const [, channels, frames, height, width] = shape as [number, number, number, number, number];
  const area = height * width;
  for (let c = 0; c < channels; c++)
    for (let t = latentFrames; t < frames; t++)
      for (let i = 0; i < area; i++) visit((c * frames + t) * area + i, c * area + i, c);
}

/** Root mean square of changes per channel. */
export function changeMeter(): { add(coded: Float32Array, shape: readonly number[], given: Required<GivenFrames>): void; result(): { std: number[] } } {
  let squares = new Float64Array(0);
  let count = 0;
  return {
    add(coded, shape, given) {
      if (squares.length === 0) squares = new Float64Array(shape[1]!);
      eachPredicted(shape, given, (at, from, c) => (squares[c]! += (coded[at]! - given.anchor[from]!) ** 2));
      count += (shape[2]! - given.latentFrames) * shape[3]! * shape[4]!;
    },
    // A channel that never moves would be divided by nothing.
    result: () => ({ std: [...squares].map((sum) => Math.max(1e-4, Math.sqrt(sum / Math.max(1, count)))) }),
  };
}

/**
 * Deviations between the channels' own (`whitening` 1: every channel counts alike in the loss) and one for all (0: channels
 * count by what they carry, which for a tokenizer that is nearly orthogonal is the squared error of pixels).
 */
export function tempered(std: readonly number[], whitening: number): number[] {
  const common = Math.sqrt(std.reduce((sum, s) => sum + s * s, 0) / std.length);
  return std.map((s) => common * (s / common) ** whitening);
}
