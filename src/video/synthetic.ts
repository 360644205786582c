/**
 * Footage of the house's own: rubber balls thrown into a room. The demo uses it when its user has no video at hand. The
 * motion is physics (gravity, bounces that lose a little, friction that makes balls roll, collisions between balls), so a
 * model trained on it has laws to find. The same options give the same pixels.
 */
import { OrreryError } from "../errors.ts";
import type { Clip } from "./clip.ts";
import { makeClip } from "./clip.ts";
import { paintRoom, type RoomPainter } from "./synthetic-room.ts";
import { add, cross, dot, length, scale, subtract, type Vector } from "./vector.ts";
import { openVideoWriter, type WriteOptions } from "./writer.ts";

export interface DemoClipOptions {
  /** Default 320 x 180. */
  width?: number;
  height?: number;
  /** Default 90. */
  frames?: number;
  /** Default 30. */
  fps?: number;
  /** Which throw: a whole number. Default 0. */
  seed?: number;
  /** Which wood, paint and plaster the room has. Default: that of `seed`, so every throw has a room of its own. */
  room?: number;
  /** Seconds after which the balls are tossed up again, for footage in which they never come to rest; 0 for a single throw. Default 0. */
  tossEveryS?: number;
}

/** A solid rubber ball; metres, metres per second, radians per second. Mass is the cube of the radius. */
export interface Ball {
  position: Vector;
  velocity: Vector;
  spin: Vector;
  radius: number;
  /** Axes of the ball's own frame: they turn with it and carry its pattern. */
  axes: [Vector, Vector, Vector];
  /** Which of the painter's colours. */
  paint: number;
}

/** The inside of the room, metres: x to the right, y up from the floor, z away from the camera. */
export interface Room {
  halfWidth: number;
  height: number;
  depth: number;
}

const gravity: Vector = [0, -9.81, 0];
const stepsPerSecond = 480;
const bounce = { room: 0.84, ball: 0.93 };
const friction = 0.35;
/** Slower meetings than this do not bounce, or a resting ball would tremble for ever. m/s */
const restingSpeed = 0.12;

/** Draws the footage in memory. @throws `bad_argument`. */
export function renderDemoClip(options: DemoClipOptions = {}): Clip {
  const { width, height, frames, fps, painter, next } = begin(options);
  const bytes = new Uint8Array(frames * width * height * 3);
  for (let t = 0; t < frames; t++) painter.paint(next(), bytes.subarray(t * width * height * 3, (t + 1) * width * height * 3));
  return makeClip(bytes, width, height, fps);
}

/** Draws the footage into an mp4, a frame in memory at a time. Errors as `openVideoWriter`. */
export async function makeDemoClip(path: string, options: DemoClipOptions & WriteOptions = {}): Promise<void> {
  const { width, height, frames, fps, painter, next } = begin(options);
  const writer = await openVideoWriter(path, { ...options, width, height, fps });
  try {
    const frame = new Uint8Array(width * height * 3);
    for (let t = 0; t < frames; t++) {
      painter.paint(next(), frame);
      await writer.write(frame);
    }
    await writer.close();
  } finally {
    await writer.abort();
  }
}

function begin(options: DemoClipOptions): Required<DemoClipOptions> & { painter: RoomPainter; next: () => Ball[] } {
  const { width = 320, height = 180, frames = 90, fps = 30, seed = 0, room: roomSeed = seed, tossEveryS = 0 } = options;
  for (const [name, value, least, most] of [["width", width, 16, 4096], ["height", height, 16, 4096], ["frames", frames, 1, 1e6], ["seed", seed, 0, 2 ** 32 - 1], ["room", roomSeed, 0, 2 ** 32 - 1]] as const) {
    if (!(Number.isInteger(value) && value >= least && value <= most)) throw new OrreryError("bad_argument", `${name} ${value} was given; expected a whole number from ${least} to ${most}`);
  }
  if (!(fps >= 1 && fps <= 240)) throw new OrreryError("bad_argument", `fps ${fps} was given; expected 1 to 240`);
  const room: Room = { halfWidth: Math.max(0.8, Math.min(2.2, (1.1 * width) / height)), height: 2.2, depth: 1.9 };
  const random = seededRandom(seed);
  const balls = throwBalls(room, random);
  if (!(tossEveryS >= 0 && tossEveryS < Infinity)) throw new OrreryError("bad_argument", `tossEveryS ${tossEveryS} was given; expected a number of seconds, or 0`);
  const steps = Math.max(1, Math.round(stepsPerSecond / fps));
  let shown = 0;
  const next = () => {
    if (shown > 0) {
      for (let i = 0; i < steps; i++) advance(balls, room, 1 / fps / steps);
      if (tossEveryS > 0 && Math.floor(shown / fps / tossEveryS) !== Math.floor((shown - 1) / fps / tossEveryS)) toss(balls, random);
    }
    shown++;
    return balls;
  };
  return { width, height, frames, fps, seed, room: roomSeed, tossEveryS, painter: paintRoom(room, width, height, roomSeed), next };
}

