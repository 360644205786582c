/**
 * Whether a video that was made of a caption alone shows what the caption says: the objects of the named colours, and that
 * each moves as it is said to. Judged by the laboratory's detector against the truth that the caption was written from; the
 * true clip judged like the others says how far the judgement can be trusted. Shapes are not judged: at this size the detector
 * cannot tell a cube from a cylinder.
 */
import type { ColourName, LabTruth, TruthObject } from "../physics/index.ts";
import type { Clip } from "../video/index.ts";
import { distinctObjects } from "./alignment.ts";
import { trackObjects, type Track } from "./lab-detector.ts";

export const motions = ["stays", "left", "right", "up", "down", "to and fro"] as const;
export type Motion = (typeof motions)[number];

export interface SaidObject {
  name: string;
  /** Seen in at least half as many frames as it truly is. */
  present: boolean;
  motion: Motion;
  /** What it does in the made video; absent where it is not present. */
  made?: Motion;
}

export interface WordsAlignment {
  scenario: string;
  caption: string;
  objects: SaidObject[];
  /** All are there; all are there and move as they should. */
  allPresent: boolean;
  allMove: boolean;
}

/** Parts of the picture's side: below the first a thing stays where it is; a way back of the second is to and fro. */
const stir = 0.08;
const wayBack = 0.1;

/** What a path of places in parts of the picture does, on the whole. */
export function motionOf(path: readonly (readonly [x: number, y: number])[]): Motion {
  if (path.length < 2) return "stays";
  const range = (axis: 0 | 1): number => Math.max(...path.map((p) => p[axis])) - Math.min(...path.map((p) => p[axis]));
  const net = (axis: 0 | 1): number => path.at(-1)![axis] - path[0]![axis];
  const [dx, dy] = [range(0), range(1)];
  if (Math.max(dx, dy) < stir) return "stays";
  const axis = dx >= dy ? 0 : 1;
  if (axis === 0 && dx - Math.abs(net(0)) > wayBack) return "to and fro";
  if (axis === 0) return net(0) < 0 ? "left" : "right";
  // What falls may bounce: where it was highest first says more than where it ends.
  const highest = path.reduce((best, p, i) => (p[1] < path[best]![1] ? i : best), 0);
  return Math.abs(net(1)) < stir ? (highest === 0 ? "down" : "to and fro") : net(1) > 0 ? "down" : "up";
}

const seenPath = (track: Track, { width, height }: Clip): [number, number][] => track.flatMap((one) => (one ? [[one.centre[0] / width, one.centre[1] / height] as [number, number]] : []));

/** The true path, where it is mostly to be seen. */
const truePath = ({ track }: TruthObject, { width, height }: LabTruth): [number, number][] => track.filter(({ visibility }) => visibility >= 0.5).map(({ centre }) => [centre[0] / width, centre[1] / height]);

/** Undefined for a clip without an object of a colour of its own. */
export function alignWords(made: Clip, truth: LabTruth): WordsAlignment | undefined {
  const told = distinctObjects(truth).map((object) => ({ object, path: truePath(object, truth) })).filter(({ path }) => path.length >= 3);
  if (told.length === 0) return undefined;
  const tracks = trackObjects(made, told.map(({ object }) => object.colour as ColourName));
  const objects = told.map(({ object, path }): SaidObject => {
    const seen = seenPath(tracks.get(object.colour as ColourName)!, made);
    const present = seen.length >= path.length / 2;
    return { name: object.name, present, motion: motionOf(path), ...(present ? { made: motionOf(seen) } : {}) };
  });
  return {
    scenario: truth.scenario, caption: truth.captionShort, objects,
    allPresent: objects.every(({ present }) => present),
    allMove: objects.every(({ present, motion, made: does }) => present && does === motion),
  };
}

export interface WordsFigures {
  clips: number;
  /** Shares: objects that are there, objects that move as said; clips where all are there, and where all do. */
  present: number;
  moves: number;
  allPresent: number;
  allMove: number;
}

export function wordsFigures(all: readonly WordsAlignment[]): WordsFigures {
  const objects = all.flatMap((one) => one.objects);
  const share = <T>(list: readonly T[], test: (one: T) => boolean): number => (list.length === 0 ? 0 : list.filter(test).length / list.length);
  return {
    clips: all.length, present: share(objects, (o) => o.present), moves: share(objects, (o) => o.made === o.motion),
    allPresent: share(all, (one) => one.allPresent), allMove: share(all, (one) => one.allMove),
  };
}
