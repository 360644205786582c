/**
 * Where the parts of a picture went: block matching between two lumas of 192 x 108. A coarse search at half size, a fine one
 * around its result, and a parabola for the fraction of a pixel. Works on decoded pictures, so it means the same for every
 * codec (motion vectors of a decoder say how somebody's encoder saved bits).
 */
import { smallSize } from "../small.ts";

const { width, height } = smallSize;
export const blockSize = 12;
const [columns, rows] = [width / blockSize, height / blockSize];
/** Furthest displacement that is found, in pixels of the small picture. */
const coarseReach = 9;
const fineReach = 2;

export interface BlockMotion {
  /** Centre of the block from the centre of the picture, pixels. */
  x: number;
  y: number;
  /** Displacement of what the block shows, from the first picture to the second, pixels. */
  dx: number;
  dy: number;
  /** How much the block may say: 0 without texture, 1 with plenty. */
  weight: number;
}

/** Standard deviation of luma below which a block can be matched anywhere. */
const leastTexture = 3;
/** What a block of faint texture may say for standing still: asphalt under a camera that looks down. */
const faintWeight = 0.4;
/** Displacement in pixels below which a block stands still: what noise makes of one that does. */
export const stillness = 0.12;
/** Mean absolute difference that noise makes. */
const unchanged = 1.6;

/** Displacements of the blocks of `a` in `b` (luma, 192 x 108); blocks that can tell nothing are left out. */
export function matchBlocks(a: Uint8Array, b: Uint8Array): BlockMotion[] {
  const [halfA, halfB] = [halve(a), halve(b)];
  const found: BlockMotion[] = [];
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const [left, top] = [column * blockSize, row * blockSize];
      const place = { x: left + blockSize / 2 - width / 2, y: top + blockSize / 2 - height / 2 };
      const texture = deviation(a, left, top);
      const still = difference(a, b, width, height, left, top, 0, 0, blockSize, Infinity) / blockSize ** 2;
      if (texture < leastTexture) {
        if (still < unchanged && showsStillness(a, b, left, top, still)) found.push({ ...place, dx: 0, dy: 0, weight: faintWeight });
        continue;
      }
      let best = { dx: 0, dy: 0, sad: still * blockSize ** 2 };
      if (still >= unchanged) {
        const coarse = search(halfA, halfB, width / 2, height / 2, left / 2, top / 2, blockSize / 2, 0, 0, coarseReach);
        best = search(a, b, width, height, left, top, blockSize, coarse.dx * 2, coarse.dy * 2, fineReach);
        // What has vanished, or matches nowhere better than its texture's worth, went nowhere that can be known.
        if (best.sad / blockSize ** 2 > 0.75 * texture + 4) continue;
      }
      const [dx, dy] = refine(a, b, left, top, best.dx, best.dy);
      found.push({ ...place, ...(Math.hypot(dx, dy) < stillness ? { dx: 0, dy: 0 } : { dx, dy }), weight: Math.min(1, texture / 12) });
    }
  return found;
}

/** Whether a faint texture fits where it was and not beside it; a clear sky fits everywhere. */
function showsStillness(a: Uint8Array, b: Uint8Array, left: number, top: number, still: number): boolean {
  const beside = [[-3, 0], [3, 0], [0, -3], [0, 3]].map(([dx, dy]) => difference(a, b, width, height, left, top, dx!, dy!, blockSize, Infinity)).filter(Number.isFinite);
  return beside.every((sum) => sum / blockSize ** 2 > 1.25 * still + 0.1);
}

function halve(luma: Uint8Array): Uint8Array {
  const out = new Uint8Array((width / 2) * (height / 2));
  for (let y = 0; y < height / 2; y++)
    for (let x = 0; x < width / 2; x++) {
      const i = 2 * y * width + 2 * x;
      out[y * (width / 2) + x] = (luma[i]! + luma[i + 1]! + luma[i + width]! + luma[i + width + 1]! + 2) >> 2;
    }
  return out;
}

function deviation(luma: Uint8Array, left: number, top: number): number {
  let [sum, squares] = [0, 0];
  for (let y = top; y < top + blockSize; y++)
    for (let x = left; x < left + blockSize; x++) {
      const v = luma[y * width + x]!;
      sum += v;
      squares += v * v;
    }
  const n = blockSize ** 2;
  return Math.sqrt(Math.max(0, squares / n - (sum / n) ** 2));
}

/** Sum of absolute differences of a block moved by (dx, dy); Infinity outside the picture or past `limit`. */
function difference(a: Uint8Array, b: Uint8Array, w: number, h: number, left: number, top: number, dx: number, dy: number, side: number, limit: number): number {
  if (left + dx < 0 || top + dy < 0 || left + dx + side > w || top + dy + side > h) return Infinity;
  let sum = 0;
  for (let y = 0; y < side; y++) {
    const p = (top + y) * w + left;
    const q = (top + dy + y) * w + left + dx;
    for (let x = 0; x < side; x++) sum += Math.abs(a[p + x]! - b[q + x]!);
    if (sum > limit) return Infinity;
  }
  return sum;
}

/** The best displacement within `reach` of a first guess; of equal ones the shortest. */
function search(a: Uint8Array, b: Uint8Array, w: number, h: number, left: number, top: number, side: number, guessX: number, guessY: number, reach: number): { dx: number; dy: number; sad: number } {
  let best = { dx: 0, dy: 0, sad: difference(a, b, w, h, left, top, 0, 0, side, Infinity) };
  for (let ring = 0; ring <= reach; ring++)
    for (let y = -ring; y <= ring; y++)
      for (let x = -ring; x <= ring; x += Math.abs(y) === ring || ring === 0 ? 1 : 2 * ring) {
        const sad = difference(a, b, w, h, left, top, guessX + x, guessY + y, side, best.sad);
        if (sad < best.sad) best = { dx: guessX + x, dy: guessY + y, sad };
      }
  return best;
}

/** The fraction of a pixel: squared differences lie on a parabola about their minimum. */
function refine(a: Uint8Array, b: Uint8Array, left: number, top: number, dx: number, dy: number): [number, number] {
  const at = (x: number, y: number): number => squaredDifference(a, b, left, top, x, y);
  const middle = at(dx, dy);
  const shift = (low: number, high: number): number => {
    const bend = low + high - 2 * middle;
    return Number.isFinite(bend) && bend > 0 ? Math.max(-0.6, Math.min(0.6, (low - high) / (2 * bend))) : 0;
  };
  return [dx + shift(at(dx - 1, dy), at(dx + 1, dy)), dy + shift(at(dx, dy - 1), at(dx, dy + 1))];
}

function squaredDifference(a: Uint8Array, b: Uint8Array, left: number, top: number, dx: number, dy: number): number {
  if (left + dx < 0 || top + dy < 0 || left + dx + blockSize > width || top + dy + blockSize > height) return Infinity;
  let sum = 0;
  for (let y = 0; y < blockSize; y++) {
    const p = (top + y) * width + left;
    const q = (top + dy + y) * width + left + dx;
    for (let x = 0; x < blockSize; x++) sum += (a[p + x]! - b[q + x]!) ** 2;
  }
  return sum;
}