function throwBalls(room: Room, random: () => number): Ball[] {
  const balls: Ball[] = [];
  const wanted = 5 + Math.floor(random() * 2);
  const firstPaint = Math.floor(random() * 6);
  for (let tries = 0; balls.length < wanted && tries < 1000; tries++) {
    const radius = 0.17 + 0.17 * random();
    const within = (low: number, high: number) => low + radius + random() * (high - low - 2 * radius);
    const position: Vector = [within(-room.halfWidth, room.halfWidth), within(0.5, room.height), within(0.35, room.depth)];
    if (balls.some((other) => length(subtract(other.position, position)) < other.radius + radius + 0.05)) continue;
    const velocity: Vector = [(random() - 0.5) * 5, (random() - 0.3) * 3, (random() - 0.5) * 3];
    const spin: Vector = [(random() - 0.5) * 12, (random() - 0.5) * 12, (random() - 0.5) * 12];
    balls.push({ position, velocity, spin, radius, axes: [[1, 0, 0], [0, 1, 0], [0, 0, 1]], paint: firstPaint + balls.length });
  }
  return balls;
}

/** Throws every ball anew from where it is: upwards, to some side. */
function toss(balls: readonly Ball[], random: () => number): void {
  for (const ball of balls) {
    ball.velocity = [(random() - 0.5) * 5, 2 + 3.5 * random(), (random() - 0.5) * 3];
    ball.spin = [(random() - 0.5) * 12, (random() - 0.5) * 12, (random() - 0.5) * 12];
  }
}

/** One step of symplectic Euler (velocity first, then position with the new velocity), then contacts. */
export function advance(balls: Ball[], room: Room, dt: number): void {
  for (const ball of balls) {
    ball.velocity = add(ball.velocity, scale(gravity, dt));
    ball.position = add(ball.position, scale(ball.velocity, dt));
    ball.axes = turn(ball.axes, ball.spin, dt);
  }
  for (let i = 0; i < balls.length; i++) {
    for (let j = i + 1; j < balls.length; j++) meetBall(balls[i]!, balls[j]!);
  }
  for (const ball of balls) meetRoom(ball, room);
}

function meetRoom(ball: Ball, room: Room): void {
  const [x, y, z] = ball.position;
  const walls: [depth: number, normal: Vector][] = [
    [ball.radius - y, [0, 1, 0]],
    [y + ball.radius - room.height, [0, -1, 0]],
    [ball.radius - room.halfWidth - x, [1, 0, 0]],
    [x + ball.radius - room.halfWidth, [-1, 0, 0]],
    [ball.radius - z, [0, 0, 1]],
    [z + ball.radius - room.depth, [0, 0, -1]],
  ];
  for (const [depth, normal] of walls) {
    if (depth <= 0) continue;
    ball.position = add(ball.position, scale(normal, depth));
    const approach = -dot(ball.velocity, normal);
    if (approach <= 0) continue;
    const push = approach * (approach > restingSpeed ? 1 + bounce.room : 1);
    ball.velocity = add(ball.velocity, scale(normal, push));
    rub(ball, normal, push);
  }
}

/**
 * Friction at a contact: an impulse against the slip of the touching point, as large as stops the slip of a solid ball
 * (2/7 of it) but no larger than friction allows. It changes both the path and the spin.
 */
function rub(ball: Ball, normal: Vector, push: number): void {
  const arm = scale(normal, -ball.radius);
  const surface = add(ball.velocity, cross(ball.spin, arm));
  const slip = subtract(surface, scale(normal, dot(surface, normal)));
  const speed = length(slip);
  if (speed < 1e-9) return;
  const kick = scale(slip, -Math.min((2 / 7) * speed, friction * push) / speed);
  ball.velocity = add(ball.velocity, kick);
  ball.spin = add(ball.spin, scale(cross(arm, kick), 1 / (0.4 * ball.radius ** 2)));
}

function meetBall(a: Ball, b: Ball): void {
  const apart = subtract(b.position, a.position);
  const distance = length(apart);
  const depth = a.radius + b.radius - distance;
  if (depth <= 0 || distance === 0) return;
  const normal = scale(apart, 1 / distance);
  const [massA, massB] = [a.radius ** 3, b.radius ** 3];
  const share = massB / (massA + massB);
  a.position = subtract(a.position, scale(normal, depth * share));
  b.position = add(b.position, scale(normal, depth * (1 - share)));
  const approach = dot(subtract(a.velocity, b.velocity), normal);
  if (approach <= 0) return;
  const exchange = approach * (approach > restingSpeed ? 1 + bounce.ball : 1);
  a.velocity = subtract(a.velocity, scale(normal, exchange * share));
  b.velocity = add(b.velocity, scale(normal, exchange * (1 - share)));
}

/** Turns the axes by the spin for `dt`, and makes them square to each other again. */
function turn([x, y]: Ball["axes"], spin: Vector, dt: number): Ball["axes"] {
  const turned = (axis: Vector) => add(axis, scale(cross(spin, axis), dt));
  const first = turned(x);
  const unitX = scale(first, 1 / length(first));
  const second = turned(y);
  const square = subtract(second, scale(unitX, dot(second, unitX)));
  const unitY = scale(square, 1 / length(square));
  return [unitX, unitY, cross(unitX, unitY)];
}

/** Mulberry32: small, and the same numbers everywhere. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
