/** Cutting pictures into overlapping tiles, and joining what was made of each by weights that fade in the overlap. */
import { allocate, size } from "../tensor/index.ts";
import { hostTensor, type HostTensor } from "../tensor/runtime/runtime.ts";

export interface Tile {
  top: number;
  left: number;
  height: number;
  width: number;
}

/** Part of a tile's side that it shares with its neighbour, at least. */
const overlap = 0.25;

/** Starts of pieces of length `piece` that cover `length`, evenly spread on multiples of `step`. */
function starts(length: number, piece: number, step: number): number[] {
  if (length <= piece) return [0];
  const count = Math.ceil((length - piece) / (piece * (1 - overlap))) + 1;
  return Array.from({ length: count }, (_, i) => Math.round(((length - piece) * i) / (count - 1) / step) * step);
}

/** Tiles over the last two axes of `shape`; one tile when the picture is no larger than `tile`. */
export function tileGrid(shape: readonly number[], tile: number, step: number): Tile[] {
  const [height, width] = shape.slice(-2) as [number, number];
  return starts(height, tile, step).flatMap((top) => starts(width, tile, step).map((left) => ({ top, left, height: Math.min(tile, height), width: Math.min(tile, width) })));
}

/** The part of `t` inside a tile. */
export function cropTile(t: HostTensor, { top, left, height, width }: Tile): HostTensor {
  const [h, w] = t.shape.slice(-2) as [number, number];
  const planes = size(t.shape) / (h * w);
  const data = allocate(t.dtype, planes * height * width);
  for (let p = 0; p < planes; p++)
    for (let y = 0; y < height; y++) {
      const from = (p * h + top + y) * w + left;
      data.set(t.data.subarray(from, from + width) as never, (p * height + y) * width);
    }
  return hostTensor(t.dtype, [...t.shape.slice(0, -2), height, width], data);
}

export interface Blend {
  /** Adds what was made of a tile; `value` is not needed afterwards. */
  add(tile: Tile, value: HostTensor): void;
  /** The whole, once every tile is in. */
  result(): HostTensor;
}

/**
 * Joins tiles into a picture of `height` x `width` as they come, so that only one is held beside the whole. "linear"
 * averages overlaps by the distance to the tile's edge; "nearest" takes the tile that is deepest there.
 */
export function startBlend({ height, width }: { height: number; width: number }, mode: "linear" | "nearest"): Blend {
  let out: HostTensor | undefined;
  const weight = new Float32Array(height * width);
  return {
    add(tile, value) {
      const before = value.shape.slice(0, -2);
      const planes = size(before);
      out ??= hostTensor(value.dtype, [...before, height, width], allocate(value.dtype, planes * height * width));
      const { data } = out;
      for (let y = 0; y < tile.height; y++)
        for (let x = 0; x < tile.width; x++) {
          const depth = Math.min(x + 1, tile.width - x) * Math.min(y + 1, tile.height - y);
          const at = (tile.top + y) * width + tile.left + x;
          const held = weight[at]!;
          if (mode === "nearest" && depth <= held) continue;
          const share = mode === "nearest" ? 1 : depth / (held + depth);
          weight[at] = mode === "nearest" ? depth : held + depth;
          for (let p = 0; p < planes; p++) {
            const to = p * height * width + at;
            const v = value.data[(p * tile.height + y) * tile.width + x]!;
            if (typeof v === "bigint") data[to] = v;
            else data[to] = share === 1 ? v : Number(data[to]) + share * (v - Number(data[to]));
          }
        }
    },
    result() {
      if (!out) throw new TypeError("no tile was added");
      return out;
    },
  };
}
