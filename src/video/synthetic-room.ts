/**
 * Draws the demo's room: wooden floor, plastered and painted walls, one soft lamp. The empty room is drawn once, several
 * rays to a pixel; a frame then darkens it where balls stand in the light and lays the balls, cut out at their rims with
 * sub-pixel samples, over it. Shadows are soft by geometry: a ball's edge is as blurred as the lamp is wide from there.
 */
import type { Ball, Room } from "./synthetic.ts";
import { add, dot, length, mix, multiply, scale, subtract, unit, type Vector } from "./vector.ts";

export interface RoomPainter {
  /** Draws one moment into RGB bytes `[H, W, 3]`. */
  paint(balls: readonly Ball[], into: Uint8Array): void;
}

interface Surface {
  point: Vector;
  normal: Vector;
  colour: Vector;
}

const samplesPerSide = 3;
const focalLength = 2.5;
const lampRadius = 0.3;
const lampColour: Vector = [1, 0.94, 0.84];
const lampPower = 3.9;
const skyColour: Vector = [0.2, 0.225, 0.26];
const paints: readonly [Vector, Vector][] = [
  [[0.85, 0.16, 0.1], [0.95, 0.85, 0.7]],
  [[0.08, 0.28, 0.7], [0.85, 0.88, 0.9]],
  [[0.95, 0.62, 0.06], [0.4, 0.1, 0.06]],
  [[0.1, 0.5, 0.26], [0.9, 0.86, 0.6]],
  [[0.5, 0.14, 0.5], [0.92, 0.75, 0.82]],
  [[0.06, 0.5, 0.55], [0.95, 0.9, 0.8]],
];

export function paintRoom(room: Room, width: number, height: number, seed: number): RoomPainter {
  const eye: Vector = [0, 1.12, -3];
  const lamp: Vector = [-0.45 * room.halfWidth, room.height - 0.1, 0.35];
  // The front of the room just fills the picture; a narrow picture widens the view rather than losing balls at its sides.
  const zoom = focalLength * Math.min(1, (1.1 * width) / height / room.halfWidth);
  const ray = (x: number, y: number): Vector => unit([(2 * x - width) / height, (height - 2 * y) / height - 0.03, zoom]);
  const lit = (surface: Surface) => lightOn(surface, lamp);

  const pixels = width * height;
  const direct = new Float32Array(pixels * 3);
  const ambient = new Float32Array(pixels * 3);
  const surfaces: Surface[] = [];
  for (let i = 0; i < pixels; i++) {
    const [x, y] = [i % width, Math.floor(i / width)];
    for (const [dx, dy] of subPixels) {
      const { lampLight, skyLight } = lit(roomSurface(room, eye, ray(x + dx, y + dy), seed));
      for (let c = 0; c < 3; c++) {
        direct[i * 3 + c]! += lampLight[c]! / subPixels.length;
        ambient[i * 3 + c]! += skyLight[c]! / subPixels.length;
      }
    }
    surfaces.push(roomSurface(room, eye, ray(x + 0.5, y + 0.5), seed));
  }

  const paint = (balls: readonly Ball[], into: Uint8Array) => {
    for (let i = 0; i < pixels; i++) {
      const { point, normal } = surfaces[i]!;
      const open = opening(point, normal, balls, undefined);
      const light = lampShare(point, lamp, balls, undefined);
      for (let c = 0; c < 3; c++) into[i * 3 + c] = toByte(direct[i * 3 + c]! * light + ambient[i * 3 + c]! * open);
    }
    // Far balls first, so that near ones cover them.
    for (const ball of balls.toSorted((a, b) => b.position[2] - a.position[2])) paintBall(ball, balls, into);
  };

  const paintBall = (ball: Ball, balls: readonly Ball[], into: Uint8Array) => {
    const toCentre = subtract(ball.position, eye);
    const reach = (ball.radius / toCentre[2]) * zoom * height * 0.6 + 2;
    const centreX = (toCentre[0] / toCentre[2]) * zoom * (height / 2) + width / 2;
    const centreY = height / 2 - ((toCentre[1] / toCentre[2]) * zoom + 0.03) * (height / 2);
    for (let y = Math.max(0, Math.floor(centreY - reach)); y < Math.min(height, centreY + reach); y++) {
      for (let x = Math.max(0, Math.floor(centreX - reach)); x < Math.min(width, centreX + reach); x++) {
        let covered = 0;
        let sum: Vector = [0, 0, 0];
        for (const [dx, dy] of subPixels) {
          const direction = ray(x + dx, y + dy);
          const along = dot(toCentre, direction);
          const miss = dot(toCentre, toCentre) - along * along;
          if (miss >= ball.radius ** 2) continue;
          const point = add(eye, scale(direction, along - Math.sqrt(ball.radius ** 2 - miss)));
          covered += 1;
          sum = add(sum, ballColour(ball, balls, point, direction));
        }
        const part = covered / subPixels.length;
        for (let c = 0; c < 3 && covered > 0; c++) {
          const at = (y * width + x) * 3 + c;
          into[at] = Math.round(into[at]! * (1 - part) + toByte(sum[c]! / covered) * part);
        }
      }
    }
  };

  const ballColour = (ball: Ball, balls: readonly Ball[], point: Vector, direction: Vector): Vector => {
    const normal = scale(subtract(point, ball.position), 1 / ball.radius);
    const { lampLight, skyLight } = lit({ point, normal, colour: ballPaint(ball, normal) });
    const light = lampShare(point, lamp, balls, ball);
    const toLamp = unit(subtract(lamp, point));
    const half = unit(subtract(toLamp, direction));
    const gloss = 0.55 * Math.max(0, dot(normal, half)) ** 60 * light;
    const rim = 0.1 * (1 + dot(normal, direction)) ** 4;
    // What the floor throws back, strongest close to it.
    const fromFloor = scale([0.36, 0.22, 0.12], (0.5 * Math.max(0, -normal[1])) / (1 + 2 * point[1]));
    const diffuse = add(scale(lampLight, light), scale(skyLight, opening(point, normal, balls, ball) * Math.min(1, 0.45 + point[1] * 1.5)));
    return add(add(diffuse, multiply(fromFloor, ballPaint(ball, normal))), [gloss + rim * 0.8, gloss + rim * 0.9, gloss + rim]);
  };
  return { paint };
}

