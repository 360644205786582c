/**
 * Functions that JavaScript leaves to the machine (`Math.sin`, `Math.pow`, …), made of operations that IEEE 754 defines to
 * the bit: a laboratory clip must have the same pixels everywhere. Accurate to about 1e-9, which is plenty here.
 */
import type { Vector } from "../video/vector.ts";

/** The sine of an angle in radians, by Taylor's series on -π/2..π/2. */
export function sine(angle: number): number {
  const turns = Math.round(angle / Math.PI);
  const x = angle - turns * Math.PI;
  const y = x * x;
  const series = x * (1 - (y / 6) * (1 - (y / 20) * (1 - (y / 42) * (1 - (y / 72) * (1 - (y / 110) * (1 - (y / 156) * (1 - y / 210)))))));
  return turns % 2 === 0 ? series : -series;
}

export const cosine = (angle: number): number => sine(angle + Math.PI / 2);

/** The positive `degree`-th root of a number in 0..1, by Newton's method from above. */
function root(value: number, degree: number): number {
  if (value <= 0) return 0;
  let x = 1;
  for (let i = 0; i < 200; i++) {
    const next = ((degree - 1) * x + value / power(x, degree - 1)) / degree;
    if (next >= x) break;
    x = next;
  }
  return x;
}

function power(x: number, exponent: number): number {
  let product = 1;
  for (let i = 0; i < exponent; i++) product *= x;
  return product;
}

/** sRGB 0..1 to linear light 0..1 (IEC 61966-2-1). */
export function toLinear(value: number): number {
  if (value <= 0.04045) return value / 12.92;
  const x = (value + 0.055) / 1.055;
  return x * x * root(x * x, 5); // x^2.4
}

/** Linear light 0..1 to sRGB 0..1. */
export function toSrgb(light: number): number {
  if (light <= 0.0031308) return light * 12.92;
  return 1.055 * root(power(light, 5), 12) - 0.055; // light^(1/2.4)
}

/** A unit quaternion, x y z w. */
export type Quaternion = readonly [x: number, y: number, z: number, w: number];

export const noRotation: Quaternion = [0, 0, 0, 1];

/** Rotation by an angle in radians about a unit axis, right-handed. */
export function turnAbout(axis: Vector, angle: number): Quaternion {
  const s = sine(angle / 2);
  return [axis[0] * s, axis[1] * s, axis[2] * s, cosine(angle / 2)];
}

/** `second` after `first`. */
export function compose(second: Quaternion, first: Quaternion): Quaternion {
  const [ax, ay, az, aw] = second;
  const [bx, by, bz, bw] = first;
  return [aw * bx + ax * bw + ay * bz - az * by, aw * by - ax * bz + ay * bw + az * bx, aw * bz + ax * by - ay * bx + az * bw, aw * bw - ax * bx - ay * by - az * bz];
}

/** The columns of the rotation matrix: where the axes of the turned body point. */
export function axesOf([x, y, z, w]: Quaternion): [Vector, Vector, Vector] {
  return [
    [1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w)],
    [2 * (x * y - z * w), 1 - 2 * (x * x + z * z), 2 * (y * z + x * w)],
    [2 * (x * z + y * w), 2 * (y * z - x * w), 1 - 2 * (x * x + y * y)],
  ];
}

/** A vector of the body's frame in the world's. */
export function rotate(q: Quaternion, v: Vector): Vector {
  const [a, b, c] = axesOf(q);
  return [a[0] * v[0] + b[0] * v[1] + c[0] * v[2], a[1] * v[0] + b[1] * v[1] + c[1] * v[2], a[2] * v[0] + b[2] * v[1] + c[2] * v[2]];
}
