/**
 * The small picture that every analyser sees: 192 x 108 RGB, the source's shape distorted to it, so that thresholds mean the
 * same for every source. From it come the 64 x 36 picture of the shot detector and the grey one of the motion estimate.
 */

export const smallSize = { width: 192, height: 108 } as const;
export const shotSize = { width: 64, height: 36 } as const;

/** Rec. 601 luma of RGB, 0..255. */
export function lumaOf(rgb: Uint8Array, out: Uint8Array = new Uint8Array(rgb.length / 3)): Uint8Array {
  for (let p = 0, i = 0; p < out.length; p++, i += 3) out[p] = (77 * rgb[i]! + 150 * rgb[i + 1]! + 29 * rgb[i + 2]! + 128) >> 8;
  return out;
}

/** Means of `factor` x `factor` pixels. `width` and `height` must be multiples of it. */
export function shrinkRgb(rgb: Uint8Array, width: number, height: number, factor: number): Uint8Array {
  const [w, h] = [width / factor, height / factor];
  const out = new Uint8Array(w * h * 3);
  const area = factor * factor;
  const sums = new Uint32Array(w * 3);
  for (let y = 0; y < h; y++) {
    sums.fill(0);
    for (let dy = 0; dy < factor; dy++) {
      let i = (y * factor + dy) * width * 3;
      for (let x = 0; x < w * 3; x += 3)
        for (let dx = 0; dx < factor; dx++, i += 3) {
          sums[x]! += rgb[i]!;
          sums[x + 1]! += rgb[i + 1]!;
          sums[x + 2]! += rgb[i + 2]!;
        }
    }
    for (let x = 0; x < w * 3; x++) out[y * w * 3 + x] = (sums[x]! + area / 2) / area;
  }
  return out;
}
