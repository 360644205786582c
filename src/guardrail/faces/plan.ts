/**
 * From what a detector saw in a video's frames to what is hidden in each of them, and the report of it. Pure arithmetic: the
 * same plan serves a clip in memory and a file of any length.
 */
import { OrreryError } from "../../errors.ts";
import type { Picture } from "../../video/index.ts";
import type { FaceDetector } from "./face.ts";
import { hideBox, hidingMethods, isLargeEnough, widen, type HidingMethod } from "./hide.ts";
import { trackFaces, type BoxOrigin, type SeenFrame, type TrackedBox } from "./tracks.ts";

export interface HidingOptions {
  /** Default "pixelate". */
  method?: HidingMethod;
  /** Shorter side in pixels from which a face is hidden. Default 20. */
  minSize?: number;
  /** Part of a face's size that is hidden around it on every side. Default 0.1; the reference has none. */
  margin?: number;
  /** Score from which a face is taken for one. Default: the detector's own. */
  threshold?: number | undefined;
  /** Longest time for which a detector may lose a face in between, in seconds. Default 0.5. */
  gapS?: number;
  /** The detector looks at one of so many frames, and at more where faces come, go or move fast (`look.ts`). Default 4; 1 is all. */
  every?: number;
  /** Time before a face's first and after its last detection in which it stays hidden, in seconds. Default 0.2. */
  holdS?: number;
}

export type ResolvedHiding = Required<HidingOptions> & { threshold: number; keep: number };

const defaults = { method: "pixelate", minSize: 20, margin: 0.1, gapS: 0.5, holdS: 0.2, every: 4 } as const;

/** A face that was sure once is followed while it has at least this part of the threshold. */
const keepPart = 0.5;

/** Frames in between are kept in memory. */
const mostEvery = 32;

/** Fills in what was left out. @throws `bad_argument`. */
export function resolveHiding(options: HidingOptions, detector: Pick<FaceDetector, "threshold">): ResolvedHiding {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as HidingOptions;
  const resolved = { ...defaults, threshold: detector.threshold, ...given };
  const bad = (what: string): OrreryError => new OrreryError("bad_argument", what);
  if (!hidingMethods.includes(resolved.method)) throw bad(`method "${resolved.method}" was given; expected one of ${hidingMethods.join(", ")}`);
  if (!(resolved.threshold > 0 && resolved.threshold <= 1)) throw bad(`a threshold of ${resolved.threshold} was given; expected a score above 0 and up to 1`);
  for (const [name, most] of [["minSize", 16_384], ["margin", 4], ["gapS", 60], ["holdS", 60]] as const)
    if (!(resolved[name] >= 0 && resolved[name] <= most)) throw bad(`${name} ${resolved[name]} was given; expected a number from 0 to ${most}`);
  if (!(Number.isInteger(resolved.every) && resolved.every >= 1 && resolved.every <= mostEvery)) throw bad(`every ${resolved.every} was given; expected a whole number from 1 (every frame) to ${mostEvery}`);
  return { ...resolved, keep: resolved.threshold * keepPart };
}

/** One face over time, as the report tells of it. */
export interface TrackSummary {
  track: number;
  /** 0-based, both included. */
  firstFrame: number;
  lastFrame: number;
  /** In how many frames the detector saw it, and in how many it was hidden without being seen. */
  seen: number;
  filled: number;
  held: number;
  /** Shorter sides of its smallest and largest box, in pixels. */
  smallest: number;
  largest: number;
  /** The detector's best score. */
  score: number;
  /** False for a face that stays below `minSize`. */
  hidden: boolean;
}

/** What was found and done: written beside a video, and part of a generation's record. */
export interface FaceReport {
  detector: { model: string; version: string; threshold: number };
  method: HidingMethod;
  minSize: number;
  margin: number;
  gapFrames: number;
  holdFrames: number;
  width: number;
  height: number;
  fps: number;
  frames: number;
  /** Frames that the detector looked at. */
  framesLookedAt: number;
  /** Frames in which at least one face was hidden, and those among them where the detector saw none of it or was not asked. */
  framesHidden: number;
  framesOnlyFilled: number;
  tracks: TrackSummary[];
  /** By frame number: every box, as [track, left, top, right, bottom, how it came about]. Frames without faces are left out. */
  boxes: Record<number, [track: number, left: number, top: number, right: number, bottom: number, origin: BoxOrigin][]>;
}

export interface FacePlan {
  /** What to hide in each frame, before the margin. */
  boxes: readonly (readonly TrackedBox[])[];
  report: FaceReport;
}

/** Decides what is hidden where. `seen` is the whole video. */
export function planHiding(seen: readonly SeenFrame[], { width, height, fps }: { width: number; height: number; fps: number }, detector: Pick<FaceDetector, "model" | "version">, options: ResolvedHiding): FacePlan {
  const { threshold, keep, minSize, method, margin } = options;
  const gapFrames = Math.round(options.gapS * fps);
  const holdFrames = Math.round(options.holdS * fps);
  const tracked = trackFaces(seen, { threshold, keep, gap: Math.max(1, gapFrames), hold: holdFrames });
  const tracks = summarize(tracked.boxes, tracked.tracks, minSize);
  // A face that is large enough once is hidden for as long as it is followed, lest it flickers around the limit.
  const boxes = tracked.boxes.map((frame) => frame.filter(({ track }) => tracks[track]!.hidden));
  const round = (v: number): number => Math.round(v * 10) / 10;
  return {
    boxes,
    report: {
      detector: { model: detector.model, version: detector.version, threshold },
      method, minSize, margin, gapFrames, holdFrames, width, height, fps,
      frames: seen.length,
      framesLookedAt: seen.filter(({ looked }) => looked).length,
      framesHidden: boxes.filter((frame) => frame.length > 0).length,
      framesOnlyFilled: boxes.filter((frame) => frame.length > 0 && frame.every(({ origin }) => origin !== "seen")).length,
      tracks,
      boxes: Object.fromEntries(tracked.boxes.flatMap((frame, i) => (frame.length === 0 ? [] : [[i, frame.map(({ track, box, origin }) => [track, ...box.map(round), origin])]]))) as FaceReport["boxes"],
    },
  };
}

function summarize(boxes: readonly (readonly TrackedBox[])[], count: number, minSize: number): TrackSummary[] {
  const all = Array.from({ length: count }, (_, track): TrackSummary => ({ track, firstFrame: Infinity, lastFrame: -1, seen: 0, filled: 0, held: 0, smallest: Infinity, largest: 0, score: 0, hidden: false }));
  boxes.forEach((frame, i) => {
    for (const { track, box, score, origin } of frame) {
      const summary = all[track]!;
      const side = Math.min(box[2] - box[0], box[3] - box[1]);
      summary.firstFrame = Math.min(summary.firstFrame, i);
      summary.lastFrame = i;
      summary[origin] += 1;
      if (origin !== "seen") continue;
      summary.smallest = Math.min(summary.smallest, Math.round(side));
      summary.largest = Math.max(summary.largest, Math.round(side));
      summary.score = Math.max(summary.score, Math.round(score * 1000) / 1000);
      summary.hidden ||= isLargeEnough(box, minSize);
    }
  });
  return all;
}

/** Writes over the faces of one frame, in place. */
export function hideFrame(picture: Picture, boxes: readonly TrackedBox[], { method, margin }: Pick<ResolvedHiding, "method" | "margin">): void {
  for (const { box } of boxes) hideBox(picture, widen(box, margin), method);
}
