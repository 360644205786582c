/**
 * Draws a scene: a ray for each of four points of a pixel, one lamp with soft shadows, light from all around with the
 * darkness where things meet, highlights, sRGB. What stands still is drawn once and lit again for each frame; only pixels
 * that something moves through are cast anew. Beside each picture it says which solid is seen where, and how much of each
 * would be seen if nothing stood in front.
 */
import { project, type CameraPose } from "../camera.ts";
import { toSrgb } from "../exact-math.ts";
import type { Light, Room } from "../scene.ts";
import { makeGround } from "./ground.ts";
import { lampShare, opening } from "./light.ts";
import { findStretch, findSurface, stretch, surface, type Solid } from "./solid.ts";

export type Box = [left: number, top: number, right: number, bottom: number];

/** What a frame shows of one solid, counted in quarters of a pixel. */
export interface Sighting {
  visible: number;
  /** Visible, or hidden behind another solid; outside the picture counts as nothing. */
  whole: number;
  /** Pixels that hold some of the visible part, all four inclusive; absent when nothing is. */
  box?: Box;
  /** The same for the whole of it. */
  wholeBox?: Box;
}

export interface Painter {
  /**
   * Draws the solids as they stand now, through `pose`, into RGB bytes `[H, W, 3]`. `ids` gets for each pixel 0, or 1 + the
   * index (still ones first, then moving) of the solid that fills most of it, when that is at least half.
   */
  paint(pose: CameraPose, into: Uint8Array, ids: Uint8Array): Sighting[];
}

/** Where the four rays of a pixel go: a rotated grid, which smooths edges near the horizontal and the vertical best. */
const pointX = Float64Array.of(0.375, 0.875, 0.125, 0.625);
const pointY = Float64Array.of(0.125, 0.375, 0.625, 0.875);

