/**
 * The published hallucination check of NVIDIA's Cosmos evaluator: what moves in a made video though nothing moves near it in
 * the original is hallucinated. Between neighbouring frames the difference in grey is blurred (Gaussian, 7 x 7), cut at 10
 * and opened (ellipse, 3 x 3); a moving pixel of the made video farther than 7 pixels from every moving pixel of the original
 * counts. The score is 1 - hallucinated / moving; at least 0.682 passes. Grey and blur follow OpenCV's definitions.
 */
import { OrreryError } from "../errors.ts";
import type { Clip } from "../video/index.ts";

export interface Hallucination {
  /** 0..1, 1 when nothing moves. */
  score: number;
  passes: boolean;
  /** Share of moving pixels that are hallucinated, for each pair of frames. */
  perFrame: number[];
}

export const hallucinationLimits = { threshold: 10, distance: 7, pass: 0.682 } as const;

/** Frames `from` to the end of both videos. @throws `bad_argument` when sizes differ. */
export function checkHallucination(original: Clip, made: Clip, from = 0): Hallucination {
  if (original.width !== made.width || original.height !== made.height) throw new OrreryError("bad_argument", `videos of one size were expected; ${original.width} x ${original.height} and ${made.width} x ${made.height} were given`);
  const { width, height } = original;
  const perFrame: number[] = [];
  let [moving, wrong] = [0, 0];
  for (let t = Math.max(1, from); t < Math.min(original.frameCount, made.frameCount); t++) {
    const [real, shown] = [movingPixels(original, t), movingPixels(made, t)];
    const near = squaredDistances(real, width, height);
    let [here, bad] = [0, 0];
    shown.forEach((moves, i) => {
      if (!moves) return;
      here += 1;
      if (near[i]! > hallucinationLimits.distance ** 2) bad += 1;
    });
    moving += here;
    wrong += bad;
    perFrame.push(here === 0 ? 0 : bad / here);
  }
  const score = moving === 0 ? 1 : 1 - wrong / moving;
  return { score, passes: score >= hallucinationLimits.pass, perFrame };
}

/** Where frame t differs from the one before it. */
export function movingPixels(clip: Clip, t: number): Uint8Array {
  const { width, height, frames } = clip;
  const area = width * height;
  const grey = (frame: number, i: number): number => {
    const at = (frame * area + i) * 3;
    return Math.round(0.299 * frames[at]! + 0.587 * frames[at + 1]! + 0.114 * frames[at + 2]!);
  };
  const difference = Float64Array.from({ length: area }, (_, i) => Math.abs(grey(t, i) - grey(t - 1, i)));
  const blurred = blur(difference, width, height);
  const moves = Uint8Array.from(blurred, (value) => (Math.round(value) > hallucinationLimits.threshold ? 1 : 0));
  // OpenCV's 3 x 3 ellipse is a cross. Outside the picture nothing is taken away and nothing added.
  return spread(spread(moves, width, height, 0), width, height, 1);
}

/** cv2.GaussianBlur(…, (7, 7), 0): sigma 1.4, the picture mirrored at its edges without repeating them. */
function blur(values: Float64Array, width: number, height: number): Float64Array {
  const sigma = 0.3 * ((7 - 1) * 0.5 - 1) + 0.8;
  const raw = [-3, -2, -1, 0, 1, 2, 3].map((x) => Math.exp(-(x * x) / (2 * sigma * sigma)));
  const total = raw.reduce((sum, weight) => sum + weight, 0);
  const mirror = (x: number, size: number): number => {
    if (size === 1) return 0;
    const period = 2 * (size - 1);
    const within = ((x % period) + period) % period;
    return Math.min(within, period - within);
  };
  const along = (source: Float64Array, stepX: number, stepY: number) =>
    source.map((_, i) => {
      const [x, y] = [i % width, Math.floor(i / width)];
      return raw.reduce((sum, weight, k) => sum + (weight / total) * source[mirror(y + stepY * (k - 3), height) * width + mirror(x + stepX * (k - 3), width)]!, 0);
    });
  return along(along(values, 1, 0), 0, 1);
}

/** Gives a pixel `value` where it or a neighbour above, below, left or right has it: erosion with 0, dilation with 1. */
function spread(mask: Uint8Array, width: number, height: number, value: 0 | 1): Uint8Array {
  return mask.map((own, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    const hit = own === value || (x > 0 && mask[i - 1] === value) || (x < width - 1 && mask[i + 1] === value) || (y > 0 && mask[i - width] === value) || (y < height - 1 && mask[i + width] === value);
    return hit ? value : 1 - value;
  });
}

/** Squared Euclidean distance of each pixel to the nearest set one, exactly (Felzenszwalb and Huttenlocher's lower envelope, by search). */
function squaredDistances(mask: Uint8Array, width: number, height: number): Float64Array {
  const columns = new Float64Array(mask.length);
  for (let x = 0; x < width; x++) {
    let last = -Infinity;
    for (let y = 0; y < height; y++) columns[y * width + x] = y - (last = mask[y * width + x] ? y : last);
    last = Infinity;
    for (let y = height - 1; y >= 0; y--) columns[y * width + x] = Math.min(columns[y * width + x]!, (last = mask[y * width + x] ? y : last) - y);
  }
  return columns.map((_, i) => {
    const [x, row] = [i % width, i - (i % width)];
    let best = Infinity;
    for (let other = 0; other < width; other++) best = Math.min(best, (other - x) ** 2 + columns[row + other]! ** 2);
    return best;
  });
}
