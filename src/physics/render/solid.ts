/**
 * Rays against the four convex shapes. Everything asks for one thing, the stretch of a ray that lies inside a shape: its
 * beginning is what the eye sees, its length says how deep a shadow is. Plain additions, products, quotients and square
 * roots only, so that every machine gives the same pixels.
 */
import type { Vector } from "../../video/vector.ts";
import { axesOf, type Quaternion } from "../exact-math.ts";
import { boundingRadius, type Shape } from "../scene.ts";

/** A shape in its place, laid out for the inner loops. */
export interface Solid {
  /** 0 ball, 1 box, 2 cylinder, 3 capsule. */
  kind: number;
  x: number;
  y: number;
  z: number;
  /** Rows of the matrix from the world's frame to the shape's: its axes. */
  ax: number; ay: number; az: number;
  bx: number; by: number; bz: number;
  cx: number; cy: number; cz: number;
  /** Half sizes of a box; radius in `hx` and half length in `hy` for the round ones. */
  hx: number;
  hy: number;
  hz: number;
  /** Radius of a ball that holds it, and of one about as large. */
  bound: number;
  round: number;
  paint: Paint;
}

/** How a solid looks. */
export interface Paint {
  base: Vector;
  /** Colour of bands and edges. */
  second: Vector;
  gloss: number;
  /** 0 plain, 1 marks of objects that show how they turn, 2 planks. */
  pattern: number;
}

const kinds = { ball: 0, box: 1, cylinder: 2, capsule: 3 } as const;

export function makeSolid(shape: Shape, paint: Paint): Solid {
  const size: Vector = shape.kind === "box" ? shape.half : shape.kind === "ball" ? [shape.radius, shape.radius, shape.radius] : [shape.radius, shape.half, shape.radius];
  const bound = boundingRadius(shape);
  const round = shape.kind === "ball" ? shape.radius : 0.5 * (Math.min(...size) + 0.58 * bound);
  return { kind: kinds[shape.kind], x: 0, y: 0, z: 0, ax: 1, ay: 0, az: 0, bx: 0, by: 1, bz: 0, cx: 0, cy: 0, cz: 1, hx: size[0], hy: size[1], hz: size[2], bound, round, paint };
}

export function placeSolid(solid: Solid, position: Vector, rotation: Quaternion): void {
  const [a, b, c] = axesOf(rotation);
  [solid.x, solid.y, solid.z] = position;
  [solid.ax, solid.ay, solid.az] = a;
  [solid.bx, solid.by, solid.bz] = b;
  [solid.cx, solid.cy, solid.cz] = c;
}

/** The stretch that `findStretch` found, in units of the direction's length. */
export const stretch = { near: 0, far: 0 };

/** Whether the ray from o along d enters the solid; if so `stretch` holds where it enters and leaves (either may be behind o). */
export function findStretch(s: Solid, ox: number, oy: number, oz: number, dx: number, dy: number, dz: number): boolean {
  const rx = ox - s.x;
  const ry = oy - s.y;
  const rz = oz - s.z;
  if (s.kind === 0) return inBall(rx, ry, rz, dx, dy, dz, s.hx);
  const px = s.ax * rx + s.ay * ry + s.az * rz;
  const py = s.bx * rx + s.by * ry + s.bz * rz;
  const pz = s.cx * rx + s.cy * ry + s.cz * rz;
  const qx = s.ax * dx + s.ay * dy + s.az * dz;
  const qy = s.bx * dx + s.by * dy + s.bz * dz;
  const qz = s.cx * dx + s.cy * dy + s.cz * dz;
  if (s.kind === 1) return inBox(px, py, pz, qx, qy, qz, s.hx, s.hy, s.hz);
  if (s.kind === 2) return inCylinder(px, py, pz, qx, qy, qz, s.hx, s.hy);
  return inCapsule(px, py, pz, qx, qy, qz, s.hx, s.hy);
}

function inBall(px: number, py: number, pz: number, dx: number, dy: number, dz: number, r: number): boolean {
  const a = dx * dx + dy * dy + dz * dz;
  const b = px * dx + py * dy + pz * dz;
  const c = px * px + py * py + pz * pz - r * r;
  const inside = b * b - a * c;
  if (inside <= 0) return false;
  const half = Math.sqrt(inside);
  stretch.near = (-b - half) / a;
  stretch.far = (half - b) / a;
  return true;
}

const tiny = 1e-12;

function inBox(px: number, py: number, pz: number, dx: number, dy: number, dz: number, hx: number, hy: number, hz: number): boolean {
  const ix = 1 / (dx > tiny || dx < -tiny ? dx : tiny);
  const iy = 1 / (dy > tiny || dy < -tiny ? dy : tiny);
  const iz = 1 / (dz > tiny || dz < -tiny ? dz : tiny);
  const kx = ix < 0 ? -ix * hx : ix * hx;
  const ky = iy < 0 ? -iy * hy : iy * hy;
  const kz = iz < 0 ? -iz * hz : iz * hz;
  const mx = -px * ix;
  const my = -py * iy;
  const mz = -pz * iz;
  let near = mx - kx;
  if (my - ky > near) near = my - ky;
  if (mz - kz > near) near = mz - kz;
  let far = mx + kx;
  if (my + ky < far) far = my + ky;
  if (mz + kz < far) far = mz + kz;
  stretch.near = near;
  stretch.far = far;
  return near < far;
}

