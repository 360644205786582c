/**
 * Writes the watermark into frames. Each pixel gets pattern x amplitude on all three channels, which changes its brightness
 * and not its colour. The amplitude follows what the eye forgives: more where the picture is busy, less where it is smooth,
 * dark or white; and never more in a frame than its PSNR allows. One frame in memory, one pass over its pixels.
 */
import { OrreryError } from "../../errors.ts";
import { layoutOf, renderPattern, tileOf } from "./pattern.ts";

/**
 * How strong: named by the H.264 quality (CRF) up to which the mark is meant to be readable. `amplitude` is in grey levels
 * for a smooth grey area, `psnrDb` the least PSNR of a frame.
 */
export const strengths = {
  "crf-23": { amplitude: 1.9, psnrDb: 45 },
  "crf-28": { amplitude: 2.5, psnrDb: 43.3 },
  "crf-33": { amplitude: 3.1, psnrDb: 42.2 },
} as const;
export type Strength = keyof typeof strengths;
export const strengthNames = Object.keys(strengths) as [Strength, ...Strength[]];

export interface EmbedOptions {
  width: number;
  height: number;
  key: Uint8Array;
  /** 64 bits. */
  payload: bigint;
  /** Default "crf-33". */
  strength?: Strength;
}

export interface Embedder {
  /** Marks one frame, RGB bytes `[H, W, 3]`, in place. */
  mark(frame: Uint8Array): void;
}

const block = 8;
const mostGain = 1.35;

/** Prepares to mark frames of one size. @throws `bad_argument` for a payload that is not 64 bits, or an unknown strength. */
export function openEmbedder({ width, height, key, payload, strength = "crf-33" }: EmbedOptions): Embedder {
  if (payload < 0n || payload >= 2n ** 64n) throw new OrreryError("bad_argument", `watermark payload ${payload} was given; expected a whole number of 64 bits`);
  if (!Object.hasOwn(strengths, strength)) throw new OrreryError("bad_argument", `watermark strength "${strength}" was given; expected one of ${strengthNames.join(", ")}`);
  const { amplitude, psnrDb } = strengths[strength];
  const pattern = renderPattern(tileOf(layoutOf(key), payload), width, height);
  // Rounding to whole grey levels adds a twelfth.
  const mostPower = (255 / 10 ** (psnrDb / 20)) ** 2 - 1 / 12;
  let patternPower = 0;
  for (const value of pattern) patternPower += value * value;
  patternPower /= pattern.length;
  const [columns, rows] = [Math.ceil(width / block), Math.ceil(height / block)];
  const amplitudes = new Float32Array(columns * rows);
  const activity = new Float32Array(columns * rows);
  const row = new Float32Array(columns + 1);
  const column = Uint16Array.from({ length: width }, (_, x) => Math.max(0, Math.floor((x + 0.5) / block - 0.5)));
  const part = Float32Array.from({ length: width }, (_, x) => Math.max(0, (x + 0.5) / block - 0.5 - column[x]!));

  function measure(frame: Uint8Array): void {
    for (let by = 0; by < rows; by++) {
      for (let bx = 0; bx < columns; bx++) {
        const [right, bottom] = [Math.min(width, (bx + 1) * block), Math.min(height, (by + 1) * block)];
        let [sum, squares, count] = [0, 0, 0];
        for (let y = by * block; y < bottom; y += 2) {
          // Every second pixel of every second row, the rows shifted against each other.
          for (let x = bx * block + ((y >> 1) & 1); x < right; x += 2) {
            const at = (y * width + x) * 3;
            const luma = 77 * frame[at]! + 150 * frame[at + 1]! + 29 * frame[at + 2]!;
            sum += luma;
            squares += luma * luma;
            count += 1;
          }
        }
        const mean = count === 0 ? 0 : sum / count;
        const deviation = count === 0 ? 0 : Math.sqrt(Math.max(0, squares / count - mean * mean)) / 256;
        activity[by * columns + bx] = deviation;
        const level = mean / 256;
        // Near black and near white half as much: displays show it more, and clipping would lose it anyway.
        const light = level < 40 ? 0.5 + level / 80 : level > 225 ? 0.5 + (255 - level) / 60 : 1;
        amplitudes[by * columns + bx] = light;
      }
    }
  }

  function weigh(): void {
    let power = 0;
    for (let by = 0; by < rows; by++) {
      for (let bx = 0; bx < columns; bx++) {
        // The calmest neighbour counts most, or the mark would shine beside the edge of a busy area.
        let calm = activity[by * columns + bx]!;
        if (bx > 0) calm = Math.min(calm, activity[by * columns + bx - 1]! * 1.5 + 1);
        if (bx + 1 < columns) calm = Math.min(calm, activity[by * columns + bx + 1]! * 1.5 + 1);
        if (by > 0) calm = Math.min(calm, activity[(by - 1) * columns + bx]! * 1.5 + 1);
        if (by + 1 < rows) calm = Math.min(calm, activity[(by + 1) * columns + bx]! * 1.5 + 1);
        const value = amplitude * amplitudes[by * columns + bx]! * Math.min(2.2, 0.85 + calm / 14);
        amplitudes[by * columns + bx] = value;
        power += value * value;
      }
    }
    const mean = (power / amplitudes.length) * patternPower;
    // A smooth or dark frame would stay far above its PSNR; it may go nearer to it, or a codec leaves nothing of the mark.
    const scale = Math.min(mostGain, Math.sqrt(mostPower / (mean + 1e-9)));
    for (let i = 0; i < amplitudes.length; i++) amplitudes[i]! *= scale;
  }

  return {
    mark(frame) {
      if (frame.length !== width * height * 3) throw new OrreryError("bad_argument", `a frame of ${frame.length} bytes was given; ${width} x ${height} RGB needs ${width * height * 3}`);
      measure(frame);
      weigh();
      // Clamped bytes round and saturate by themselves.
      const out = new Uint8ClampedArray(frame.buffer, frame.byteOffset, frame.length);
      for (let y = 0, at = 0, i = 0; y < height; y++) {
        const upper = Math.max(0, (y + 0.5) / block - 0.5);
        const top = Math.min(rows - 1, Math.floor(upper));
        const down = Math.min(1, upper - top);
        const bottom = Math.min(rows - 1, top + 1);
        for (let bx = 0; bx < columns; bx++) row[bx] = amplitudes[top * columns + bx]! * (1 - down) + amplitudes[bottom * columns + bx]! * down;
        row[columns] = row[columns - 1]!;
        for (let x = 0; x < width; x++, i++, at += 3) {
          const left = column[x]!;
          const near = row[left]!;
          const change = (near + (row[left + 1]! - near) * part[x]!) * pattern[i]!;
          out[at] = frame[at]! + change;
          out[at + 1] = frame[at + 1]! + change;
          out[at + 2] = frame[at + 2]! + change;
        }
      }
    },
  };
}
