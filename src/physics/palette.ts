/**
 * What the laboratory's things may look like: colours that people name alike, spread wide so that neither a small model nor
 * the laboratory's own detector confuses them, on floors and walls that are pale in colour. Written as sRGB, used as linear light.
 */
import type { Vector } from "../video/vector.ts";
import { toLinear } from "./exact-math.ts";

/** Colours of objects, sRGB bytes. */
export const objectColours = {
  red: [214, 40, 40],
  orange: [245, 130, 20],
  yellow: [250, 214, 30],
  green: [42, 160, 60],
  cyan: [40, 200, 215],
  blue: [38, 78, 215],
  purple: [132, 52, 178],
  pink: [244, 120, 178],
  white: [244, 244, 240],
  black: [28, 28, 32],
} as const satisfies Record<string, Vector>;

export type ColourName = keyof typeof objectColours;

export const colourNames = Object.keys(objectColours) as ColourName[];

/** Floors and walls: none is so strong that an object's colour would be lost on it. */
export const roomColours = {
  grey: [140, 142, 146],
  "light grey": [178, 180, 182],
  "dark grey": [92, 95, 102],
  beige: [190, 172, 146],
  brown: [140, 112, 88],
  "pale blue": [146, 164, 184],
  "pale green": [150, 170, 148],
  "pale red": [184, 148, 142],
} as const satisfies Record<string, Vector>;

export type RoomColour = keyof typeof roomColours;

export const roomColourNames = Object.keys(roomColours) as RoomColour[];

/** Things that are not objects: ramps, walls, ropes, arms. */
export const fixtureColours = {
  wood: [176, 132, 86],
  stone: [120, 118, 116],
  slate: [84, 96, 112],
  steel: [168, 174, 182],
  rope: [96, 78, 58],
} as const satisfies Record<string, Vector>;

export type FixtureColour = keyof typeof fixtureColours;

const linear = (colour: Vector): Vector => [toLinear(colour[0] / 255), toLinear(colour[1] / 255), toLinear(colour[2] / 255)];

const table = new Map<string, Vector>(
  Object.entries({ ...objectColours, ...roomColours, ...fixtureColours }).map(([name, colour]) => [name, linear(colour)]),
);

/** Linear light reflected by a named colour, 0..1. */
export function albedo(name: ColourName | RoomColour | FixtureColour): Vector {
  return table.get(name)!;
}
