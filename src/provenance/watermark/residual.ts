/**
 * What a detector looks at: the sum, over frames, of what is left of the brightness when the picture itself has been taken
 * away. Each frame's local mean is subtracted, the rest divided by its local strength (a busy place says little) and
 * limited. The mark is the same on every frame and adds up; the picture moves and does not. Memory: a few frames' worth.
 */
import { OrreryError } from "../../errors.ts";

export interface Residual {
  width: number;
  height: number;
  frameCount: number;
  /** `[H, W]`. */
  sum: Float32Array;
}

export interface ResidualMeter {
  /** Adds one frame, RGB bytes `[H, W, 3]`. */
  add(frame: Uint8Array): void;
  result(): Residual;
}

/** Pixels on each side over which the local mean is taken: between one and two chips, which are 4 to 8 pixels here. */
const meanRadius = 8;
const strengthRadius = 5;
const limit = 1.5;

export function residualMeter(width: number, height: number): ResidualMeter {
  const area = width * height;
  const sum = new Float32Array(area);
  const [luma, smooth, strength, scratch] = [new Float32Array(area), new Float32Array(area), new Float32Array(area), new Float32Array(area)];
  let frameCount = 0;
  return {
    add(frame) {
      if (frame.length !== area * 3) throw new OrreryError("bad_argument", `a frame of ${frame.length} bytes was given; ${width} x ${height} RGB needs ${area * 3}`);
      for (let i = 0, at = 0; i < area; i++, at += 3) luma[i] = 0.299 * frame[at]! + 0.587 * frame[at + 1]! + 0.114 * frame[at + 2]!;
      boxMean(luma, smooth, scratch, width, height, meanRadius);
      for (let i = 0; i < area; i++) {
        luma[i]! -= smooth[i]!;
        smooth[i] = Math.abs(luma[i]!);
      }
      boxMean(smooth, strength, scratch, width, height, strengthRadius);
      for (let i = 0; i < area; i++) {
        const value = luma[i]! / (strength[i]! + 1);
        sum[i]! += value > limit ? limit : value < -limit ? -limit : value;
      }
      frameCount += 1;
    },
    result: () => ({ width, height, frameCount, sum }),
  };
}

/** Mean over a square of `2 radius + 1` pixels, cut at the borders: two passes of running sums. */
export function boxMean(from: Float32Array, to: Float32Array, scratch: Float32Array, width: number, height: number, radius: number): void {
  for (let y = 0; y < height; y++) {
    const start = y * width;
    let [total, count] = [0, 0];
    for (let x = 0; x < Math.min(radius, width); x++, count++) total += from[start + x]!;
    for (let x = 0; x < width; x++) {
      if (x + radius < width) {
        total += from[start + x + radius]!;
        count += 1;
      }
      if (x > radius) {
        total -= from[start + x - radius - 1]!;
        count -= 1;
      }
      scratch[start + x] = total / count;
    }
  }
  const totals = new Float64Array(width);
  let count = 0;
  for (let y = 0; y < Math.min(radius, height); y++, count++) for (let x = 0; x < width; x++) totals[x]! += scratch[y * width + x]!;
  for (let y = 0; y < height; y++) {
    if (y + radius < height) {
      for (let x = 0, at = (y + radius) * width; x < width; x++, at++) totals[x]! += scratch[at]!;
      count += 1;
    }
    if (y > radius) {
      for (let x = 0, at = (y - radius - 1) * width; x < width; x++, at++) totals[x]! -= scratch[at]!;
      count -= 1;
    }
    for (let x = 0, at = y * width; x < width; x++, at++) to[at] = totals[x]! / count;
  }
}
