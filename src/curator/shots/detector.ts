/**
 * Shot boundaries without a model: hard cuts by the content difference against its neighbourhood (the idea of PySceneDetect's
 * AdaptiveDetector), fades by runs of flat frames, dissolves by frames that lie on the line between two others (the twin
 * comparison of Zhang et al. 1993, with a linearity test in place of its second threshold). Flashes, whip pans and damaged
 * frames look like cuts and are told apart. Lengths of shots are not this file's business (`spans.ts`).
 */
import { changedShare, lumaDistance, sceneCorrelation, type ShotFeatures } from "./features.ts";
import { findDissolves } from "./dissolves.ts";

export type TransitionType = "hard" | "fade" | "dissolve";

export interface Transition {
  type: TransitionType;
  /** First frame of the new shot: behind the flat frames of a fade, where the new shot begins to show in a dissolve. */
  frame: number;
  /** First and last frame that belong to neither shot alone; `frame` > `lastFrame` means there is none (a clean cut). */
  firstFrame: number;
  lastFrame: number;
  /** 0..1, how sure. */
  score: number;
}

/** Below this deviation of luma (0..255) a frame shows nothing. */
const flat = 3.5;
/** Frames before and behind that make the neighbourhood of a cut. */
const reach = 3;
/** How many times its neighbourhood's difference a cut has at least. */
const cutRatio = 2.9;
/** Correlation of two neighbouring frames, moved as fits best, above which they show one scene. */
const sameScene = 0.75;
/** Longest ramp of a fade, in frames. */
const longestRamp = 60;

/** Transitions among consecutive frames; numbers are positions in `frames`. */
export function findTransitions(frames: readonly ShotFeatures[]): Transition[] {
  const fades = findFades(frames);
  const cuts = findCuts(frames).filter((cut) => !fades.some((fade) => overlaps(cut, fade, 1)));
  const sure = [...fades, ...cuts];
  const dissolves = findDissolves(frames, cuts.map((cut) => cut.frame)).filter((d) => !sure.some((one) => overlaps(d, one, 2)));
  return [...sure, ...dissolves].sort((a, b) => a.frame - b.frame);
}

const overlaps = (a: Transition, b: Transition, margin: number): boolean => Math.min(a.firstFrame, a.frame) <= Math.max(b.lastFrame, b.frame) + margin && Math.min(b.firstFrame, b.frame) <= Math.max(a.lastFrame, a.frame) + margin;

/** Runs of flat frames between two shots, with the ramps into and out of them. Flat frames at either end bound no shot. */
function findFades(frames: readonly ShotFeatures[]): Transition[] {
  const found: Transition[] = [];
  for (let start = 0; start < frames.length; start++) {
    if (frames[start]!.deviation >= flat) continue;
    let end = start;
    while (end + 1 < frames.length && frames[end + 1]!.deviation < flat) end++;
    if (start > 0 && end + 1 < frames.length) {
      const into = rampLength(frames, start - 1, -1);
      const out = rampLength(frames, end + 1, 1);
      const type = Math.max(into, out) >= 3 ? "fade" : "hard";
      found.push({ type, frame: end + 1, firstFrame: start - (type === "fade" ? into : 0), lastFrame: end + (type === "fade" ? out : 0), score: 1 });
    }
    start = end;
  }
  return found;
}

/** Frames from `at` on, in direction `step`, whose contrast still grows: the rest of a fade. */
function rampLength(frames: readonly ShotFeatures[], at: number, step: 1 | -1): number {
  let length = 0;
  for (let t = at; t >= 0 && t < frames.length && length < longestRamp; t += step) {
    const next = frames[t + step];
    if (!next || next.deviation < frames[t]!.deviation * 1.01 + 0.1) break;
    length++;
  }
  return length;
}

function findCuts(frames: readonly ShotFeatures[]): Transition[] {
  const found: Transition[] = [];
  for (let t = 1; t < frames.length; t++) {
    const score = cutScore(frames, t);
    if (score > 0) found.push({ type: "hard", frame: t, firstFrame: t, lastFrame: t - 1, score });
  }
  return found;
}

function cutScore(frames: readonly ShotFeatures[], t: number): number {
  const [now, before] = [frames[t]!, frames[t - 1]!];
  // Cuts to and from nothing belong to the run of flat frames.
  if (now.deviation < flat || before.deviation < flat) return 0;
  const contrast = (now.deviation + before.deviation) / 2;
  // Dark and flat footage changes by little when it cuts; its own contrast is the measure.
  const floor = 3 + 7 * Math.min(1, contrast / 55);
  if (now.content < floor) return 0;
  let around = 0;
  let neighbours = 0;
  for (let k = -reach; k <= reach; k++) {
    const other = frames[t + k];
    if (k === 0 || !other || t + k < 1) continue;
    // A neighbour that is as large is another cut close by, or the way back of a flash: it says nothing of the motion here.
    around += Math.min(other.content, now.content / 2);
    neighbours++;
  }
  const usual = neighbours > 0 ? around / neighbours : 0;
  const ratio = now.content / Math.max(usual, 1);
  if (ratio < cutRatio) return 0;
  const jump = lumaDistance(before.luma, now.luma);
  if (isFlash(frames, t, jump)) return 0;
  // A thing that flies past changes its own part of the picture; a cut changes most of it.
  if (changedShare(before.luma, now.luma, Math.min(10, Math.max(4, contrast / 4))) < 0.3) return 0;
  // The same scene, moved, zoomed or in another light: a whip of the camera, a repeated frame, a jump of the exposure.
  if (sceneCorrelation(before.luma, now.luma) > sameScene) return 0;
  return 1 - Math.exp(-((ratio / cutRatio - 1) + (now.content / floor - 1)) / 2 - 0.3);
}

/**
 * A flash, or a damaged frame: within a few frames the picture is again what it was before. True for both its edges.
 */
function isFlash(frames: readonly ShotFeatures[], t: number, jump: number): boolean {
  const alike = (a: ShotFeatures | undefined, b: ShotFeatures | undefined): boolean => a !== undefined && b !== undefined && lumaDistance(a.luma, b.luma) < 0.45 * jump;
  for (let k = 1; k <= 4; k++) {
    if (alike(frames[t - 1], frames[t + k])) return true;
    if (alike(frames[t], frames[t - 1 - k])) return true;
  }
  return false;
}
