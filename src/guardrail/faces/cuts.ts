/**
 * Where a video cuts to another shot, coarsely: the difference between the brightness of two frames, place by place on a
 * small grid, against what the video did lately. Good enough to keep a face of one shot out of the next; the curator has
 * the careful detector.
 */
import type { Picture } from "../../video/index.ts";

const grid = 16;
/** Mean difference of brightness (0..255) that a cut has at least, and how many times the usual difference it must be. */
const least = 18;
const beyondUsual = 4;

/** Mean brightness of each field of a 16 x 16 grid, from a sparse sample of pixels. */
function fields({ pixels, width, height }: Picture): Float32Array {
  const out = new Float32Array(grid * grid);
  const samples = 4;
  for (let field = 0; field < grid * grid; field++) {
    const [row, column] = [Math.floor(field / grid), field % grid];
    for (let k = 0; k < samples * samples; k++) {
      const y = Math.min(height - 1, Math.floor(((row + (Math.floor(k / samples) + 0.5) / samples) * height) / grid));
      const x = Math.min(width - 1, Math.floor(((column + ((k % samples) + 0.5) / samples) * width) / grid));
      const at = (y * width + x) * 3;
      out[field] = out[field]! + (0.299 * pixels[at]! + 0.587 * pixels[at + 1]! + 0.114 * pixels[at + 2]!) / (samples * samples);
    }
  }
  return out;
}

/** Says of each frame in turn whether it begins another shot. */
export function cutFinder(): (picture: Picture) => boolean {
  let before: Float32Array | undefined;
  let usual = 0;
  return (picture) => {
    const now = fields(picture);
    const difference = before ? now.reduce((sum, v, i) => sum + Math.abs(v - before![i]!), 0) / now.length : 0;
    const cut = before !== undefined && difference > Math.max(least, beyondUsual * usual);
    before = now;
    usual = cut ? 0 : 0.8 * usual + 0.2 * difference;
    return cut;
  };
}
