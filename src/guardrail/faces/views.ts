/**
 * How a picture is shown to a network that knows faces of some sizes only: whole and small for large faces, at a finer scale
 * for smaller ones, in overlapping tiles where that would be too large to look at in one piece. From a finer view only faces
 * are taken that are small in it: a face-like whole (a torso, a wall) is what the coarse view judges better.
 */
import type { Picture, Region } from "../../video/index.ts";
import { resample } from "../../video/index.ts";
import { areaOf, sharedArea, overlap, type Box, type FaceBox } from "./face.ts";

export interface View {
  /** Part of the picture that is shown. */
  region: Region;
  /** Size at which the network sees it. */
  width: number;
  height: number;
  /** Longest side of the faces that are taken from it, in pixels of the picture. */
  largest: number;
}

export interface ViewOptions {
  /** Shorter side of the smallest faces that are looked for, in pixels of the picture. */
  smallest: number;
  /** What the network needs of such a face, in pixels that it sees. */
  sees: number;
  /** Longest side of the coarse view, in which faces of every size are taken. */
  coarse: number;
  /** Longest side of a finer view; larger pictures are cut into tiles. */
  tile: number;
  /** Sides of views are multiples of this. */
  multiple: number;
  /** Longest side of a face that a finer view judges, in pixels that the network sees. */
  trusted: number;
}

/** The views of a picture of this size, the coarse one first. */
export function planViews(width: number, height: number, { smallest, sees, coarse, tile, multiple, trusted }: ViewOptions): View[] {
  const long = Math.max(width, height);
  const fit = (d: number, scale: number): number => Math.max(multiple, Math.round((d * scale) / multiple) * multiple);
  // A small picture is enlarged only as far as its smallest faces need it.
  const coarseScale = Math.min(coarse / long, Math.max(1, sees / smallest));
  const whole: Region = { left: 0, top: 0, width, height };
  const views: View[] = [{ region: whole, width: fit(width, coarseScale), height: fit(height, coarseScale), largest: Infinity }];
  const scale = sees / smallest;
  if (scale <= coarseScale * 1.1) return views;
  const largest = trusted / scale;
  // Tiles overlap by as much as the largest face that they are asked for.
  const across = cuts(width, tile / scale, largest);
  const down = cuts(height, tile / scale, largest);
  for (const [top, high] of down)
    for (const [left, wide] of across) views.push({ region: { left, top, width: wide, height: high }, width: fit(wide, scale), height: fit(high, scale), largest });
  return views;
}

/** Equal pieces of `length`, of at most `most`, that overlap by at least `shared` (or half a piece). */
function cuts(length: number, most: number, shared: number): [start: number, length: number][] {
  if (length <= most) return [[0, length]];
  const common = Math.min(shared, most / 2);
  const count = Math.ceil((length - common) / (most - common));
  const piece = Math.min(length, Math.ceil(most));
  return Array.from({ length: count }, (_, i) => [Math.round((i * (length - piece)) / (count - 1)), piece]);
}

/** Shows every view to `look` and brings what it finds together, most certain first. */
export async function lookThrough(picture: Picture, views: readonly View[], threshold: number, look: (shown: Picture, threshold: number) => Promise<FaceBox[]>): Promise<FaceBox[]> {
  const found: FaceBox[] = [];
  for (const { region, width, height, largest } of views) {
    const [byX, byY] = [region.width / width, region.height / height];
    for (const { box, score } of await look(resample(picture, width, height, { region }), threshold)) {
      const placed: Box = [region.left + box[0] * byX, region.top + box[1] * byY, region.left + box[2] * byX, region.top + box[3] * byY];
      if (Math.max(placed[2] - placed[0], placed[3] - placed[1]) <= largest) found.push({ score, box: placed });
    }
  }
  return suppress(found, 0.4, covers);
}

/** Like `overlap`, but also high where one box lies in the other: a tile's edge cuts faces. */
function covers(a: Box, b: Box): number {
  const smaller = Math.min(areaOf(a), areaOf(b));
  return smaller === 0 ? 0 : Math.max(overlap(a, b), (sharedArea(a, b) / smaller) * 0.5);
}

/** Of boxes that are alike by more than `most` the most certain stays. */
export function suppress(faces: readonly FaceBox[], most: number, alike: (a: Box, b: Box) => number = overlap): FaceBox[] {
  const kept: FaceBox[] = [];
  for (const face of faces.toSorted((a, b) => b.score - a.score)) if (kept.every((k) => alike(k.box, face.box) <= most)) kept.push(face);
  return kept;
}
