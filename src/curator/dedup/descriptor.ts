/**
 * How a frame looks, small enough to compare any two: 16 x 9 RGB. For comparing, each channel's mean is taken off, so that
 * brightness and tint do not count. What happens in a clip is in how its frames differ from each other (`compare.ts`).
 */
import { shrinkRgb, smallSize } from "../small.ts";

export const lookSize = { width: 16, height: 9 } as const;
const factor = smallSize.width / lookSize.width;
const cells = lookSize.width * lookSize.height;
const looksPerS = 2;

export interface FrameDescriptor {
  index: number;
  timeS: number;
  /** Mean colours, 16 x 9 RGB. */
  colours: Uint8Array;
}

/** A meter for one video: takes every frame, gives two descriptors a second, on the half seconds since the first frame. */
export function descriptorMeter(): (small: Uint8Array, index: number, timeS: number) => FrameDescriptor | undefined {
  let taken = 0;
  let startS: number | undefined;
  return (small, index, timeS) => {
    startS ??= timeS;
    if (timeS < startS + taken / looksPerS - 0.005) return undefined;
    taken = Math.floor((timeS - startS + 0.005) * looksPerS) + 1;
    return { index, timeS, colours: shrinkRgb(small, smallSize.width, smallSize.height, factor) };
  };
}

/** Colours as a unit vector, each channel's mean taken off; all zeros for a picture of one colour. */
export function lookVector(colours: ArrayLike<number>): Float32Array {
  const out = new Float32Array(colours.length);
  for (let c = 0; c < 3; c++) {
    let mean = 0;
    for (let i = c; i < colours.length; i += 3) mean += colours[i]! / cells;
    for (let i = c; i < colours.length; i += 3) out[i] = colours[i]! - mean;
  }
  const norm = Math.sqrt(dot(out, out));
  return norm > 1e-6 ? out.map((v) => v / norm) : out.fill(0);
}

export function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
