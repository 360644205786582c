/** The empty room: where a ray meets floor or wall, and how that looks. */
import type { Vector } from "../../video/vector.ts";
import type { Room } from "../scene.ts";
import { floorTexture, wallTexture } from "./texture.ts";

export interface Ground {
  x: number; y: number; z: number;
  nx: number; ny: number; nz: number;
  /** Linear RGB. */
  colour: Float64Array;
}

/** A function that finds what a ray from `eye` meets; it answers with the same object each time. */
export function makeGround(room: Room): (eye: Vector, dx: number, dy: number, dz: number) => Ground {
  const floor = floorTexture(room);
  const wall = wallTexture(room);
  const found: Ground = { x: 0, y: 0, z: 0, nx: 0, ny: 0, nz: 0, colour: new Float64Array(3) };
  return (eye, dx, dy, dz) => {
    const toFloor = dy < 0 ? -eye[1] / dy : Infinity;
    // The wall is as high as can be seen; a ray that never meets it ends far away.
    const toWall = dz < 0 ? (room.wallZ - eye[2]) / dz : 1e4;
    const t = Math.min(toFloor, toWall);
    found.x = eye[0] + dx * t;
    found.y = eye[1] + dy * t;
    found.z = eye[2] + dz * t;
    found.nx = 0;
    if (toFloor <= toWall) {
      found.ny = 1;
      found.nz = 0;
      floor(found.x, found.z, found.colour);
    } else {
      found.ny = 0;
      found.nz = 1;
      wall(found.x, found.y, found.colour);
      // A line of shade where wall and floor meet grounds the picture.
      const corner = 0.8 + 0.2 * Math.min(1, Math.max(0, found.y) / 0.5);
      for (let c = 0; c < 3; c++) found.colour[c]! *= corner;
    }
    return found;
  };
}
