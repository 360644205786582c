/**
 * Scaling pictures in memory, for networks that look at them: Pillow's separable resampling (`libImaging/Resample.c`), bit
 * for bit, because preprocessing in Python is nearly always Pillow's. Enlarging interpolates; shrinking averages over
 * everything that a pixel covers, so that nothing small is stepped over. Video files are scaled by ffmpeg instead.
 */
import { OrreryError } from "../errors.ts";
import type { Picture } from "./clip.ts";

export type Filter = "bilinear" | "bicubic";

/** A part of a picture, in its pixels; need not be whole numbers. */
export interface Region {
  left: number;
  top: number;
  width: number;
  height: number;
}

const kernels: Readonly<Record<Filter, { support: number; at: (x: number) => number }>> = {
  bilinear: { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  // Keys' cubic with a = -1/2.
  bicubic: {
    support: 2,
    at: (signed) => {
      const x = Math.abs(signed);
      const a = -0.5;
      if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
    },
  },
};

interface Taps {
  /** First pixel that each output reads. */
  first: Int32Array;
  /** How many it reads. */
  count: Int32Array;
  /** `width` weights for each output, times 2^22. */
  weights: Int32Array;
  width: number;
}

const precisionBits = 22;
const one = 2 ** precisionBits;
const half = one / 2;

/** What each of `out` pixels reads of `size`, for the stretch from `start` that is `length` long. */
function taps(size: number, start: number, length: number, out: number, filter: Filter): Taps {
  const { support: reach, at } = kernels[filter];
  const scale = length / out;
  const stretch = Math.max(scale, 1);
  const support = reach * stretch;
  const width = Math.ceil(support) * 2 + 1;
  const [first, count, weights] = [new Int32Array(out), new Int32Array(out), new Int32Array(out * width)];
  const row = new Float64Array(width);
  for (let i = 0; i < out; i++) {
    const centre = start + (i + 0.5) * scale;
    const low = Math.max(0, Math.trunc(centre - support + 0.5));
    const high = Math.min(size, Math.trunc(centre + support + 0.5));
    let total = 0;
    for (let k = 0; k < high - low; k++) total += row[k] = at((k + low - centre + 0.5) / stretch);
    for (let k = 0; k < high - low; k++) {
      const weight = total === 0 ? 0 : row[k]! / total;
      weights[i * width + k] = Math.trunc(weight * one + (weight < 0 ? -0.5 : 0.5));
    }
    first[i] = low;
    count[i] = high - low;
  }
  return { first, count, weights, width };
}

/**
 * A picture, or a region of it, as one of `width` x `height`. Equal sizes copy. Beyond the picture's edge nothing is read:
 * the region must lie inside.
 * @throws `bad_argument` for a region that does not, or sizes that are not whole and positive.
 */
export function resample(picture: Picture, width: number, height: number, { filter = "bilinear", region }: { filter?: Filter; region?: Region } = {}): Picture {
  const { left, top, width: wide, height: high } = region ?? { left: 0, top: 0, width: picture.width, height: picture.height };
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0)) throw new OrreryError("bad_argument", `a picture of ${width} x ${height} was asked for; width and height must be whole numbers above 0`);
  if (!(left >= 0 && top >= 0 && wide > 0 && high > 0 && left + wide <= picture.width && top + high <= picture.height))
    throw new OrreryError("bad_argument", `the region of ${wide} x ${high} at ${left}, ${top} does not lie inside a picture of ${picture.width} x ${picture.height}`);
  const across = taps(picture.width, left, wide, width, filter);
  const down = taps(picture.height, top, high, height, filter);
  // As in Pillow, an axis that stays as it is is not filtered.
  const keepAcross = wide === width && Number.isInteger(left);
  const keepDown = high === height && Number.isInteger(top);
  const firstRow = keepDown ? top : down.first[0]!;
  const lastRow = keepDown ? top + high : down.first[height - 1]! + down.count[height - 1]!;
  const rows = keepAcross
    ? cropColumns(picture, left, width, firstRow, lastRow)
    : filterRows(picture, across, width, firstRow, lastRow);
  if (keepDown) return { pixels: rows, width, height };
  return { pixels: filterColumns(rows, down, width, height, firstRow), width, height };
}

function cropColumns({ pixels, width: stride }: Picture, left: number, width: number, firstRow: number, lastRow: number): Uint8Array {
  const out = new Uint8Array((lastRow - firstRow) * width * 3);
  for (let y = firstRow; y < lastRow; y++) out.set(pixels.subarray((y * stride + left) * 3, (y * stride + left + width) * 3), (y - firstRow) * width * 3);
  return out;
}

/** Sums of at most 255 * 2^22 and a little: within 32 bits, as in Pillow. */
const clip = (sum: number): number => {
  const value = sum >> precisionBits;
  return value < 0 ? 0 : value > 255 ? 255 : value;
};

function filterRows({ pixels, width: stride }: Picture, { first, count, weights, width: room }: Taps, width: number, firstRow: number, lastRow: number): Uint8Array {
  const out = new Uint8Array((lastRow - firstRow) * width * 3);
  for (let y = firstRow, to = 0; y < lastRow; y++)
    for (let x = 0; x < width; x++, to += 3) {
      let [r, g, b] = [half, half, half];
      let from = (y * stride + first[x]!) * 3;
      for (let k = x * room, end = k + count[x]!; k < end; k++, from += 3) {
        const weight = weights[k]!;
        r += pixels[from]! * weight;
        g += pixels[from + 1]! * weight;
        b += pixels[from + 2]! * weight;
      }
      out[to] = clip(r);
      out[to + 1] = clip(g);
      out[to + 2] = clip(b);
    }
  return out;
}

function filterColumns(rows: Uint8Array, { first, count, weights, width: room }: Taps, width: number, height: number, firstRow: number): Uint8Array {
  const stride = width * 3;
  const out = new Uint8Array(stride * height);
  const sums = new Int32Array(stride);
  for (let y = 0; y < height; y++) {
    sums.fill(half);
    for (let k = 0; k < count[y]!; k++) {
      const weight = weights[y * room + k]!;
      const from = (first[y]! + k - firstRow) * stride;
      for (let x = 0; x < stride; x++) sums[x] = sums[x]! + rows[from + x]! * weight;
    }
    for (let x = 0, to = y * stride; x < stride; x++, to++) out[to] = clip(sums[x]!);
  }
  return out;
}
