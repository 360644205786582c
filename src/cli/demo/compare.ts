/** A continuation beside what really came: frame by frame, with what the simplest guess, a standstill, would have scored. */
import { psnrOf, squaredErrors } from "../../evaluation/metrics.ts";
import { contactSheet, makeClip, sideBySide, sliceClip, type Clip, type Picture } from "../../video/index.ts";

export interface Scores {
  /** PSNR in dB of each frame, from the first that was predicted. */
  perFrame: readonly number[];
  /** Over all of them at once. */
  psnr: number;
}

export interface Comparison {
  /** Frames that were given. */
  given: number;
  continuation: Scores;
  /** The last given frame, repeated. */
  repeat: Scores;
  /** The truth once through the tokenizer: no model that works with this tokenizer's latents can be expected to do better. */
  tokenizer: Scores;
}

/** PSNR of the predicted frames. */
export function scoresOf(truth: Clip, made: Clip, given: number): Scores {
  const errors = squaredErrors(sliceClip(truth, given, truth.frameCount - 1), sliceClip(made, given, truth.frameCount - 1));
  const size = truth.width * truth.height * 3;
  return { perFrame: Array.from(errors, (sum) => psnrOf(sum / size)), psnr: psnrOf(errors.reduce((a, b) => a + b, 0) / (size * errors.length)) };
}

/** The given frames, and then the last of them for the rest. */
export function standstill(truth: Clip, given: number): Clip {
  const size = truth.width * truth.height * 3;
  const frames = truth.frames.slice();
  for (let t = given; t < truth.frameCount; t++) frames.copyWithin(t * size, (given - 1) * size, given * size);
  return { ...truth, frames };
}

export function compare(truth: Clip, made: Clip, reconstructed: Clip, given: number): Comparison {
  return { given, continuation: scoresOf(truth, made, given), repeat: scoresOf(truth, standstill(truth, given), given), tokenizer: scoresOf(truth, reconstructed, given) };
}

/** Truth, continuation and standstill next to each other; the labels say from when on they are no longer the same frames. */
export function sideBySideOf(truth: Clip, made: Clip, given: number): Clip {
  const zoom = Math.max(1, Math.round(288 / truth.width));
  const clips = [truth, made, standstill(truth, given)];
  const part = (first: number, last: number, labels: string[]): Clip => sideBySide(clips.map((clip) => sliceClip(clip, first, last)), labels, { zoom });
  const before = part(0, given - 1, ["WHAT REALLY CAME", "GIVEN", "GIVEN"]);
  const after = part(given, truth.frameCount - 1, ["WHAT REALLY CAME", "CONTINUED BY THE MODEL", "LAST FRAME REPEATED"]);
  const frames = new Uint8Array(before.frames.length + after.frames.length);
  frames.set(before.frames);
  frames.set(after.frames, before.frames.length);
  return makeClip(frames, before.width, before.height, before.fps);
}

/** All continuations as one picture: the truth above, the continuation below. */
export function sheetOf(all: readonly { name: string; truth: Clip; made: Clip; comparison: Comparison }[]): Picture {
  return contactSheet(
    all.flatMap(({ name, truth, made, comparison }) => [
      { label: `${name}: what really came`, clip: truth },
      { label: `continued from frame ${comparison.given}: ${comparison.continuation.psnr.toFixed(2)} dB, standstill ${comparison.repeat.psnr.toFixed(2)} dB`, clip: made },
    ]),
    { columns: 9 },
  );
}

/**
 * Latents as a picture: the three channels that vary most as red, green and blue, one tile for each latent frame. `data` is
 * [1, C, T, H, W].
 */
export function latentsPicture(data: ArrayLike<number>, shape: readonly number[], zoom: number): Clip {
  const [, channels, frames, height, width] = shape as [number, number, number, number, number];
  const plane = frames * height * width;
  const spread = Array.from({ length: channels }, (_, c) => {
    let [low, high, sum, squares] = [Infinity, -Infinity, 0, 0];
    for (let i = c * plane; i < (c + 1) * plane; i++) {
      const v = data[i]!;
      low = Math.min(low, v);
      high = Math.max(high, v);
      sum += v;
      squares += v * v;
    }
    return { channel: c, low, high, variance: squares / plane - (sum / plane) ** 2 };
  }).sort((a, b) => b.variance - a.variance);
  const chosen = [0, 1, 2].map((i) => spread[Math.min(i, spread.length - 1)]!);
  const [w, h] = [width * zoom, height * zoom];
  const out = new Uint8Array(frames * w * h * 3);
  for (let t = 0, at = 0; t < frames; t++)
    for (let y = 0; y < h; y++)
      for (let x = 0; x < w; x++)
        for (const { channel, low, high } of chosen) {
          const v = data[channel * plane + (t * height + Math.floor(y / zoom)) * width + Math.floor(x / zoom)]!;
          out[at++] = Math.round(((v - low) / (high - low || 1)) * 255);
        }
  return makeClip(out, w, h, 1);
}