export function makePainter(room: Room, light: Light, still: readonly Solid[], moving: readonly Solid[], width: number, height: number): Painter {
  const all = [...still, ...moving];
  if (all.length > 30) throw new RangeError("a scene has at most 30 solids");
  const groundAt = makeGround(room);
  const [lx, ly, lz] = light.direction;
  const pixels = width * height;
  const stillBits = (1 << still.length) - 1;

  // The empty room and what stands still in it: light reflected from the lamp and from all around, and where the middle of
  // each pixel lies, for the shadows of what moves.
  const direct = new Float32Array(pixels * 3);
  const ambient = new Float32Array(pixels * 3);
  const place = new Float32Array(pixels * 6);
  const stillTouched = new Int32Array(pixels);
  const stillIds = new Uint8Array(pixels);
  let stillSightings: Sighting[] = [];
  let drawnFor: CameraPose | undefined;

  const touched = new Int32Array(pixels);
  const counts = new Int32Array(all.length);
  let sightings: Sighting[] = [];
  // Of the pixel in hand: light of its rays, where each ends and at which solid (-1: the room), direction of the ray in hand (not
  // of unit length). Typed arrays, because a number that a closure keeps is a new object at every change.
  const sum = new Float64Array(3);
  const rayEnd = new Float64Array(4);
  const raySeen = new Int32Array(4);
  const ray = new Float64Array(3);

  const paint = (pose: CameraPose, into: Uint8Array, ids: Uint8Array): Sighting[] => {
    if (pose !== drawnFor) drawStill(pose);
    drawnFor = pose;
    touched.set(stillTouched);
    moving.forEach((solid, i) => markTouched(touched, pose, solid, 1 << (still.length + i)));
    ids.set(stillIds);
    sightings = all.map(() => ({ visible: 0, whole: 0 }));
    // What is seen of a still solid changes with what stands before it; all of it does not.
    for (let s = 0; s < still.length; s++) {
      const { whole, wholeBox } = stillSightings[s]!;
      sightings[s] = { visible: 0, whole, ...(wholeBox ? { wholeBox } : {}) };
    }

    for (let i = 0; i < pixels; i++) {
      const bits = touched[i]!;
      const inMotion = (bits & ~stillBits) !== 0;
      if (!inMotion && bits !== 0) countStill(i, bits);
      if (inMotion && castPixel(i, bits, pose, ids) > 0) {
        for (let c = 0; c < 3; c++) into[i * 3 + c] = toByte(sum[c]! / 4);
        continue;
      }
      const at = i * 6;
      const share = lampShare(place[at]!, place[at + 1]!, place[at + 2]!, light.direction, moving, -1);
      const open = opening(place[at]!, place[at + 1]!, place[at + 2]!, place[at + 3]!, place[at + 4]!, place[at + 5]!, moving, -1);
      for (let c = i * 3; c < i * 3 + 3; c++) into[c] = toByte(direct[c]! * share + ambient[c]! * open);
    }
    return sightings;
  };

  /** Quarters of each pixel that each still solid fills when nothing moves before it: `[pixel, still]`. */
  const stillCounts = new Uint8Array(pixels * Math.max(1, still.length));

  function countStill(i: number, bits: number): void {
    for (let s = 0; s < still.length; s++) {
      const seen = bits & (1 << s) ? stillCounts[i * still.length + s]! : 0;
      if (seen > 0) count(s, seen, i);
    }
  }

  function count(s: number, seen: number, i: number): void {
    const sighting = sightings[s]!;
    sighting.visible += seen;
    sighting.box = grown(sighting.box, i % width, Math.floor(i / width));
  }

  /** Casts the four rays of a pixel that something moves through; gives how many met what moves. The light of all four is in `sum`. */
  function castPixel(i: number, bits: number, pose: CameraPose, ids: Uint8Array): number {
    const px = i % width;
    const py = Math.floor(i / width);
    const ex = pose.eye[0];
    const ey = pose.eye[1];
    const ez = pose.eye[2];
    counts.fill(0);
    let inFront = 0;
    for (let k = 0; k < 4; k++) {
      aim(pose, px + pointX[k]!, py + pointY[k]!);
      const dx = ray[0]!;
      const dy = ray[1]!;
      const dz = ray[2]!;
      let nearest = Infinity;
      let seen = -1;
      for (let s = 0; s < all.length; s++) {
        if ((bits & (1 << s)) === 0 || !findStretch(all[s]!, ex, ey, ez, dx, dy, dz) || stretch.near <= 0) continue;
        if (s >= still.length) {
          const sighting = sightings[s]!;
          sighting.whole += 1;
          sighting.wholeBox = grown(sighting.wholeBox, px, py);
        }
        if (stretch.near < nearest) {
          nearest = stretch.near;
          seen = s;
        }
      }
      rayEnd[k] = nearest;
      raySeen[k] = seen;
      if (seen < 0) continue;
      counts[seen]! += 1;
      count(seen, 1, i);
      if (seen >= still.length) inFront += 1;
    }
    let most = 1;
    ids[i] = 0;
    for (let s = 0; s < all.length; s++) {
      if (counts[s]! <= most) continue;
      most = counts[s]!;
      ids[i] = s + 1;
    }
    if (inFront === 0) return 0;
    sum.fill(0);
    for (let k = 0; k < 4; k++) {
      aim(pose, px + pointX[k]!, py + pointY[k]!);
      const t = rayEnd[k]!;
      const seen = raySeen[k]!;
      if (seen < 0) shadeRoom(pose);
      else shadeSolid(all[seen]!, seen, ex + ray[0]! * t, ey + ray[1]! * t, ez + ray[2]! * t);
    }
    return inFront;
  }

  function aim({ forward, right, up, focal }: CameraPose, x: number, y: number): void {
    const across = (x - width / 2) / focal;
    const upward = (height / 2 - y) / focal;
    ray[0] = forward[0] + right[0] * across + up[0] * upward;
    ray[1] = forward[1] + right[1] * across + up[1] * upward;
    ray[2] = forward[2] + right[2] * across + up[2] * upward;
  }

  function shadeSolid(solid: Solid, index: number, x: number, y: number, z: number): void {
    findSurface(solid, x, y, z);
    const { nx, ny, nz, r, g, b } = surface;
    const facing = Math.max(0, nx * lx + ny * ly + nz * lz);
    const share = facing > 0 ? lampShare(x, y, z, light.direction, all, index) : 0;
    const open = opening(x, y, z, nx, ny, nz, all, index) * (0.72 + 0.28 * ny) * Math.min(1, 0.6 + 0.5 * Math.max(0, y));
    const dx = ray[0]!;
    const dy = ray[1]!;
    const dz = ray[2]!;
    const size = 1 / Math.sqrt(dx * dx + dy * dy + dz * dz);
    const hx = lx - dx * size;
    const hy = ly - dy * size;
    const hz = lz - dz * size;
    let shine = Math.max(0, (nx * hx + ny * hy + nz * hz) / Math.sqrt(hx * hx + hy * hy + hz * hz));
    for (let i = 0; i < 5; i++) shine *= shine; // to the 32nd power
    const gloss = shine * solid.paint.gloss * share;
    // What the floor throws back.
    const bounce = Math.max(0, -ny) * 0.16;
    const lamp = facing * share;
    sum[0]! += r * (light.lamp[0] * lamp + light.sky[0] * open + bounce) + gloss;
    sum[1]! += g * (light.lamp[1] * lamp + light.sky[1] * open + bounce) + gloss;
    sum[2]! += b * (light.lamp[2] * lamp + light.sky[2] * open + bounce) + gloss;
  }

  function shadeRoom(pose: CameraPose): void {
    const { x, y, z, nx, ny, nz, colour } = groundAt(pose.eye, ray[0]!, ray[1]!, ray[2]!);
    const lamp = Math.max(0, nx * lx + ny * ly + nz * lz) * lampShare(x, y, z, light.direction, all, -1);
    const open = opening(x, y, z, nx, ny, nz, all, -1) * (0.72 + 0.28 * ny);
    sum[0]! += colour[0]! * (light.lamp[0] * lamp + light.sky[0] * open);
    sum[1]! += colour[1]! * (light.lamp[1] * lamp + light.sky[1] * open);
    sum[2]! += colour[2]! * (light.lamp[2] * lamp + light.sky[2] * open);
  }

  function drawStill(pose: CameraPose): void {
    const { eye } = pose;
    direct.fill(0);
    ambient.fill(0);
    stillTouched.fill(0);
    stillIds.fill(0);
    stillCounts.fill(0);
    stillSightings = still.map(() => ({ visible: 0, whole: 0 }));
    still.forEach((solid, i) => markTouched(stillTouched, pose, solid, 1 << i));
    for (let i = 0; i < pixels; i++) {
      const px = i % width;
      const py = Math.floor(i / width);
      // The four rays that count, and one through the middle that only says where the pixel is.
      for (let k = 0; k < 5; k++) {
        aim(pose, px + (k < 4 ? pointX[k]! : 0.5), py + (k < 4 ? pointY[k]! : 0.5));
        const dx = ray[0]!;
        const dy = ray[1]!;
        const dz = ray[2]!;
        let nearest = Infinity;
        let seen = -1;
        for (let s = 0; s < still.length; s++) {
          if (!(stillTouched[i]! & (1 << s)) || !findStretch(still[s]!, eye[0], eye[1], eye[2], dx, dy, dz) || stretch.near <= 0) continue;
          if (k < 4) {
            const sighting = stillSightings[s]!;
            sighting.whole += 1;
            sighting.wholeBox = grown(sighting.wholeBox, px, py);
          }
          if (stretch.near >= nearest) continue;
          nearest = stretch.near;
          seen = s;
        }
        if (seen >= 0) {
          findSurface(still[seen]!, eye[0] + dx * nearest, eye[1] + dy * nearest, eye[2] + dz * nearest);
          const { nx, ny, nz, r, g, b } = surface;
          if (k < 4) stillCounts[i * still.length + seen]! += 1;
          layDown(i, k, seen, eye[0] + dx * nearest, eye[1] + dy * nearest, eye[2] + dz * nearest, nx, ny, nz, r, g, b);
        } else {
          const { x, y, z, nx, ny, nz, colour } = groundAt(eye, dx, dy, dz);
          layDown(i, k, -1, x, y, z, nx, ny, nz, colour[0]!, colour[1]!, colour[2]!);
        }
      }
      let most = 1;
      for (let s = 0; s < still.length; s++) {
        const seen = stillCounts[i * still.length + s]!;
        if (seen <= most) continue;
        most = seen;
        stillIds[i] = s + 1;
      }
    }
  }

  /** Adds what ray `k` of a pixel sees to the still picture; the fifth says where the pixel is. */
  function layDown(i: number, k: number, self: number, x: number, y: number, z: number, nx: number, ny: number, nz: number, r: number, g: number, b: number): void {
    if (k === 4) {
      place[i * 6] = x;
      place[i * 6 + 1] = y;
      place[i * 6 + 2] = z;
      place[i * 6 + 3] = nx;
      place[i * 6 + 4] = ny;
      place[i * 6 + 5] = nz;
      return;
    }
    const facing = Math.max(0, nx * lx + ny * ly + nz * lz);
    const lamp = facing > 0 ? (facing * lampShare(x, y, z, light.direction, still, self)) / 4 : 0;
    const open = (opening(x, y, z, nx, ny, nz, still, self) * (0.72 + 0.28 * ny)) / 4;
    direct[i * 3]! += r * light.lamp[0] * lamp;
    direct[i * 3 + 1]! += g * light.lamp[1] * lamp;
    direct[i * 3 + 2]! += b * light.lamp[2] * lamp;
    ambient[i * 3]! += r * light.sky[0] * open;
    ambient[i * 3 + 1]! += g * light.sky[1] * open;
    ambient[i * 3 + 2]! += b * light.sky[2] * open;
  }
  return { paint };
}

