/**
 * Faces over time. A detector that misses a face in a single frame would show it, so detections are joined into tracks and
 * every track is hidden without interruption: between two detections by a box around both or, over longer ways, an interpolated one, before the first and after the
 * last it goes on for a while as it moved. Doubtful detections cannot begin a track but keep one alive (Zhang et al. 2022,
 * "ByteTrack"). Where the picture cuts to another shot every track ends: what is there then is another scene.
 *
 * All of it is arithmetic on boxes: the whole video's detections go in, the boxes to hide in each frame come out.
 */
import { overlap, type Box, type FaceBox } from "./face.ts";

/** What the detector said of one frame. */
export interface SeenFrame {
  /** Every face, doubtful ones included. */
  faces: readonly FaceBox[];
  /** The first frame of another shot. */
  cut: boolean;
  /** Whether the detector looked at it; else `faces` is empty. */
  looked: boolean;
}

export interface TrackOptions {
  /** From this score on a detection begins a track. */
  threshold: number;
  /** From this score on a detection continues one. */
  keep: number;
  /** Longest gap between two detections of one track, in frames. */
  gap: number;
  /** Frames that a track goes on before its first and after its last detection. */
  hold: number;
}

/** How a box came about: seen by the detector, between two that were seen, or beyond the first or last of them. */
export type BoxOrigin = "seen" | "filled" | "held";

export interface TrackedBox {
  track: number;
  box: Box;
  score: number;
  origin: BoxOrigin;
}

interface Sighting extends FaceBox {
  frame: number;
}

interface Track {
  sightings: Sighting[];
}

/** Boxes to hide in each frame, most certain first, and how many tracks there are (numbered from 0 by first appearance). */
export function trackFaces(frames: readonly SeenFrame[], options: TrackOptions): { boxes: TrackedBox[][]; tracks: number } {
  const tracks = join(frames, options);
  const boxes: TrackedBox[][] = frames.map(() => []);
  const cuts = frames.flatMap((frame, i) => (frame.cut ? [i] : []));
  tracks.forEach((track, number) => spread(track, number, boxes, cuts, options.hold));
  for (const frame of boxes) frame.sort((a, b) => b.score - a.score);
  return { boxes, tracks: tracks.length };
}

function join(frames: readonly SeenFrame[], { threshold, keep, gap }: TrackOptions): Track[] {
  const all: Track[] = [];
  let active: Track[] = [];
  frames.forEach(({ faces, cut }, frame) => {
    active = cut ? [] : active.filter(({ sightings }) => frame - sightings.at(-1)!.frame <= gap);
    const free = new Set(faces.filter((face) => face.score >= keep));
    // Sure detections choose first, then doubtful ones fill what is left.
    for (const sure of [true, false]) {
      const candidates = [...free].filter((face) => face.score >= threshold === sure);
      const pairs = active
        .filter(({ sightings }) => sightings.at(-1)!.frame < frame)
        .flatMap((track) => candidates.map((face) => ({ track, face, fit: likeness(track, face, frame) })))
        .filter(({ fit }) => fit > 0)
        .sort((a, b) => b.fit - a.fit);
      for (const { track, face } of pairs) {
        if (!free.has(face) || track.sightings.at(-1)!.frame === frame) continue;
        track.sightings.push({ ...face, frame });
        free.delete(face);
      }
    }
    for (const face of free) {
      if (face.score < threshold) continue;
      const track = { sightings: [{ ...face, frame }] };
      all.push(track);
      active.push(track);
    }
  });
  return all;
}

const sizeOf = ([left, top, right, bottom]: Box): number => Math.sqrt(Math.max(0, right - left) * Math.max(0, bottom - top));

/** Sizes that a face may move in each frame in which it is lost, and in all. */
const [fastest, farthest] = [0.15, 2.5];

/**
 * How well a face continues a track, 0 for not at all: the overlap with where the track would be by now or was last, or for
 * faces that jump by more than their size within a gap, the nearness of the centres. Joining too much hides too much, joining
 * too little shows a face.
 */
