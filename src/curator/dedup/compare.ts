/**
 * Whether two clips show the same footage: their frames are laid over each other at the lag and speed that fit best, and two
 * things must agree: how the frames look, and how each differs from its clip's mean, which is what happens in them. The second
 * tells two signs of one signer before one wall apart, which the first does not. Black bars are taken off and slight crops are
 * tried, since copies have them.
 */
import { dot, lookSize, lookVector, type FrameDescriptor } from "./descriptor.ts";

const { width, height } = lookSize;

/** What a clip is compared by. */
export interface Footage {
  /** About two frames a second, in order. */
  frames: readonly FrameDescriptor[];
  /** Shares of the picture under black bars. */
  bars: { top: number; bottom: number; left: number; right: number };
}

export interface Likeness {
  /** Mean cosine of how the frames look, and of what happens in them (1 where nothing does in either), -1..1. */
  look: number;
  happening: number;
  /** Frames that were laid over each other. */
  frames: number;
  /** Share of each clip's frames that the other one shows too. */
  shareOfFirst: number;
  shareOfSecond: number;
}

const speeds = [1, 0.5, 2 / 3, 0.8, 1.25, 1.5, 2];
/** Crops that are tried of the one against the other: zooms about the middle. */
const crops = [1, 1.08, 1.16];
/** Root mean square change, of 0..255, below which nothing happens. */
const nothing = 1.2;

/** A clip prepared for comparing: its frames without bars, at every crop. */
export interface Prepared {
  /** [crop][frame], mean colours as floats. */
  pictures: Float32Array[][];
}

export function prepare({ frames, bars }: Footage): Prepared {
  return { pictures: crops.map((zoom) => frames.map(({ colours }) => resample(colours, bars, zoom))) };
}

/** The part of a picture inside its bars and a crop, as 16 x 9 again. */
function resample(colours: Uint8Array, { top, bottom, left, right }: Footage["bars"], zoom: number): Float32Array {
  const out = new Float32Array(colours.length);
  const [insideWidth, insideHeight] = [width * (1 - left - right), height * (1 - top - bottom)];
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const sx = left * width + insideWidth * (0.5 + ((x + 0.5) / width - 0.5) / zoom) - 0.5;
      const sy = top * height + insideHeight * (0.5 + ((y + 0.5) / height - 0.5) / zoom) - 0.5;
      const [x0, y0] = [Math.min(width - 1, Math.max(0, Math.floor(sx))), Math.min(height - 1, Math.max(0, Math.floor(sy)))];
      const [x1, y1] = [Math.min(width - 1, x0 + 1), Math.min(height - 1, y0 + 1)];
      const [fx, fy] = [Math.min(1, Math.max(0, sx - x0)), Math.min(1, Math.max(0, sy - y0))];
      for (let c = 0; c < 3; c++) {
        const at = (i: number, j: number): number => colours[(j * width + i) * 3 + c]!;
        out[(y * width + x) * 3 + c] = (at(x0, y0) * (1 - fx) + at(x1, y0) * fx) * (1 - fy) + (at(x0, y1) * (1 - fx) + at(x1, y1) * fx) * fy;
      }
    }
  return out;
}

/** The best likeness over lags, speeds and crops; undefined for clips without frames. */
export function compare(a: Prepared, b: Prepared): Likeness | undefined {
  const pairs: [Float32Array[], Float32Array[]][] = crops.flatMap((_, k) => (k === 0 ? [[a.pictures[0]!, b.pictures[0]!]] : [[a.pictures[k]!, b.pictures[0]!], [a.pictures[0]!, b.pictures[k]!]]) as [Float32Array[], Float32Array[]][]);
  let best: Likeness | undefined;
  for (const [first, second] of pairs) {
    if (first.length === 0 || second.length === 0) return undefined;
    const looks = [first, second].map((frames) => frames.map((f) => lookVector(f))) as [Float32Array[], Float32Array[]];
    for (const speed of speeds)
      for (let lag = -(Math.ceil(first.length * speed) - 1); lag < second.length; lag++) {
        const laid = layOver(first, second, looks, lag, speed);
        if (laid && (!best || rank(laid) > rank(best))) best = laid;
      }
  }
  return best;
}

const rank = (one: Likeness): number => (one.look + one.happening) * Math.sqrt(Math.max(one.shareOfFirst, one.shareOfSecond));

function layOver(first: readonly Float32Array[], second: readonly Float32Array[], looks: [Float32Array[], Float32Array[]], lag: number, speed: number): Likeness | undefined {
  const pairs: [number, number][] = [];
  for (let i = 0; i < first.length; i++) {
    const j = Math.round(lag + speed * i);
    if (j >= 0 && j < second.length) pairs.push([i, j]);
  }
  const covered = new Set(pairs.map(([, j]) => j)).size;
  const [shareOfFirst, shareOfSecond] = [pairs.length / first.length, Math.min(1, (covered / second.length) * Math.max(1, speed))];
  // An overlap of a moment is chance.
  if (Math.max(shareOfFirst, shareOfSecond) < 0.6 || (pairs.length < 2 && Math.min(first.length, second.length) > 1)) return undefined;
  let look = 0;
  for (const [i, j] of pairs) look += likeLooks(looks[0][i]!, looks[1][j]!) / pairs.length;
  // Not worth the rest.
  if (look < 0.7) return undefined;
  return { look, happening: happening(first, second, pairs), frames: pairs.length, shareOfFirst, shareOfSecond };
}

/** Cosine; two pictures that show nothing are alike. */
function likeLooks(a: Float32Array, b: Float32Array): number {
  const cosine = dot(a, b);
  return cosine === 0 && a[0] === 0 && b[0] === 0 && a.every((v) => v === 0) && b.every((v) => v === 0) ? 1 : cosine;
}

/** Correlation of how frames differ from the mean of those laid over each other. */
function happening(first: readonly Float32Array[], second: readonly Float32Array[], pairs: readonly [number, number][]): number {
  const size = width * height * 3;
  const [meanA, meanB] = [new Float32Array(size), new Float32Array(size)];
  for (const [i, j] of pairs)
    for (let k = 0; k < size; k++) {
      meanA[k]! += first[i]![k]! / pairs.length;
      meanB[k]! += second[j]![k]! / pairs.length;
    }
  let [aa, bb, ab] = [0, 0, 0];
  for (const [i, j] of pairs)
    for (let k = 0; k < size; k++) {
      const [p, q] = [first[i]![k]! - meanA[k]!, second[j]![k]! - meanB[k]!];
      aa += p * p;
      bb += q * q;
      ab += p * q;
    }
  const count = size * pairs.length;
  const [motionA, motionB] = [Math.sqrt(aa / count), Math.sqrt(bb / count)];
  if (motionA < nothing && motionB < nothing) return 1;
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : 0;
}
