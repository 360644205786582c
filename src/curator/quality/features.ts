/**
 * What can be said of a picture's quality without a model, from its luma at full resolution: softness, blocks of a codec,
 * noise, exposure and bands. Numbers compare pictures of one resolution class; what is good enough is decided elsewhere, by
 * rank (`rank.ts`). Sources: blur, Crete et al. 2007 ("The blur effect"); noise, Immerkaer 1996; spatial information, ITU-T P.910.
 */
import type { Detail } from "../../video/index.ts";

export interface QualityFeatures {
  /** How little a further blur changes the picture: 0 sharp, 1 soft. */
  blur: number;
  /** Standard deviation of the Sobel gradient: how much there is to see. */
  detail: number;
  /** Steps at the borders of 8 x 8 blocks over steps elsewhere, less 1; 0 without blocks. */
  blockiness: number;
  /** Standard deviation of noise on flat ground, of 0..255. */
  noise: number;
  /** Mean luma, and its 5th and 95th percentile, 0..255. */
  brightness: number;
  low: number;
  high: number;
  /** Share of pixels that are black or white beyond recovery. */
  clipped: number;
  /** Share of smooth ground that lies in flat steps. */
  banding: number;
}

/** Radius of the further blur, in pixels: a window of 9, as published. */
const reblur = 4;

/** Measures one picture. Sides of at least 16. */
export function qualityOf({ luma, width, height }: Detail): QualityFeatures {
  const { brightness, low, high, clipped } = exposure(luma);
  const noise = noiseOf(luma, width, height);
  // Steps of one grey level are the quantiser's, and those of noise would make a soft picture look sharp.
  const least = 2 + 3 * noise;
  return {
    blur: Math.max(blurAlong(luma, width, height, 1, width, least), blurAlong(luma, height, width, width, 1, least)),
    detail: spatialInformation(luma, width, height),
    blockiness: blockiness(luma, width, height),
    noise,
    brightness, low, high, clipped,
    banding: banding(luma, width, height),
  };
}

/** Crete's measure along one axis over steps of at least `least`: lines of `length` pixels `step` apart, `count` lines `stride` apart. */
function blurAlong(luma: Uint8Array, length: number, count: number, step: number, stride: number, least: number): number {
  let [sharp, lost] = [0, 0];
  const blurred = new Float32Array(length);
  // Every second line: neighbours say the same.
  for (let line = 0; line < count; line += 2) {
    const start = line * stride;
    let sum = 0;
    for (let i = 0; i < Math.min(reblur, length); i++) sum += luma[start + i * step]!;
    for (let i = 0; i < length; i++) {
      if (i + reblur < length) sum += luma[start + (i + reblur) * step]!;
      if (i - reblur - 1 >= 0) sum -= luma[start + (i - reblur - 1) * step]!;
      blurred[i] = sum / (Math.min(length - 1, i + reblur) - Math.max(0, i - reblur) + 1);
    }
    for (let i = 1; i < length; i++) {
      const now = Math.abs(luma[start + i * step]! - luma[start + (i - 1) * step]!);
      if (now < least) continue;
      sharp += now;
      lost += Math.max(0, now - Math.abs(blurred[i]! - blurred[i - 1]!));
    }
  }
  return sharp > 0 ? (sharp - lost) / sharp : 1;
}

function spatialInformation(luma: Uint8Array, width: number, height: number): number {
  let [sum, squares, count] = [0, 0, 0];
  for (let y = 1; y + 1 < height; y += 2)
    for (let x = 1; x + 1 < width; x += 2) {
      const i = y * width + x;
      const [a, b, c] = [luma[i - width - 1]!, luma[i - width]!, luma[i - width + 1]!];
      const [d, e] = [luma[i - 1]!, luma[i + 1]!];
      const [f, g, h] = [luma[i + width - 1]!, luma[i + width]!, luma[i + width + 1]!];
      const gradient = Math.hypot(c + 2 * e + h - a - 2 * d - f, f + 2 * g + h - a - 2 * b - c);
      sum += gradient;
      squares += gradient * gradient;
      count++;
    }
  return count > 0 ? Math.sqrt(Math.max(0, squares / count - (sum / count) ** 2)) : 0;
}

