/**
 * The laboratory's own detector: from pixels to the objects that the laboratory draws, without a network. A table says for
 * each colour of a pixel which object's colour it most likely is (counted on clips of the training split by
 * `benchmarks/physics/fit-detector.mjs`); what hangs together is an object. It judges generated clips, so how well it does on
 * true ones is measured in `benchmarks/physics`. It knows the palette of `physics/` and is of no use on other footage.
 */
import { readFileSync } from "node:fs";
import { inflateRawSync } from "node:zlib";
import { colourNames, type ColourName } from "../physics/index.ts";
import { frameAt, type Clip, type Picture } from "../video/index.ts";

export interface Detection {
  colour: ColourName;
  /** Pixels. */
  area: number;
  centre: [x: number, y: number];
  /** Left, top, right, bottom, all inclusive. */
  box: [number, number, number, number];
  /** Indices of its pixels. */
  pixels: number[];
}

let table: Uint8Array | undefined;

/** For each pixel 0 (the room) or 1 + the place of a colour in the palette. */
function labelsOf({ pixels }: Picture): Uint8Array {
  table ??= inflateRawSync(readFileSync(new URL("./lab-colours.bin", import.meta.url)));
  const labels = new Uint8Array(pixels.length / 3);
  for (let i = 0; i < labels.length; i++) labels[i] = table[((pixels[i * 3]! >> 3) << 10) | ((pixels[i * 3 + 1]! >> 3) << 5) | (pixels[i * 3 + 2]! >> 3)]!;
  return labels;
}

/** Smallest part of the picture that counts as an object: 5 pixels of 64 x 64. */
const leastPart = 5 / 4096;

/**
 * The objects in a picture, largest first. With `expected` only those colours are looked for, and of each the largest thing
 * counts with what lies near it: an object behind a rope or with marks is one.
 */
export function detectObjects(picture: Picture, expected?: readonly ColourName[]): Detection[] {
  const { width, height } = picture;
  const labels = labelsOf(picture);
  const wanted = new Set((expected ?? colourNames).map((name) => 1 + colourNames.indexOf(name)));
  const least = Math.max(3, leastPart * width * height);
  const found: Detection[] = [];
  const seen = new Uint8Array(labels.length);
  for (let start = 0; start < labels.length; start++) {
    if (seen[start] || !wanted.has(labels[start]!)) continue;
    const pixels = flood(labels, seen, start, width, height);
    found.push(describe(colourNames[labels[start]! - 1]!, pixels, width));
  }
  found.sort((a, b) => b.area - a.area);
  const objects: Detection[] = [];
  for (const part of found) {
    const near = objects.find((object) => object.colour === part.colour && gap(object.box, part.box) <= Math.max(1, 0.03 * width));
    if (near) Object.assign(near, describe(near.colour, [...near.pixels, ...part.pixels], width));
    else if (part.area >= least) objects.push(part);
  }
  return objects;
}

/** All pixels of the start's label that hang together with it, diagonals included. */
function flood(labels: Uint8Array, seen: Uint8Array, start: number, width: number, height: number): number[] {
  const pixels = [start];
  seen[start] = 1;
  for (let at = 0; at < pixels.length; at++) {
    const [x, y] = [pixels[at]! % width, Math.floor(pixels[at]! / width)];
    for (let ny = Math.max(0, y - 1); ny <= Math.min(height - 1, y + 1); ny++) {
      for (let nx = Math.max(0, x - 1); nx <= Math.min(width - 1, x + 1); nx++) {
        const next = ny * width + nx;
        if (seen[next] || labels[next] !== labels[start]) continue;
        seen[next] = 1;
        pixels.push(next);
      }
    }
  }
  return pixels;
}

function describe(colour: ColourName, pixels: number[], width: number): Detection {
  let [sumX, sumY] = [0, 0];
  const box: Detection["box"] = [Infinity, Infinity, -1, -1];
  for (const pixel of pixels) {
    const [x, y] = [pixel % width, Math.floor(pixel / width)];
    sumX += x + 0.5;
    sumY += y + 0.5;
    box[0] = Math.min(box[0], x);
    box[1] = Math.min(box[1], y);
    box[2] = Math.max(box[2], x);
    box[3] = Math.max(box[3], y);
  }
  return { colour, area: pixels.length, centre: [sumX / pixels.length, sumY / pixels.length], box, pixels };
}

/** Pixels between two boxes, 0 where they touch or meet. */
function gap(a: Detection["box"], b: Detection["box"]): number {
  return Math.max(0, a[0] - b[2] - 1, b[0] - a[2] - 1, a[1] - b[3] - 1, b[1] - a[3] - 1);
}

/** What is seen of one colour over a clip: a detection for each frame, or none. */
export type Track = (Detection | undefined)[];

/** Follows each expected colour: the largest thing of that colour, and where it was seen before, the nearest large one. */
export function trackObjects(clip: Clip, expected: readonly ColourName[]): Map<ColourName, Track> {
  const tracks = new Map<ColourName, Track>(expected.map((colour) => [colour, []]));
  for (let t = 0; t < clip.frameCount; t++) {
    const objects = detectObjects(frameAt(clip, t), expected);
    for (const [colour, track] of tracks) {
      const ofColour = objects.filter((object) => object.colour === colour);
      const last = track.findLast((one) => one !== undefined);
      const score = ({ area, centre }: Detection) => area / (1 + (last ? Math.hypot(centre[0] - last.centre[0], centre[1] - last.centre[1]) / (0.25 * clip.width) : 0));
      track.push(ofColour.sort((a, b) => score(b) - score(a))[0]);
    }
  }
  return tracks;
}
