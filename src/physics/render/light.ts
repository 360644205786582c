/**
 * How much light a point gets past the solids: from the lamp, with shadows that are soft because a ray's way through a
 * solid counts and not only whether it meets one; and from all around, less where solids are near (after the solid angle
 * of a ball, as in Quilez's analytic ambient occlusion).
 */
import type { Vector } from "../../video/vector.ts";
import { findStretch, stretch, type Solid } from "./solid.ts";

/** Metres of a shadow ray inside a solid that make its shadow full, and how much it grows with the way to the solid. */
const softness = { least: 0.05, perMetre: 0.12 };

/** The part of the lamp that a point sees past the solids but the one numbered `self` (-1: past all), 0..1. */
export function lampShare(x: number, y: number, z: number, direction: Vector, solids: readonly Solid[], self: number): number {
  const lx = direction[0];
  const ly = direction[1];
  const lz = direction[2];
  let share = 1;
  for (let i = 0; i < solids.length; i++) {
    if (i === self) continue;
    const s = solids[i]!;
    const wx = s.x - x;
    const wy = s.y - y;
    const wz = s.z - z;
    const along = wx * lx + wy * ly + wz * lz;
    if (along < -s.bound || wx * wx + wy * wy + wz * wz - along * along > s.bound * s.bound) continue;
    if (!findStretch(s, x, y, z, lx, ly, lz) || stretch.far <= 0) continue;
    const near = Math.max(0, stretch.near);
    const dark = (stretch.far - near) / (softness.least + softness.perMetre * near);
    if (dark >= 1) return 0;
    share *= 1 - dark * dark * (3 - 2 * dark);
  }
  return share;
}

/** The part of the light from all around that a point with a normal sees past the solids but `self`, 0..1. */
export function opening(x: number, y: number, z: number, nx: number, ny: number, nz: number, solids: readonly Solid[], self: number): number {
  let open = 1;
  for (let i = 0; i < solids.length; i++) {
    if (i === self) continue;
    const s = solids[i]!;
    const wx = s.x - x;
    const wy = s.y - y;
    const wz = s.z - z;
    const squared = wx * wx + wy * wy + wz * wz;
    // As a ball of about the same size; from afar it covers too little to matter.
    const reach = s.round * s.round;
    if (squared > 16 * reach) continue;
    const slant = nx * wx + ny * wy + nz * wz;
    if (slant > 0) open *= 1 - Math.min(0.75, (slant * reach) / (squared * Math.sqrt(squared)));
  }
  return open;
}
