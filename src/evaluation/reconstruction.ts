/**
 * How well a video survived a round trip, summed up window by window, so that a long one need not be held in memory. The
 * figures are those of `metrics.ts` over the whole video at once.
 */
import type { Clip } from "../video/index.ts";
import { psnrOf, smallestSsimSide, squaredErrors, ssimPerFrame } from "./metrics.ts";

export interface Reconstruction {
  frames: number;
  /** dB over all frames at once. */
  psnr: number;
  /** Mean over frames; absent for pictures too small for its windows. */
  ssim?: number;
  perFrame: { frame: number; psnr: number; ssim?: number }[];
}

export interface ReconstructionMeter {
  /** Adds the next frames of both videos. @throws `bad_argument` when their shapes differ. */
  add(original: Clip, reconstructed: Clip): void;
  result(): Reconstruction;
}

export function reconstructionMeter(): ReconstructionMeter {
  const perFrame: Reconstruction["perFrame"] = [];
  let [squares, values, similarity] = [0, 0, 0];
  let small = false;
  return {
    add(original, reconstructed) {
      const errors = squaredErrors(original, reconstructed);
      small = Math.min(original.width, original.height) < smallestSsimSide;
      const similarities = small ? [] : ssimPerFrame(original, reconstructed);
      const size = original.width * original.height * 3;
      errors.forEach((error, i) => {
        squares += error;
        values += size;
        const ssim = similarities[i];
        similarity += ssim ?? 0;
        perFrame.push({ frame: perFrame.length, psnr: psnrOf(error / size), ...(ssim === undefined ? {} : { ssim }) });
      });
    },
    result: () => ({ frames: perFrame.length, psnr: psnrOf(squares / values), ...(small ? {} : { ssim: similarity / perFrame.length }), perFrame }),
  };
}