const subPixels = Array.from({ length: samplesPerSide ** 2 }, (_, i) => [((i % samplesPerSide) + 0.5) / samplesPerSide, (Math.floor(i / samplesPerSide) + 0.5) / samplesPerSide] as const);

function lightOn({ point, normal, colour }: Surface, lamp: Vector): { lampLight: Vector; skyLight: Vector } {
  const toLamp = subtract(lamp, point);
  const distance = length(toLamp);
  const strength = (lampPower * Math.max(0, dot(normal, toLamp) / distance)) / (1 + distance * distance);
  const sky = 0.75 + 0.25 * normal[1];
  return { lampLight: multiply(colour, scale(lampColour, strength)), skyLight: multiply(colour, scale(skyColour, sky)) };
}

/** The part of the lamp that a point sees past the balls, 0..1. */
function lampShare(point: Vector, lamp: Vector, balls: readonly Ball[], self: Ball | undefined): number {
  const way = subtract(lamp, point);
  const distance = length(way);
  let share = 1;
  for (const ball of balls) {
    if (ball === self) continue;
    const toBall = subtract(ball.position, point);
    const along = dot(toBall, way) / distance;
    if (along <= 0 || along >= distance) continue;
    const miss = Math.sqrt(Math.max(0, dot(toBall, toBall) - along * along));
    const blur = Math.max(0.01, (lampRadius * along) / distance);
    share *= smoothstep((miss - ball.radius + blur) / (2 * blur));
  }
  return share;
}

/** The part of the sky that a point sees past the balls, 0..1: less the solid angle of each, weighted by its slant. */
function opening(point: Vector, normal: Vector, balls: readonly Ball[], self: Ball | undefined): number {
  let open = 1;
  for (const ball of balls) {
    if (ball === self) continue;
    const toBall = subtract(ball.position, point);
    const squared = dot(toBall, toBall);
    open *= 1 - Math.min(0.9, (Math.max(0, dot(normal, toBall)) * ball.radius ** 2) / (squared * Math.sqrt(squared)));
  }
  return open;
}

