/** What scenarios are put together from: objects of nameable shape, materials, the room, the light, the camera. */
import { unit, type Vector } from "../../video/vector.ts";
import type { Draw } from "../draw.ts";
import { compose, noRotation, turnAbout, type Quaternion } from "../exact-math.ts";
import { colourNames, roomColourNames, type ColourName, type FixtureColour } from "../palette.ts";
import type { Body, CameraMotion, CameraPlan, Light, Material, Pattern, Room, Scene, Shape } from "../scene.ts";

export const materials = {
  rubber: { density: 900, restitution: 0.78, friction: 0.8 },
  wood: { density: 600, restitution: 0.3, friction: 0.5 },
  clay: { density: 1400, restitution: 0.02, friction: 0.9 },
  steel: { density: 3000, restitution: 0.45, friction: 0.35 },
  ice: { density: 900, restitution: 0.1, friction: 0.06 },
} as const satisfies Record<string, Material>;

/** What a scenario decides; the room, the light and the camera are added for all alike. */
export type Play = Pick<Scene, "bodies"> & Partial<Pick<Scene, "tethers" | "drives" | "grips">>;

export type Shaping = "ball" | "cube" | "cylinder" | "capsule" | "box";

/** Turns a body's own y axis to point along z: a cylinder that can roll to the side. */
export const lying: Quaternion = turnAbout([1, 0, 0], Math.PI / 2);

type Given = Partial<Omit<Body, "shape" | "noun" | "role">> & { shape: Shape; noun: string };

/** An object with everything that was not said at its default: at rest, upright, of wood. */
export function object(given: Given & { colour: ColourName; position: Vector }): Body {
  return { role: "object", rotation: noRotation, velocity: [0, 0, 0], spin: [0, 0, 0], material: materials.wood, linearDamping: 0.02, angularDamping: 0.15, ...given };
}

export function fixture(given: Given & { colour: FixtureColour; position: Vector }): Body {
  return { role: "fixture", rotation: noRotation, velocity: [0, 0, 0], spin: [0, 0, 0], material: { density: 1, restitution: 0, friction: 1 }, linearDamping: 0, angularDamping: 0, ...given };
}

export function tool(given: Given & { colour: FixtureColour; position: Vector }): Body {
  return { ...fixture(given), role: "tool" };
}

/** A shape by its everyday name; `size` is half its width. */
export function shapeOf(name: Shaping, size: number): Shape {
  switch (name) {
    case "ball":
      return { kind: "ball", radius: size };
    case "cube":
      return { kind: "box", half: [size, size, size] };
    case "box":
      return { kind: "box", half: [size * 1.25, size * 0.7, size] };
    case "cylinder":
      return { kind: "cylinder", radius: size * 0.85, half: size };
    case "capsule":
      return { kind: "capsule", radius: size * 0.62, half: size * 0.75 };
  }
}

/** Half the height of a shape that stands upright. */
export function halfHeight(shape: Shape): number {
  if (shape.kind === "ball") return shape.radius;
  if (shape.kind === "box") return shape.half[1];
  return shape.kind === "cylinder" ? shape.half : shape.half + shape.radius;
}

/** Half the width of a shape, seen from the front. */
export const halfWidth = (shape: Shape): number => (shape.kind === "box" ? shape.half[0] : shape.radius);

export const someColours = (draw: Draw, count: number): ColourName[] => draw.some(colourNames, count);

/** A turn about the vertical, so that boxes do not all face the camera. */
export const askew = (draw: Draw, most = 0.5): Quaternion => turnAbout([0, 1, 0], draw.between(-most, most));

export const tilted = (draw: Draw, most: number): Quaternion => compose(turnAbout([0, 0, 1], draw.between(-most, most)), compose(turnAbout([1, 0, 0], draw.between(-most, most)), askew(draw, most)));

/** Velocity and spin of something round that rolls along x without slipping. */
export const rolling = (speed: number, radius: number): { velocity: Vector; spin: Vector } => ({ velocity: [speed, 0, 0], spin: [0, 0, -speed / radius] });

const floorPatterns: readonly Pattern[] = ["plain", "plain", "checker", "tiles", "planks", "speckle"];
const wallPatterns: readonly Pattern[] = ["plain", "plain", "gradient", "stripes", "speckle"];

export function makeRoom(draw: Draw): Room {
  const [floor, wall] = draw.some(roomColourNames, 2);
  return {
    floor: { colour: floor!, pattern: draw.one(floorPatterns) },
    wall: { colour: wall!, pattern: draw.one(wallPatterns) },
    wallZ: -draw.between(2, 3),
    textureSeed: draw.whole(0, 1000),
  };
}

/** Lamp and sky by the names people give them. */
const lamps: Record<string, { lamp: Vector; sky: Vector }> = {
  warm: { lamp: [1.0, 0.88, 0.72], sky: [0.42, 0.42, 0.46] },
  neutral: { lamp: [0.95, 0.93, 0.9], sky: [0.42, 0.43, 0.45] },
  cool: { lamp: [0.82, 0.9, 1.0], sky: [0.44, 0.43, 0.42] },
};

export function makeLight(draw: Draw): Light {
  const name = draw.one(Object.keys(lamps));
  const strength = draw.between(0.8, 1.05);
  const { lamp, sky } = lamps[name]!;
  const direction = unit([draw.between(-0.7, 0.7), 1.25, draw.between(0.35, 0.9)]);
  return { name, direction, lamp: [lamp[0] * strength, lamp[1] * strength, lamp[2] * strength], sky };
}

export function makeCamera(draw: Draw, motion: CameraMotion): CameraPlan {
  const height = draw.between(1.5, 2.2);
  return {
    motion,
    eye: [draw.between(-0.7, 0.7), height, 6.4],
    target: [0, 0.95, 0],
    halfView: draw.between(1.62, 1.78),
    sign: draw.side(),
    amount: draw.between(0.6, 1),
    seed: draw.whole(0, 1_000_000),
  };
}
