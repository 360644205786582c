/**
 * How near a reconstructed video is to its original, computed as TokenBench (`token_bench/metrics_cli.py`) computes it, so
 * that figures printed here can stand beside published ones. Higher is better in both.
 */
import { OrreryError } from "../errors.ts";
import type { Clip } from "../video/index.ts";

/** TokenBench adds numpy's float32 epsilon to the root, so equal videos score 186.6 dB and not infinity. */
const float32Epsilon = 2 ** -23;

/** PSNR in dB of a mean squared error of bytes. */
export const psnrOf = (meanSquaredError: number): number => 20 * Math.log10(255 / (Math.sqrt(meanSquaredError) + float32Epsilon));

/** Sum of squared differences of each frame; whole numbers, and so exact. */
export function squaredErrors(original: Clip, reconstructed: Clip): Float64Array {
  checkSameShape(original, reconstructed);
  const [a, b] = [original.frames, reconstructed.frames];
  const size = a.length / original.frameCount;
  const sums = new Float64Array(original.frameCount);
  for (let t = 0, i = 0; t < sums.length; t++) {
    let squares = 0;
    for (const end = i + size; i < end; i++) squares += (a[i]! - b[i]!) ** 2;
    sums[t] = squares;
  }
  return sums;
}

/**
 * Peak signal-to-noise ratio in dB over a whole video at once (not the mean over frames):
 * `20 * log10(255 / (sqrt(mse) + 2^-23))`.
 */
export function psnr(original: Clip, reconstructed: Clip): number {
  return psnrOf(squaredErrors(original, reconstructed).reduce((sum, one) => sum + one, 0) / original.frames.length);
}

/** Mean over frames of the structural similarity, -1..1: scikit-image's `structural_similarity(channel_axis=2, data_range=255)`. */
export function ssim(original: Clip, reconstructed: Clip): number {
  const scores = ssimPerFrame(original, reconstructed);
  return scores.reduce((sum, score) => sum + score, 0) / scores.length;
}

/** The structural similarity of each frame: the mean of its three channels. */
export function ssimPerFrame(original: Clip, reconstructed: Clip): Float64Array {
  checkSameShape(original, reconstructed);
  const { width, height, frameCount } = original;
  if (Math.min(width, height) < window)
    throw new OrreryError("bad_argument", `videos of ${width} x ${height} were given; structural similarity looks at windows of ${window} x ${window} and needs at least that`);
  const size = width * height * 3;
  return Float64Array.from({ length: frameCount }, (_, t) => {
    const [a, b] = [original, reconstructed].map((clip) => clip.frames.subarray(t * size, (t + 1) * size));
    return [0, 1, 2].reduce((sum, channel) => sum + channelSsim(a!, b!, width, height, channel), 0) / 3;
  });
}

/** Sides of the windows that structural similarity looks at. */
export const smallestSsimSide = 7;
const window = smallestSsimSide;
const samples = window * window;
const c1 = (0.01 * 255) ** 2;
const c2 = (0.03 * 255) ** 2;

/**
 * One channel of `[H, W, 3]` bytes. Every window that lies wholly inside counts the same (scikit-image crops the border).
 * Five sums per window slide down the columns and then along the row; they are whole numbers and so exact.
 */
function channelSsim(a: Uint8Array, b: Uint8Array, width: number, height: number, channel: number): number {
  // Per column, over the last seven rows: sums of a, b, a², b², ab.
  const columns = new Float64Array(width * 5);
  let total = 0;
  for (let y = 0; y < height; y++) {
    addRow(columns, a, b, width, y, channel, 1);
    if (y >= window) addRow(columns, a, b, width, y - window, channel, -1);
    if (y < window - 1) continue;
    let [sa, sb, saa, sbb, sab] = [0, 0, 0, 0, 0];
    for (let x = 0; x < width; x++) {
      const enter = x * 5;
      sa += columns[enter]!;
      sb += columns[enter + 1]!;
      saa += columns[enter + 2]!;
      sbb += columns[enter + 3]!;
      sab += columns[enter + 4]!;
      if (x >= window) {
        const leave = (x - window) * 5;
        sa -= columns[leave]!;
        sb -= columns[leave + 1]!;
        saa -= columns[leave + 2]!;
        sbb -= columns[leave + 3]!;
        sab -= columns[leave + 4]!;
      }
      if (x < window - 1) continue;
      const [ma, mb] = [sa / samples, sb / samples];
      // Sample variances (divided by n - 1), as scikit-image's default.
      const va = (saa - sa * ma) / (samples - 1);
      const vb = (sbb - sb * mb) / (samples - 1);
      const vab = (sab - sa * mb) / (samples - 1);
      total += ((2 * ma * mb + c1) * (2 * vab + c2)) / ((ma * ma + mb * mb + c1) * (va + vb + c2));
    }
  }
  return total / ((width - window + 1) * (height - window + 1));
}

function addRow(columns: Float64Array, a: Uint8Array, b: Uint8Array, width: number, y: number, channel: number, sign: 1 | -1): void {
  for (let x = 0; x < width; x++) {
    const at = (y * width + x) * 3 + channel;
    const [p, q] = [a[at]!, b[at]!];
    const column = x * 5;
    columns[column]! += sign * p;
    columns[column + 1]! += sign * q;
    columns[column + 2]! += sign * p * p;
    columns[column + 3]! += sign * q * q;
    columns[column + 4]! += sign * p * q;
  }
}

function checkSameShape(a: Clip, b: Clip): void {
  const shape = (clip: Clip) => `${clip.frameCount} frames of ${clip.width} x ${clip.height}`;
  if (shape(a) !== shape(b) || a.frames.length !== b.frames.length)
    throw new OrreryError("bad_argument", `two videos of the same shape were expected; ${shape(a)} and ${shape(b)} were given`);
}