/** Where a ray from the eye meets the room, and what is there. */
function roomSurface(room: Room, eye: Vector, direction: Vector, seed: number): Surface {
  const to = (axis: 0 | 1 | 2, plane: number) => (direction[axis] === 0 ? Infinity : (plane - eye[axis]) / direction[axis]);
  const floor = direction[1] < 0 ? to(1, 0) : Infinity;
  const ceiling = direction[1] > 0 ? to(1, room.height) : Infinity;
  const side = to(0, direction[0] < 0 ? -room.halfWidth : room.halfWidth);
  const back = to(2, room.depth);
  const nearest = Math.min(floor, ceiling, side, back);
  const point = add(eye, scale(direction, nearest));
  const [x, y, z] = point;
  if (nearest === floor) return { point, normal: [0, 1, 0], colour: wood(x, z, seed) };
  if (nearest === ceiling) return { point, normal: [0, -1, 0], colour: [0.8, 0.79, 0.76] };
  if (nearest === side) {
    const paint: Vector = x < 0 ? [0.12, 0.36, 0.4] : [0.68, 0.27, 0.15];
    return { point, normal: [x < 0 ? 1 : -1, 0, 0], colour: skirting(y, plaster(paint, z, y, seed + 7)) };
  }
  return { point, normal: [0, 0, -1], colour: skirting(y, wallpaper(x, y, seed)) };
}

const skirting = (y: number, above: Vector): Vector => (y < 0.1 ? (y > 0.085 ? [0.5, 0.48, 0.44] : [0.78, 0.76, 0.7]) : above);

const plaster = (paint: Vector, u: number, v: number, seed: number): Vector => scale(paint, 0.9 + 0.2 * noise(u * 6, v * 6, seed) + 0.06 * noise(u * 31, v * 31, seed));

/** Broad stripes on plaster, for texture that shows even at 96 pixels. */
function wallpaper(x: number, y: number, seed: number): Vector {
  const stripe = smoothstep(0.5 + 6 * (Math.abs((((x / 0.36) % 1) + 1) % 1 - 0.5) - 0.25));
  return plaster(mix([0.78, 0.68, 0.48], [0.6, 0.53, 0.42], stripe), x, y, seed);
}

/** Planks that run away from the camera, each with its own tint and grain, and dark joints between. */
function wood(x: number, z: number, seed: number): Vector {
  const board = Math.floor(x / 0.24);
  const across = x / 0.24 - board;
  const along = z + 1.7 * hash(board, 3, seed);
  const piece = Math.floor(along / 1.5);
  const grain = noise(x * 42, along * 3, seed) * 0.6 + noise(x * 14, along * 1.2, seed + 1) * 0.4;
  const tint = 0.72 + 0.5 * hash(board, piece, seed);
  const joint = Math.min(1, Math.min(across, 1 - across) / 0.035, (Math.abs(along / 1.5 - piece - 0.5) - 0.5) / -0.006);
  return scale(mix([0.3, 0.155, 0.07], [0.56, 0.33, 0.17], grain), tint * (0.45 + 0.55 * Math.max(0, joint)));
}

/** Two colours in bands and a cap, so that turning shows. */
function ballPaint(ball: Ball, normal: Vector): Vector {
  const [u, v, w] = ball.axes.map((axis) => dot(axis, normal)) as unknown as Vector;
  const [main, second] = paints[ball.paint % paints.length]!;
  const band = Math.abs(v) < 0.22 || (Math.abs(v) > 0.86 && u * u + w * w < 0.26);
  return band ? second : main;
}

const smoothstep = (x: number) => {
  const t = Math.min(1, Math.max(0, x));
  return t * t * (3 - 2 * t);
};

/** A number in 0..1 for a grid point. */
function hash(x: number, y: number, seed: number): number {
  let mixed = Math.imul(x | 0, 0x27d4eb2d) ^ Math.imul(y | 0, 0x165667b1) ^ Math.imul(seed | 0, 0x9e3779b1);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
}

/** Smooth noise in 0..1: hashed grid points, eased between. */
function noise(x: number, y: number, seed: number): number {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [u, v] = [smoothstep(x - left), smoothstep(y - top)];
  const row = (at: number) => hash(left, at, seed) * (1 - u) + hash(left + 1, at, seed) * u;
  return row(top) * (1 - v) + row(top + 1) * v;
}

/** Linear light to a byte: highlights bent, then the usual display curve (square root is near enough to sRGB's). */
function toByte(light: number): number {
  const bent = 1 - Math.exp(-1.35 * light);
  return Math.round(255 * Math.pow(bent, 1 / 2.2));
}
