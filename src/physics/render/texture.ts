/** Floors and walls: quiet patterns in one colour, from hashed grids, the same on every machine. */
import { mix, scale } from "../../video/vector.ts";
import { albedo } from "../palette.ts";
import type { Pattern, Room, Surface } from "../scene.ts";

/** Adds nothing of its own to memory: writes the colour at (u, v) into `into`. */
export type Texture = (u: number, v: number, into: Float64Array) => void;

export const floorTexture = (room: Room): Texture => texture(room.floor, room.textureSeed, 0.5);

/** A wall gets lighter towards the top whatever its pattern. */
export function wallTexture(room: Room): Texture {
  const paint = texture(room.wall, room.textureSeed + 17, 0.7);
  return (u, v, into) => {
    paint(u, v, into);
    const brighter = 0.86 + 0.07 * Math.min(4, Math.max(0, v));
    for (let c = 0; c < 3; c++) into[c]! *= brighter;
  };
}

function texture({ colour, pattern }: Surface, seed: number, size: number): Texture {
  const base = albedo(colour);
  const [dark, light] = [scale(base, 0.78), mix(base, [0.85, 0.85, 0.85], 0.16)];
  const cells = paintings[pattern];
  return (u, v, into) => {
    // Far from zero, so that the grids need not care about negative numbers; not symmetric about the middle.
    const tone = cells((u + 40.3) / size, (v + 40.1) / size, seed);
    const [from, to, part] = tone < 0.5 ? [dark, base, tone * 2] : [base, light, tone * 2 - 1];
    for (let c = 0; c < 3; c++) into[c] = from[c]! + (to[c]! - from[c]!) * part;
  };
}

/** Each gives a tone in 0 dark .. 0.5 the colour itself .. 1 light. */
const paintings: Record<Pattern, (u: number, v: number, seed: number) => number> = {
  plain: (u, v, seed) => 0.46 + 0.08 * noise(u * 2, v * 2, seed),
  checker: (u, v) => ((Math.floor(u) + Math.floor(v)) % 2 === 0 ? 0.28 : 0.72),
  tiles(u, v, seed) {
    const [x, y] = [u - Math.floor(u), v - Math.floor(v)];
    if (Math.min(x, y, 1 - x, 1 - y) < 0.05) return 0.1;
    return 0.42 + 0.22 * hash(Math.floor(u), Math.floor(v), seed);
  },
  planks(u, v, seed) {
    const board = Math.floor(u * 1.4);
    const across = u * 1.4 - board;
    const along = v / 3 + hash(board, 5, seed);
    const joint = across < 0.07 || along - Math.floor(along) < 0.025;
    return joint ? 0.1 : 0.3 + 0.35 * hash(board, Math.floor(along), seed) + 0.12 * noise(u * 9, v, seed);
  },
  speckle: (u, v, seed) => 0.5 + 0.5 * (noise(u * 5, v * 5, seed) - 0.5) + 0.3 * (noise(u * 1.3, v * 1.3, seed + 3) - 0.5),
  stripes(u) {
    const x = u - Math.floor(u);
    return 0.4 + 0.2 * smoothstep(0.5 + 8 * (Math.abs(x - 0.5) - 0.25));
  },
  gradient: (_u, v) => Math.min(1, Math.max(0, 0.2 + 0.15 * (v - 57))),
};

const smoothstep = (x: number) => {
  const t = Math.min(1, Math.max(0, x));
  return t * t * (3 - 2 * t);
};

/** A number in 0..1 for a grid point. */
function hash(x: number, y: number, seed: number): number {
  let mixed = Math.imul(x, 0x27d4eb2d) ^ Math.imul(y, 0x165667b1) ^ Math.imul(seed, 0x9e3779b1);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
}

/** Smooth noise in 0..1: hashed grid points, eased between. */
function noise(x: number, y: number, seed: number): number {
  const left = Math.floor(x);
  const top = Math.floor(y);
  const u = smoothstep(x - left);
  const v = smoothstep(y - top);
  const above = hash(left, top, seed) * (1 - u) + hash(left + 1, top, seed) * u;
  const below = hash(left, top + 1, seed) * (1 - u) + hash(left + 1, top + 1, seed) * u;
  return above * (1 - v) + below * v;
}
