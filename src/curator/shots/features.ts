/**
 * What the shot detector knows of each frame, measured at 64 x 36: how far it is from the frame before (in hue, saturation
 * and value, as PySceneDetect's ContentDetector measures it, and in its histogram), how bright and how flat it is, and its
 * luma, for the closer look that candidates get.
 */
import { lumaOf, shotSize, shrinkRgb, smallSize } from "../small.ts";

export interface ShotFeatures {
  /** Mean absolute difference to the frame before over hue, saturation and value, 0..255; 0 for the first frame. */
  content: number;
  /** Half the L1 distance of the 64-bin luma histograms to the frame before, 0..1. */
  histogram: number;
  /** Mean and standard deviation of luma, 0..255. */
  mean: number;
  deviation: number;
  /** Luma, 64 x 36. */
  luma: Uint8Array;
}

const pixels = shotSize.width * shotSize.height;
const bins = 64;

/** A measurer that remembers the frame before. Frames are 192 x 108 RGB, in decode order. */
export function shotMeter(): (small: Uint8Array) => ShotFeatures {
  let before: { hsv: Uint8Array; histogram: Float64Array } | undefined;
  return (small) => {
    const rgb = shrinkRgb(small, smallSize.width, smallSize.height, smallSize.width / shotSize.width);
    const luma = lumaOf(rgb);
    const hsv = toHsv(rgb);
    const histogram = new Float64Array(bins);
    let sum = 0;
    let squares = 0;
    for (const v of luma) {
      sum += v;
      squares += v * v;
      histogram[v >> 2]! += 1 / pixels;
    }
    const mean = sum / pixels;
    const deviation = Math.sqrt(Math.max(0, squares / pixels - mean * mean));
    const content = before ? hsvDistance(before.hsv, hsv) : 0;
    const distance = before ? histogramDistance(before.histogram, histogram) : 0;
    before = { hsv, histogram };
    return { content, histogram: distance, mean, deviation, luma };
  };
}

/** Hue, saturation and value in OpenCV's 8-bit ranges: hue 0..179, the others 0..255. */
function toHsv(rgb: Uint8Array): Uint8Array {
  const out = new Uint8Array(rgb.length);
  for (let i = 0; i < rgb.length; i += 3) {
    const [r, g, b] = [rgb[i]!, rgb[i + 1]!, rgb[i + 2]!];
    const value = Math.max(r, g, b);
    const chroma = value - Math.min(r, g, b);
    let hue = 0;
    if (chroma > 0) {
      hue = value === r ? (g - b) / chroma : value === g ? 2 + (b - r) / chroma : 4 + (r - g) / chroma;
      hue = (hue < 0 ? hue + 6 : hue) * 30;
    }
    out[i] = hue;
    out[i + 1] = value === 0 ? 0 : (255 * chroma) / value;
    out[i + 2] = value;
  }
  return out;
}

/**
 * Hue is a circle, and means nothing where there is no colour: its difference counts by the smaller saturation. (PySceneDetect
 * takes it as a line, at full weight; grey footage then flickers.)
 */
function hsvDistance(a: Uint8Array, b: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i += 3) {
    const hue = Math.abs(a[i]! - b[i]!);
    sum += (Math.min(hue, 180 - hue) * Math.min(a[i + 1]!, b[i + 1]!)) / 128 + Math.abs(a[i + 1]! - b[i + 1]!) * Math.min(1, Math.max(a[i + 2]!, b[i + 2]!) / 64) + Math.abs(a[i + 2]! - b[i + 2]!);
  }
  return sum / a.length;
}

function histogramDistance(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < bins; k++) sum += Math.abs(a[k]! - b[k]!);
  return sum / 2;
}

/** Mean absolute difference of two lumas, 0..255. */
export function lumaDistance(a: Uint8Array, b: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i]! - b[i]!);
  return sum / a.length;
}

/** Share of pixels whose luma differs by more than `step`. */
export function changedShare(a: Uint8Array, b: Uint8Array, step: number): number {
  let changed = 0;
  for (let i = 0; i < a.length; i++) if (Math.abs(a[i]! - b[i]!) > step) changed++;
  return changed / a.length;
}

/** Scales and shifts (pixels) that a jump of camera, lens or exposure within one scene may have. */
const zooms = [0.77, 0.88, 1, 1.14, 1.3];
const shifts = 8;

/**
 * The largest correlation of two lumas, -1..1, over shifts and zooms: near 1 where both show one scene, however its light has
 * changed and the camera moved. Every second pixel is looked at.
 */
export function sceneCorrelation(a: Uint8Array, b: Uint8Array): number {
  const { width, height } = shotSize;
  let best = -1;
  for (const zoom of zooms)
    for (let dy = -shifts; dy <= shifts; dy++)
      for (let dx = -shifts; dx <= shifts; dx++) {
        let [n, sa, sb, aa, bb, ab] = [0, 0, 0, 0, 0, 0];
        for (let y = 1; y < height; y += 2) {
          const row = Math.round((y - height / 2) * zoom + height / 2 + dy);
          if (row < 0 || row >= height) continue;
          for (let x = 1; x < width; x += 2) {
            const column = Math.round((x - width / 2) * zoom + width / 2 + dx);
            if (column < 0 || column >= width) continue;
            const [p, q] = [a[y * width + x]!, b[row * width + column]!];
            n++;
            sa += p;
            sb += q;
            aa += p * p;
            bb += q * q;
            ab += p * q;
          }
        }
        // A small overlap correlates by chance.
        if (n < a.length / 8) continue;
        const spread = (aa - (sa * sa) / n) * (bb - (sb * sb) / n);
        if (spread > 0) best = Math.max(best, (ab - (sa * sb) / n) / Math.sqrt(spread));
      }
  return best;
}
