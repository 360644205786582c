/** Footage with known answers for the curator's tests: textured scenes of 192 x 108 that pan, dissolve, flash and so on. */
import { RandomState } from "../tensor/random.ts";
import { smallSize } from "./small.ts";

const { width, height } = smallSize;
const [worldWidth, worldHeight] = [480, 300];

export type SmallFrame = Uint8Array;

/** A picture larger than the frame: smooth noise in three octaves, in colours of its own. */
export function scene(seed: number, contrast = 1): Float32Array {
  const random = new RandomState(seed);
  const out = new Float32Array(worldWidth * worldHeight * 3);
  const base = [0, 1, 2].map(() => 60 + 130 * random.random());
  for (const cell of [48, 16, 5]) {
    const [columns, rows] = [Math.ceil(worldWidth / cell) + 2, Math.ceil(worldHeight / cell) + 2];
    const grid = Float32Array.from({ length: columns * rows * 3 }, () => random.random() - 0.5);
    for (let y = 0; y < worldHeight; y++)
      for (let x = 0; x < worldWidth; x++) {
        const [gx, gy] = [Math.floor(x / cell), Math.floor(y / cell)];
        const [fx, fy] = [x / cell - gx, y / cell - gy];
        for (let c = 0; c < 3; c++) {
          const at = (i: number, j: number): number => grid[((gy + j) * columns + gx + i) * 3 + c]!;
          const mixed = (at(0, 0) * (1 - fx) + at(1, 0) * fx) * (1 - fy) + (at(0, 1) * (1 - fx) + at(1, 1) * fx) * fy;
          out[(y * worldWidth + x) * 3 + c]! += 130 * contrast * (cell / 48) ** 0.4 * mixed;
        }
      }
  }
  for (let i = 0; i < out.length; i++) out[i]! += base[i % 3]!;
  return out;
}

export interface View {
  /** Centre in the scene, pixels; default its middle. */
  x?: number;
  y?: number;
  zoom?: number;
  /** Radians. */
  roll?: number;
}

/** What a camera sees of a scene. */
export function view(world: Float32Array, { x = worldWidth / 2, y = worldHeight / 2, zoom = 1, roll = 0 }: View = {}): SmallFrame {
  const out = new Uint8Array(width * height * 3);
  const [cos, sin] = [Math.cos(roll) / zoom, Math.sin(roll) / zoom];
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++) {
      const [dx, dy] = [column - width / 2, row - height / 2];
      const sx = Math.min(worldWidth - 2, Math.max(0, x + cos * dx - sin * dy));
      const sy = Math.min(worldHeight - 2, Math.max(0, y + sin * dx + cos * dy));
      const [ix, iy] = [Math.floor(sx), Math.floor(sy)];
      const [fx, fy] = [sx - ix, sy - iy];
      for (let c = 0; c < 3; c++) {
        const at = (i: number, j: number): number => world[((iy + j) * worldWidth + ix + i) * 3 + c]!;
        const value = (at(0, 0) * (1 - fx) + at(1, 0) * fx) * (1 - fy) + (at(0, 1) * (1 - fx) + at(1, 1) * fx) * fy;
        out[(row * width + column) * 3 + c] = Math.min(255, Math.max(0, value));
      }
    }
  return out;
}

export const mix = (a: SmallFrame, b: SmallFrame, share: number): SmallFrame => a.map((v, i) => v * (1 - share) + b[i]! * share);
export const dark = (share: number, a: SmallFrame): SmallFrame => a.map((v) => v * share);

/** `count` frames of a scene under a camera that `at` places, with a little sensor noise. */
export function take(world: Float32Array, count: number, at: (t: number) => View = () => ({}), noise = 2, seed = 1): SmallFrame[] {
  const random = new RandomState(seed);
  return Array.from({ length: count }, (_, t) => view(world, at(t)).map((v) => Math.min(255, Math.max(0, v + noise * (random.random() - 0.5) * 2))));
}
