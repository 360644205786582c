/**
 * What a scenario decides before anything moves: bodies, how they are tied, what drives them, the room, the light and the
 * camera. Plain data; `simulate.ts` moves it, `render/` draws it, `truth.ts` writes it down.
 *
 * Metres, kilograms, seconds. x to the right, y up from the floor at 0, z towards the camera; the back wall stands at
 * `room.wallZ`.
 */
import { length, type Vector } from "../video/vector.ts";
import type { Quaternion } from "./exact-math.ts";
import type { ColourName, FixtureColour, RoomColour } from "./palette.ts";

/** Convex solids. A cylinder's and a capsule's axis is their own y; a capsule's `half` is that of its straight part. */
export type Shape =
  | { readonly kind: "ball"; readonly radius: number }
  | { readonly kind: "box"; readonly half: Vector }
  | { readonly kind: "cylinder"; readonly radius: number; readonly half: number }
  | { readonly kind: "capsule"; readonly radius: number; readonly half: number };

/** `object`: what a clip is about, with a colour of its own. `fixture`: stands still. `tool`: moves as it is told (an arm). */
export type Role = "object" | "fixture" | "tool";

export interface Material {
  /** kg/m³ in proportion; only ratios matter without contact forces. */
  density: number;
  /** 0 dead .. 1 elastic; of a pair the larger counts. */
  restitution: number;
  /** Coulomb's coefficient; of a pair the smaller counts. */
  friction: number;
}

export interface Body {
  role: Role;
  /** What people call it: "ball", "cube", "ramp", "wall", "arm". */
  noun: string;
  colour: ColourName | FixtureColour;
  shape: Shape;
  position: Vector;
  rotation: Quaternion;
  velocity: Vector;
  spin: Vector;
  material: Material;
  /** Drag of the air and of rolling, 1/s. */
  linearDamping: number;
  angularDamping: number;
}

/** Ties a body to a fixed point of the world: a rope that never slackens. */
export interface Tether {
  body: number;
  pivot: Vector;
}

/** Where a tool is told to be, in m, at times in s; it eases from one to the next. */
export interface Drive {
  body: number;
  path: readonly { timeS: number; position: Vector }[];
}

/** From `fromS` to `untilS` the tool holds the object, if it touches it at `fromS`. */
export interface Grip {
  tools: readonly number[];
  object: number;
  fromS: number;
  untilS: number;
}

export type Pattern = "plain" | "checker" | "planks" | "tiles" | "speckle" | "stripes" | "gradient";

export interface Surface {
  colour: RoomColour;
  pattern: Pattern;
}

export interface Room {
  floor: Surface;
  wall: Surface;
  wallZ: number;
  /** Which of the textures with the same pattern. */
  textureSeed: number;
}

export interface Light {
  /** Unit vector from the room to the lamp. */
  direction: Vector;
  /** Linear RGB of the lamp and of the light that comes from everywhere. */
  lamp: Vector;
  sky: Vector;
  /** "warm", "neutral", "cool". */
  name: string;
}

export const cameraMotions = ["static", "pan", "zoom", "shake", "orbit"] as const;
export type CameraMotion = (typeof cameraMotions)[number];

export interface CameraPlan {
  motion: CameraMotion;
  eye: Vector;
  target: Vector;
  /** Half the width in metres that is seen at the target, at least; a wide picture sees more. */
  halfView: number;
  /** -1 or 1: to the left or right, out or in. */
  sign: number;
  /** 0.5..1: how far. */
  amount: number;
  seed: number;
}

export interface Scene {
  scenario: string;
  gravity: number;
  bodies: Body[];
  tethers: Tether[];
  drives: Drive[];
  grips: Grip[];
  room: Room;
  light: Light;
  camera: CameraPlan;
}

/** A ball around a shape's centre that holds it all. */
export function boundingRadius(shape: Shape): number {
  switch (shape.kind) {
    case "ball":
      return shape.radius;
    case "box":
      return length(shape.half);
    case "cylinder":
      return Math.sqrt(shape.radius * shape.radius + shape.half * shape.half);
    case "capsule":
      return shape.radius + shape.half;
  }
}