/** Where nothing else happens: steps over a block's border against those beside it, both ways, in the smoother half. */
function blockiness(luma: Uint8Array, width: number, height: number): number {
  let [border, inside, borders, insides] = [0, 0, 0, 0];
  const look = (i: number, step: number, position: number): void => {
    const jump = Math.abs(luma[i]! - luma[i - step]!);
    // An edge of the picture is no block.
    if (jump > 24) return;
    if (position % 8 === 0) {
      border += jump;
      borders++;
    } else if (position % 8 === 4) {
      inside += jump;
      insides++;
    }
  };
  for (let y = 8; y < height - 8; y += 2) for (let x = 8; x < width - 8; x += 4) look(y * width + x, 1, x);
  for (let x = 8; x < width - 8; x += 2) for (let y = 8; y < height - 8; y += 4) look(y * width + x, width, y);
  return borders > 0 && insides > 0 ? Math.max(0, border / borders / Math.max(0.25, inside / insides) - 1) : 0;
}

/** Immerkaer's Laplacian over blocks of 16 x 16; the flattest tenth of them has noise and little else. */
function noiseOf(luma: Uint8Array, width: number, height: number): number {
  const estimates: number[] = [];
  for (let top = 0; top + 18 <= height; top += 16)
    for (let left = 0; left + 18 <= width; left += 16) {
      let [sum, mean] = [0, 0];
      for (let y = top + 1; y <= top + 16; y += 2)
        for (let x = left + 1; x <= left + 16; x += 2) {
          const i = y * width + x;
          sum += Math.abs(luma[i - width - 1]! - 2 * luma[i - width]! + luma[i - width + 1]! - 2 * luma[i - 1]! + 4 * luma[i]! - 2 * luma[i + 1]! + luma[i + width - 1]! - 2 * luma[i + width]! + luma[i + width + 1]!);
          mean += luma[i]!;
        }
      // Black and white cannot show their noise.
      if (mean / 64 > 24 && mean / 64 < 235) estimates.push((Math.sqrt(Math.PI / 2) * sum) / (6 * 64));
    }
  return estimates.length > 0 ? estimates.sort((a, b) => a - b)[Math.floor(estimates.length / 10)]! : 0;
}

function exposure(luma: Uint8Array): Pick<QualityFeatures, "brightness" | "low" | "high" | "clipped"> {
  const histogram = new Uint32Array(256);
  for (const v of luma) histogram[v]!++;
  const at = (share: number): number => {
    let sum = 0;
    for (let v = 0; v < 256; v++) if ((sum += histogram[v]!) >= share * luma.length) return v;
    return 255;
  };
  let [sum, clipped] = [0, 0];
  for (let v = 0; v < 256; v++) {
    sum += v * histogram[v]!;
    if (v <= 17 || v >= 250) clipped += histogram[v]!;
  }
  return { brightness: sum / luma.length, low: at(0.05), high: at(0.95), clipped: clipped / luma.length };
}

/** Rows of smooth ground that stand still for 8 pixels and then step by one or two: what a coarse quantiser leaves of a slope. */
function banding(luma: Uint8Array, width: number, height: number): number {
  let [smooth, bands] = [0, 0];
  for (let y = 4; y < height; y += 8)
    for (let x = 16; x + 16 < width; x += 8) {
      const i = y * width + x;
      let [least, most] = [255, 0];
      for (let k = -16; k < 16; k++) {
        const v = luma[i + k]!;
        least = Math.min(least, v);
        most = Math.max(most, v);
      }
      if (most - least > 6 || most === least) continue;
      smooth++;
      let steps = 0;
      for (let k = -15; k < 16; k++) if (luma[i + k] !== luma[i + k - 1]) steps++;
      if (steps <= 2) bands++;
    }
  return smooth > 20 ? bands / smooth : 0;
}