function likeness({ sightings }: Track, face: FaceBox, frame: number): number {
  const last = sightings.at(-1)!;
  const expected = extrapolate(sightings, frame);
  const shared = Math.max(overlap(expected, face.box), overlap(last.box, face.box));
  if (shared >= 0.1) return 1 + shared;
  const [mine, theirs] = [sizeOf(last.box), sizeOf(face.box)];
  if (mine === 0 || theirs === 0 || Math.max(mine, theirs) > 2 * Math.min(mine, theirs)) return 0;
  const away = Math.min(distance(expected, face.box), distance(last.box, face.box)) / mine;
  const reach = Math.min(farthest, 1 + fastest * (frame - last.frame - 1));
  return away < reach ? 1 - away / reach : 0;
}

const distance = (a: Box, b: Box): number => Math.hypot(a[0] + a[2] - b[0] - b[2], a[1] + a[3] - b[1] - b[3]) / 2;

const mix = (a: Box, b: Box, part: number): Box => [0, 1, 2, 3].map((i) => a[i]! + (b[i]! - a[i]!) * part) as unknown as Box;

/** Sightings that a velocity is measured over. */
const velocityOver = 4;

/** Where a face is at `frame`, moving on as over its last sightings; its size stays. */
function extrapolate(sightings: readonly Sighting[], frame: number): Box {
  const last = sightings.at(-1)!;
  const before = sightings.at(-Math.min(velocityOver, sightings.length))!;
  if (before === last) return last.box;
  const steps = (frame - last.frame) / (last.frame - before.frame);
  const [x, y] = [0, 1].map((i) => ((last.box[i]! + last.box[i + 2]! - before.box[i]! - before.box[i + 2]!) / 2) * steps) as [number, number];
  return [last.box[0] + x, last.box[1] + y, last.box[2] + x, last.box[3] + y];
}

/** The smallest box around two. */
const around = (a: Box, b: Box): Box => [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])];

/** A face that moved by less than this part of its size is hidden wherever it can have been in between. */
const still = 0.5;

/** Where a face can have been between two sightings: in all of the way, if that is short, or where it would be by then. */
function between(here: Sighting, next: Sighting, frame: number): Box {
  if (distance(here.box, next.box) <= still * sizeOf(here.box)) return around(here.box, next.box);
  return mix(here.box, next.box, (frame - here.frame) / (next.frame - here.frame));
}

/** Puts a track's boxes into the frames: what was seen, what lies between, and what is held at both ends up to a cut. */
function spread({ sightings }: Track, track: number, boxes: TrackedBox[][], cuts: readonly number[], hold: number): void {
  const put = (frame: number, box: Box, score: number, origin: BoxOrigin): void => void boxes[frame]!.push({ track, box, score, origin });
  sightings.forEach((here, i) => {
    put(here.frame, here.box, here.score, "seen");
    const next = sightings[i + 1];
    if (!next) return;
    for (let frame = here.frame + 1; frame < next.frame; frame++) put(frame, between(here, next, frame), Math.min(here.score, next.score), "filled");
  });
  const first = sightings[0]!;
  const last = sightings.at(-1)!;
  const begin = Math.max(first.frame - hold, cuts.findLast((cut) => cut <= first.frame) ?? 0, 0);
  const end = Math.min(last.frame + hold, (cuts.find((cut) => cut > last.frame) ?? boxes.length) - 1, boxes.length - 1);
  // A face that is held may stand still as well as move on: both places are hidden.
  const reversed = sightings.slice(0, velocityOver).toReversed();
  for (let frame = begin; frame < first.frame; frame++) put(frame, around(extrapolate(reversed, frame), first.box), first.score, "held");
  for (let frame = last.frame + 1; frame <= end; frame++) put(frame, around(extrapolate(sightings, frame), last.box), last.score, "held");
}