function inCylinder(px: number, py: number, pz: number, dx: number, dy: number, dz: number, r: number, half: number): boolean {
  const iy = 1 / (dy > tiny || dy < -tiny ? dy : tiny);
  const ky = iy < 0 ? -iy * half : iy * half;
  let near = -py * iy - ky;
  let far = -py * iy + ky;
  const a = dx * dx + dz * dz;
  const c = px * px + pz * pz - r * r;
  if (a > tiny) {
    const b = px * dx + pz * dz;
    const inside = b * b - a * c;
    if (inside <= 0) return false;
    const width = Math.sqrt(inside);
    if ((-b - width) / a > near) near = (-b - width) / a;
    if ((width - b) / a < far) far = (width - b) / a;
  } else if (c > 0) return false;
  stretch.near = near;
  stretch.far = far;
  return near < far;
}

/** A capsule is what a cylinder and a ball at each end cover; it is convex, so their stretches join into one. */
function inCapsule(px: number, py: number, pz: number, dx: number, dy: number, dz: number, r: number, half: number): boolean {
  let near = Infinity;
  let far = -Infinity;
  if (inCylinder(px, py, pz, dx, dy, dz, r, half)) {
    near = stretch.near;
    far = stretch.far;
  }
  for (let end = -half; end <= half; end += 2 * half) {
    if (!inBall(px, py - end, pz, dx, dy, dz, r)) continue;
    if (stretch.near < near) near = stretch.near;
    if (stretch.far > far) far = stretch.far;
  }
  stretch.near = near;
  stretch.far = far;
  return near < far;
}

/** Outward normal and reflected colour at a point of the surface. */
export const surface = { nx: 0, ny: 0, nz: 0, r: 0, g: 0, b: 0 };

/** Fills `surface` for a point that lies on the solid. */
export function findSurface(s: Solid, x: number, y: number, z: number): void {
  const rx = x - s.x;
  const ry = y - s.y;
  const rz = z - s.z;
  const px = s.ax * rx + s.ay * ry + s.az * rz;
  const py = s.bx * rx + s.by * ry + s.bz * rz;
  const pz = s.cx * rx + s.cy * ry + s.cz * rz;
  let nx = 0;
  let ny = 0;
  let nz = 0;
  let marked = false;
  if (s.kind === 0) {
    nx = px / s.hx;
    ny = py / s.hx;
    nz = pz / s.hx;
    marked = Math.abs(ny) < 0.2 || Math.abs(ny) > 0.9;
  } else if (s.kind === 1) {
    const ux = Math.abs(px) / s.hx;
    const uy = Math.abs(py) / s.hy;
    const uz = Math.abs(pz) / s.hz;
    const ex = s.hx - Math.abs(px);
    const ey = s.hy - Math.abs(py);
    const ez = s.hz - Math.abs(pz);
    const rim = 0.13 * Math.min(s.hx, s.hy, s.hz);
    if (ux >= uy && ux >= uz) {
      nx = px > 0 ? 1 : -1;
      marked = Math.min(ey, ez) < rim;
    } else if (uy >= uz) {
      ny = py > 0 ? 1 : -1;
      marked = Math.min(ex, ez) < rim;
    } else {
      nz = pz > 0 ? 1 : -1;
      marked = Math.min(ex, ey) < rim;
    }
  } else {
    const radial = Math.sqrt(px * px + pz * pz);
    const isCap = s.kind === 2 && Math.abs(py) / s.hy > radial / s.hx;
    if (isCap) ny = py > 0 ? 1 : -1;
    else if (s.kind === 2 || Math.abs(py) <= s.hy) {
      nx = px / radial;
      nz = pz / radial;
    } else {
      nx = px / s.hx;
      ny = (py - (py > 0 ? s.hy : -s.hy)) / s.hx;
      nz = pz / s.hx;
    }
    marked = s.kind === 3 ? Math.abs(py) < 0.35 * s.hy : Math.abs(px) < 0.18 * s.hx || Math.abs(pz) < 0.18 * s.hx;
  }
  const { paint } = s;
  let part = paint.pattern === 1 && marked ? 1 : 0;
  if (paint.pattern === 2) {
    const plank = pz / 0.14 + 50;
    const within = plank - Math.floor(plank);
    part = within < 0.1 ? 1 : (Math.floor(plank) % 3) * 0.13;
  }
  surface.r = paint.base[0] + (paint.second[0] - paint.base[0]) * part;
  surface.g = paint.base[1] + (paint.second[1] - paint.base[1]) * part;
  surface.b = paint.base[2] + (paint.second[2] - paint.base[2]) * part;
  surface.nx = s.ax * nx + s.bx * ny + s.cx * nz;
  surface.ny = s.ay * nx + s.by * ny + s.cy * nz;
  surface.nz = s.az * nx + s.bz * ny + s.cz * nz;
}
