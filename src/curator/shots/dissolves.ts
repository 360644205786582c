/**
 * Dissolves: stretches in which every frame is nearly a mix of the frame before and the frame behind the stretch, in a share
 * that grows steadily. A pan is no mix, a change of light keeps the picture's structure, a cut grows in one step.
 */
import { shotSize } from "../small.ts";
import type { Transition } from "./detector.ts";
import type { ShotFeatures } from "./features.ts";

/** Lengths that are tried, in frames. */
const lengths = [6, 9, 13, 18, 25, 35, 48, 64];
/** Root mean square difference of the end frames, of 0..255, below which nothing is told. */
const leastDifference = 14;
/** Correlation of the end frames from which on they show the same thing. */
const sameScene = 0.65;
/** Share of the change that the line may leave unexplained. */
const mostResidual = 0.27;
/** Share of the new shot from which on it counts as seen. */
const visible = 0.06;
/** Share of the picture that a change of scene changes; a title that fades in or a car that leaves changes less. */
const leastArea = 0.5;
/** Deviation of luma below which an end frame shows nothing, so that the stretch is a fade from or to black. */
const flat = 6;
const leastScore = 0.1;
/** Frames between two parts of one dissolve, at most. */
const seam = 6;

const { width, height } = { width: shotSize.width / 2, height: shotSize.height / 2 };
const size = width * height;

/** Dissolves among consecutive frames that hold none of `cuts` (first frames of new shots). */
export function findDissolves(frames: readonly ShotFeatures[], cuts: readonly number[]): Transition[] {
  const pictures = frames.map(({ luma }) => halve(luma));
  const shows = frames.map(({ deviation }) => deviation >= flat);
  // How many cuts lie at or before a frame: none within a stretch when both ends have the same number.
  const cutsUpTo = new Int32Array(frames.length + 1);
  const isCut = new Set(cuts);
  for (let t = 0; t < frames.length; t++) cutsUpTo[t + 1] = cutsUpTo[t]! + (isCut.has(t) ? 1 : 0);
  const candidates: Transition[] = [];
  for (const length of lengths)
    for (let start = 0; start + length < frames.length; start += Math.max(1, length >> 3)) {
      const end = start + length;
      if (!shows[start] || !shows[end]) continue;
      if (cutsUpTo[end + 1]! - cutsUpTo[start + 1]! > 0) continue;
      const found = mixOf(pictures, start, end);
      if (found && found.score >= leastScore) candidates.push(found);
    }
  return strongest(candidates).map((one) => ({ ...one, frame: firstShown(pictures, one) }));
}

/** The first frame in which the new shot has a visible share. */
function firstShown(pictures: readonly Float32Array[], { firstFrame, lastFrame }: Transition): number {
  const [a, b] = [pictures[firstFrame - 1]!, pictures[lastFrame + 1]!];
  const delta = b.map((v, i) => v - a[i]!);
  const norm = delta.reduce((sum, d) => sum + d * d, 0);
  for (let t = firstFrame; t <= lastFrame; t++) if (shareOf(pictures[t]!, a, delta, norm).share >= visible) return t;
  return lastFrame;
}

/** How far a picture has gone from `a` along `delta` (0 to 1), and the square of its whole distance in the same unit. */
function shareOf(picture: Float32Array, a: Float32Array, delta: Float32Array, norm: number): { share: number; whole: number } {
  let along = 0;
  let whole = 0;
  for (let i = 0; i < size; i++) {
    const d = picture[i]! - a[i]!;
    along += d * delta[i]!;
    whole += d * d;
  }
  return { share: along / norm, whole: whole / norm };
}

function halve(luma: Uint8Array): Float32Array {
  const out = new Float32Array(size);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const i = 2 * y * shotSize.width + 2 * x;
      out[y * width + x] = (luma[i]! + luma[i + 1]! + luma[i + shotSize.width]! + luma[i + shotSize.width + 1]!) / 4;
    }
  return out;
}

/** Whether the frames between `start` and `end` mix these two steadily. */
function mixOf(pictures: readonly Float32Array[], start: number, end: number): Transition | undefined {
  const [a, b] = [pictures[start]!, pictures[end]!];
  const delta = new Float32Array(size);
  let norm = 0;
  let changed = 0;
  for (let i = 0; i < size; i++) {
    const d = (delta[i] = b[i]! - a[i]!);
    norm += d * d;
    if (Math.abs(d) > 8) changed++;
  }
  if (changed < leastArea * size) return undefined;
  if (Math.sqrt(norm / size) < leastDifference || correlation(a, b) > sameScene) return undefined;
  const length = end - start;
  const samples = Math.min(8, length - 1);
  let residual = 0;
  let bend = 0;
  let last = 0;
  for (let k = 1; k <= samples; k++) {
    const t = start + Math.round((k * length) / (samples + 1));
    const picture = pictures[t]!;
    const { share, whole } = shareOf(picture, a, delta, norm);
    if (share < last - 0.06 || share < -0.1 || share > 1.1) return undefined;
    last = share;
    bend = Math.max(bend, Math.abs(share - (t - start) / length));
    const left = Math.sqrt(Math.max(0, whole - share * share));
    if (left > 1.6 * mostResidual) return undefined;
    residual += left / samples;
  }
  if (residual > mostResidual || bend > 0.24) return undefined;
  return { type: "dissolve", frame: start + 1, firstFrame: start + 1, lastFrame: end - 1, score: (1 - residual / mostResidual) * (1 - bend / 0.4) * Math.min(1, length / 12) };
}

function correlation(a: Float32Array, b: Float32Array): number {
  let [sa, sb, aa, bb, ab] = [0, 0, 0, 0, 0];
  for (let i = 0; i < size; i++) {
    sa += a[i]!;
    sb += b[i]!;
    aa += a[i]! ** 2;
    bb += b[i]! ** 2;
    ab += a[i]! * b[i]!;
  }
  const spread = Math.sqrt(Math.max(0, aa - (sa * sa) / size) * Math.max(0, bb - (sb * sb) / size));
  return spread > 0 ? (ab - (sa * sb) / size) / spread : 0;
}

/**
 * The best of the candidates that overlap, and the parts of a long dissolve as one. A part of a dissolve mixes its own end
 * frames as well as the whole does, so length counts.
 */
function strongest(candidates: Transition[]): Transition[] {
  const rank = (one: Transition): number => one.score * Math.sqrt(one.lastFrame - one.firstFrame + 1);
  const kept: Transition[] = [];
  for (const one of candidates.sort((a, b) => rank(b) - rank(a) || a.frame - b.frame))
    if (!kept.some((other) => one.firstFrame <= other.lastFrame && other.firstFrame <= one.lastFrame)) kept.push(one);
  const merged: Transition[] = [];
  for (const one of kept.sort((a, b) => a.firstFrame - b.firstFrame)) {
    const last = merged.at(-1);
    if (last && one.firstFrame - last.lastFrame <= seam) Object.assign(last, { lastFrame: one.lastFrame, score: Math.max(last.score, one.score) });
    else merged.push({ ...one });
  }
  return merged;
}
