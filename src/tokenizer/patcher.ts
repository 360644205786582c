/**
 * Patches: pixels to channels at a lower resolution and back, by a Haar wavelet transform or by plain rearrangement
 * (cosmos-predict1 `tokenizer/modules/patching.py`). Either is linear and acts on blocks of patch x patch x patch pixels, so
 * all its levels are one convolution with a fixed kernel and a stride of the patch, and the inverse one 1x1 convolution and
 * a transpose: two passes over memory where the reference makes 14 convolutions per level.
 *
 * Order of channels, as in the reference. Haar: sub-band of the last level, ..., sub-band of the first level, pixel channel;
 * a sub-band's number is 4 t + 2 h + w in 3-D but 2 w + h in 2-D. Rearranged: pixel channel, t, h, w.
 *
 * Video: the first frame counts `patch` times, so that it has a patch of its own; the inverse drops the copies.
 */
import { concat, constant, conv, reshape, sliceAxis, transpose, type Tensor } from "../tensor/index.ts";

export interface Patch {
  size: number;
  method: "haar" | "rearrange";
}

type Dimensions = 2 | 3;

/** Calls `visit` for every non-zero weight: `channel` of the patch, pixel `c`, and the pixel's place in the block. */
function eachWeight({ size, method }: Patch, channels: number, dimensions: Dimensions, visit: (channel: number, c: number, t: number, h: number, w: number, sign: number) => void): void {
  const depth = dimensions === 3 ? size : 1;
  const levels = Math.log2(size);
  const bands = 2 ** dimensions;
  for (let t = 0; t < depth; t++)
    for (let h = 0; h < size; h++)
      for (let w = 0; w < size; w++)
        for (let c = 0; c < channels; c++) {
          if (method === "rearrange") visit(((c * depth + t) * size + h) * size + w, c, t, h, w, 1);
          else
            for (let band = 0; band < bands ** levels; band++) {
              // Digit l of `band` is the sub-band of level l + 1, which splits by bit l of the pixel's place.
              let flips = 0;
              for (let l = 0; l < levels; l++) {
                const s = Math.floor(band / bands ** l) % bands;
                const high = dimensions === 3 ? { t: s >> 2, h: (s >> 1) & 1, w: s & 1 } : { t: 0, h: s & 1, w: s >> 1 };
                flips += (high.t & (t >> l)) + (high.h & (h >> l) & 1) + (high.w & (w >> l) & 1);
              }
              visit(band * channels + c, c, t, h, w, flips % 2 ? -1 : 1);
            }
        }
}

/** Both directions of a patching, computed once: [patch channels, t * c, h, w] and [t * c * h * w, patch channels, 1, 1]. */
const tables = new Map<string, { forward: Tensor; inverse: Tensor }>();

function kernels(patch: Patch, channels: number, dimensions: Dimensions): { forward: Tensor; inverse: Tensor } {
  const key = `${patch.size} ${patch.method} ${channels} ${dimensions}`;
  let found = tables.get(key);
  if (!found) {
    const { size } = patch;
    const depth = dimensions === 3 ? size : 1;
    const total = channels * depth * size * size;
    const [forward, inverse] = [new Float32Array(total * total), new Float32Array(total * total)];
    // Each level halves 2^d times: the transform keeps the mean, its inverse only adds and subtracts.
    const scale = patch.method === "haar" ? 1 / (depth * size * size) : 1;
    eachWeight(patch, channels, dimensions, (channel, c, t, h, w, sign) => {
      const pixel = ((t * channels + c) * size + h) * size + w;
      forward[channel * total + pixel] = sign * scale;
      inverse[pixel * total + channel] = sign;
    });
    found = { forward: constant(forward, [total, depth * channels, size, size]), inverse: constant(inverse, [total, total, 1, 1]) };
    tables.set(key, found);
  }
  return found;
}

/** Pictures [N, C, H, W] to patches [N, C p^2, H/p, W/p]. */
export const patchImage = (x: Tensor, patch: Patch): Tensor =>
  patch.size === 1 ? x : conv(x, kernels(patch, x.shape[1]!, 2).forward, { strides: [patch.size, patch.size] });

/** The inverse of `patchImage`. */
export function unpatchImage(x: Tensor, patch: Patch): Tensor {
  const p = patch.size;
  if (p === 1) return x;
  const [n, k, h, w] = x.shape as [number, number, number, number];
  const c = k / p ** 2;
  const blocks = reshape(conv(x, kernels(patch, c, 2).inverse), [n, c, p, p, h, w]);
  return reshape(transpose(blocks, [0, 1, 4, 2, 5, 3]), [n, c, h * p, w * p]);
}

/** A video [B, C, T, H, W], T = 1 + k p, to patches with frames folded into the batch: [B (1 + k), C p^3, H/p, W/p]. */
export function patchVideo(x: Tensor, patch: Patch): Tensor {
  const p = patch.size;
  const [b, c, t, h, w] = x.shape as [number, number, number, number, number];
  const frames = transpose(x, [0, 2, 1, 3, 4]);
  if (p === 1) return reshape(frames, [b * t, c, h, w]);
  const first = sliceAxis(frames, 1, 0, 1);
  const repeated = concat([...new Array<Tensor>(p - 1).fill(first), frames], 1);
  return conv(reshape(repeated, [(b * (t + p - 1)) / p, p * c, h, w]), kernels(patch, c, 3).forward, { strides: [p, p] });
}

/** The inverse of `patchVideo`, for `batch` videos. */
export function unpatchVideo(x: Tensor, batch: number, patch: Patch): Tensor {
  const p = patch.size;
  const [n, k, h, w] = x.shape as [number, number, number, number];
  const t = n / batch;
  const c = k / p ** 3;
  if (p === 1) return transpose(reshape(x, [batch, t, c, h, w]), [0, 2, 1, 3, 4]);
  const blocks = reshape(conv(x, kernels(patch, c, 3).inverse), [batch, t, p, c, p, p, h, w]);
  const pixels = reshape(transpose(blocks, [0, 3, 1, 2, 6, 4, 7, 5]), [batch, c, t * p, h * p, w * p]);
  return sliceAxis(pixels, 2, p - 1);
}
