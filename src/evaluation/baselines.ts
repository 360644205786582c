/** Forecasts that know nothing: what a world model must beat before its figures mean anything. */
import { makeClip, type Clip } from "../video/index.ts";

/** The given frames, then the last of them again and again. */
export function repeatLast(given: Clip, frameCount: number): Clip {
  const size = given.width * given.height * 3;
  const frames = new Uint8Array(frameCount * size);
  for (let t = 0; t < frameCount; t++) {
    const from = Math.min(t, given.frameCount - 1) * size;
    frames.set(given.frames.subarray(from, from + size), t * size);
  }
  return makeClip(frames, given.width, given.height, given.fps);
}

/** Side of the blocks whose motion is found, and how far it is looked for, as parts of the picture's smaller side. */
const blockPart = 1 / 16;
const reachPart = 1 / 8;

/**
 * Everything goes on as it moved between the last two given frames: for each block the shift that explains it best (with a
 * preference for none), and each new pixel comes from where the blocks say it was. With one given frame it repeats that.
 */
export function goOn(given: Clip, frameCount: number): Clip {
  const clip = repeatLast(given, frameCount);
  if (given.frameCount < 2) return clip;
  const { width, height } = given;
  const size = width * height * 3;
  const last = given.frames.subarray((given.frameCount - 1) * size, given.frameCount * size);
  const before = given.frames.subarray((given.frameCount - 2) * size, (given.frameCount - 1) * size);
  const moving = shiftsOf(before, last, width, height);
  for (let t = given.frameCount; t < frameCount; t++) {
    const steps = t - given.frameCount + 1;
    const frame = clip.frames.subarray(t * size, (t + 1) * size);
    // What moved away uncovers what the picture before it shows elsewhere; nothing better than the room at that place is known.
    for (const { x, y, side, dx, dy } of moving) copyBlock(before, frame, width, height, x, y, side, x, y, dx, dy);
    for (const { x, y, side, dx, dy } of moving) copyBlock(last, frame, width, height, x, y, side, x + steps * dx, y + steps * dy, 0, 0);
  }
  return clip;
}

interface Shift {
  x: number;
  y: number;
  side: number;
  dx: number;
  dy: number;
}

/** Blocks of `last` that came from elsewhere in `before`, with the way they came. */
function shiftsOf(before: Uint8Array, last: Uint8Array, width: number, height: number): Shift[] {
  const side = Math.max(4, Math.round(Math.min(width, height) * blockPart));
  const reach = Math.max(4, Math.round(Math.min(width, height) * reachPart));
  const found: Shift[] = [];
  const cost = (x: number, y: number, dx: number, dy: number): number => {
    let sum = 0;
    for (let v = y; v < y + side; v++) {
      for (let u = x; u < x + side; u++) {
        for (let c = 0; c < 3; c++) sum += Math.abs(last[(v * width + u) * 3 + c]! - before[((v - dy) * width + u - dx) * 3 + c]!);
      }
    }
    return sum / (side * side * 3);
  };
  for (let y = 0; y + side <= height; y += side) {
    for (let x = 0; x + side <= width; x += side) {
      const still = cost(x, y, 0, 0);
      if (still < 4) continue;
      let best = { dx: 0, dy: 0, cost: still };
      for (let dy = Math.max(-reach, y + side - height); dy <= Math.min(reach, y); dy++) {
        for (let dx = Math.max(-reach, x + side - width); dx <= Math.min(reach, x); dx++) {
          const price = cost(x, y, dx, dy) + 0.15 * (Math.abs(dx) + Math.abs(dy));
          if (price < best.cost) best = { dx, dy, cost: price };
        }
      }
      if ((best.dx !== 0 || best.dy !== 0) && best.cost < 0.8 * still) found.push({ x, y, side, dx: best.dx, dy: best.dy });
    }
  }
  return found;
}

/** Copies a block of `source` to (toX, toY); `sourceDx`, `sourceDy` say from how far off it is taken. What falls outside is cut. */
function copyBlock(source: Uint8Array, into: Uint8Array, width: number, height: number, x: number, y: number, side: number, toX: number, toY: number, sourceDx: number, sourceDy: number): void {
  for (let v = 0; v < side; v++) {
    for (let u = 0; u < side; u++) {
      const [tx, ty, sx, sy] = [toX + u, toY + v, x + u + sourceDx, y + v + sourceDy];
      if (tx < 0 || ty < 0 || tx >= width || ty >= height || sx < 0 || sy < 0 || sx >= width || sy >= height) continue;
      for (let c = 0; c < 3; c++) into[(ty * width + tx) * 3 + c] = source[(sy * width + sx) * 3 + c]!;
    }
  }
}