/** Sets a bit at every pixel that the solid may touch: those in the frame around the corners of a box that holds it. */
function markTouched(touched: Int32Array, pose: CameraPose, solid: Solid, bit: number): void {
  const { width, height } = pose;
  const tall = solid.hy + (solid.kind === 3 ? solid.hx : 0);
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let corner = 0; corner < 8; corner++) {
    const a = corner & 1 ? solid.hx : -solid.hx;
    const b = corner & 2 ? tall : -tall;
    const c = corner & 4 ? solid.hz : -solid.hz;
    const { x, y, depth } = project(pose, [solid.x + solid.ax * a + solid.bx * b + solid.cx * c, solid.y + solid.ay * a + solid.by * b + solid.cy * c, solid.z + solid.az * a + solid.bz * b + solid.cz * c]);
    if (depth < 0.05) {
      // A corner beside or behind the camera has no place in the picture; then all of it may be touched.
      [left, right, top, bottom] = [0, width, 0, height];
      break;
    }
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  }
  const lastRow = Math.min(height - 1, Math.floor(bottom));
  const lastColumn = Math.min(width - 1, Math.floor(right));
  for (let row = Math.max(0, Math.floor(top)); row <= lastRow; row++) {
    for (let column = Math.max(0, Math.floor(left)); column <= lastColumn; column++) touched[row * width + column]! |= bit;
  }
}

function grown(box: Box | undefined, x: number, y: number): Box {
  if (box === undefined) return [x, y, x, y];
  if (x < box[0]) box[0] = x;
  if (y < box[1]) box[1] = y;
  if (x > box[2]) box[2] = x;
  if (y > box[3]) box[3] = y;
  return box;
}

const brightest = 3;
const steps = 4096;
/** Light to display bytes, by the square root of the light: small steps where the eye sees them. */
const bytes = Uint8Array.from({ length: steps + 1 }, (_, i) => {
  const light = brightest * (i / steps) * (i / steps);
  // Straight up to 0.6, then bent so that highlights do not burn out.
  const over = light - 0.6;
  return Math.round(255 * toSrgb(over <= 0 ? light : 0.6 + (0.4 * over) / (over + 0.4)));
});

const toByte = (light: number): number => bytes[Math.min(steps, Math.floor(steps * Math.sqrt(light / brightest)))]!;
