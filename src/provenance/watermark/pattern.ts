/**
 * What is laid over a picture: a tile of 27 x 27 chips of +1 or -1, repeated over the whole frame, the same on every frame
 * (spread spectrum, Cox et al. 1997; tiling for cropped pictures, Kutter 1998). 217 chips are the same for every video of one
 * key: by them the detector finds size, place and mirroring of the tile. The other 512 carry the coded payload. Which chips
 * are which, and all signs, follow from the key, so that nobody without it can read, forge or aim at the mark.
 *
 * A chip is a bilinear bump of `chipSize` pixels: large ones survive a codec better, small ones are more. So a large frame
 * has 90 of them in its height, a smaller one as few as 60, and none is smaller than 4 pixels, which a codec would remove.
 */
import { hkdfSync } from "node:crypto";
import { codeLength, encodePayload } from "./code.ts";

/** Chips along a side of the tile. */
export const tileChips = 27;
const chips = tileChips * tileChips;
export const syncChips = chips - codeLength;

export interface Layout {
  /** Where in the tile the known chips are, and their signs. */
  syncAt: Int32Array;
  syncSign: Int8Array;
  /** Where code bit `i` is, and the sign that hides it. */
  dataAt: Int32Array;
  dataSign: Int8Array;
}

/** The layout that belongs to a key. The same key always gives the same one. */
export function layoutOf(key: Uint8Array): Layout {
  const stream = new DataView(hkdfSync("sha256", key, "orrery", "watermark 1", chips * 5));
  const order = Int32Array.from({ length: chips }, (_, i) => i);
  for (let i = chips - 1; i > 0; i--) {
    const j = stream.getUint32(i * 4) % (i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  const sign = Int8Array.from({ length: chips }, (_, i) => (stream.getUint8(chips * 4 + i) & 1) * 2 - 1);
  return { syncAt: order.slice(0, syncChips), syncSign: sign.slice(0, syncChips), dataAt: order.slice(syncChips), dataSign: sign.slice(syncChips) };
}

/** The tile of a payload, chips in rows. */
export function tileOf(layout: Layout, payload: bigint): Int8Array {
  const tile = new Int8Array(chips);
  layout.syncAt.forEach((at, i) => (tile[at] = layout.syncSign[i]!));
  const code = encodePayload(payload);
  layout.dataAt.forEach((at, i) => (tile[at] = layout.dataSign[i]! * (1 - 2 * code[i]!)));
  return tile;
}

/** Pixels of a chip in a frame of this size. */
export function chipSize(width: number, height: number): number {
  const lines = Math.min(width, height);
  return Math.max(4, Math.min(8, lines / 60), lines / 90);
}

/** The tile over a whole frame, `[H, W]`, -1..1. The centre of chip (0, 0) is half a chip from the frame's corner. */
export function renderPattern(tile: Int8Array, width: number, height: number, chip = chipSize(width, height)): Float32Array {
  const [columns, rows] = [steps(width, chip), steps(height, chip)];
  const pattern = new Float32Array(width * height);
  const row = new Float32Array(tileChips);
  for (let y = 0; y < height; y++) {
    const [top, bottom, down] = [rows.first[y]! * tileChips, rows.second[y]! * tileChips, rows.part[y]!];
    for (let i = 0; i < tileChips; i++) row[i] = tile[top + i]! * (1 - down) + tile[bottom + i]! * down;
    for (let x = 0; x < width; x++) {
      const right = columns.part[x]!;
      pattern[y * width + x] = row[columns.first[x]!]! * (1 - right) + row[columns.second[x]!]! * right;
    }
  }
  return pattern;
}

/** For each pixel: the chips on both sides of it, and how far it is from the first to the second. */
function steps(length: number, chip: number): { first: Uint8Array; second: Uint8Array; part: Float32Array } {
  const [first, second, part] = [new Uint8Array(length), new Uint8Array(length), new Float32Array(length)];
  for (let i = 0; i < length; i++) {
    const at = (i + 0.5) / chip - 0.5;
    const before = Math.floor(at);
    first[i] = (before + tileChips) % tileChips;
    second[i] = (before + 1) % tileChips;
    part[i] = at - before;
  }
  return { first, second, part };
}
