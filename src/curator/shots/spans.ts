/**
 * From boundaries to clips, with the rules and defaults of cosmos-curator's TransNetV2 stage
 * (`cosmos_curator/pipelines/video/clipping/transnetv2_extraction_stages.py`): a shot longer than the maximum is cut into
 * pieces or truncated, half a second is dropped at both ends, and what is too short then is no clip. Unlike there, the last
 * frame is not lost and frames of a transition belong to no clip.
 */
import type { Transition } from "./detector.ts";

export interface SpanRules {
  minLengthS: number;
  minLengthFrames: number;
  maxLengthS: number;
  /** What becomes of a longer shot: pieces of the maximum, or its first piece only. */
  maxLengthMode: "stride" | "truncate";
  /** Dropped at both ends of a shot that was cut. */
  cropS: number;
}

export const defaultSpanRules: SpanRules = { minLengthS: 2, minLengthFrames: 48, maxLengthS: 60, maxLengthMode: "stride", cropS: 0.5 };

/** Frames, 0-based and inclusive. */
export interface FrameRange {
  firstFrame: number;
  lastFrame: number;
}

/** What lies between the transitions of a video of `frameCount` frames; empty stretches are left out. */
export function shotsOf(transitions: readonly Transition[], frameCount: number): FrameRange[] {
  const shots: FrameRange[] = [];
  let firstFrame = 0;
  for (const one of transitions) {
    const lastFrame = Math.min(one.frame, one.firstFrame) - 1;
    if (lastFrame >= firstFrame) shots.push({ firstFrame, lastFrame });
    firstFrame = Math.max(one.frame, one.lastFrame + 1);
  }
  if (frameCount - 1 >= firstFrame) shots.push({ firstFrame, lastFrame: frameCount - 1 });
  return shots;
}

/** When a range begins and ends, seconds; frames show until the next one does, the last for a frame's usual time. */
export const timesOf = ({ firstFrame, lastFrame }: FrameRange, times: ArrayLike<number>, fps: number): { startS: number; endS: number } => ({ startS: times[firstFrame]!, endS: times[lastFrame + 1] ?? times[lastFrame]! + 1 / fps });

/** Pieces of equal length, for footage whose shots do not matter; the last may be shorter. */
export function strideOf(frameCount: number, fps: number, strideS: number): FrameRange[] {
  const step = Math.max(1, Math.round(strideS * fps));
  return Array.from({ length: Math.ceil(frameCount / step) }, (_, k) => ({ firstFrame: k * step, lastFrame: Math.min(frameCount, (k + 1) * step) - 1 }));
}

/** Clips of the shots, in order: the maximum first, then the crop, then the minimum, as in the reference. */
export function clipRanges(shots: readonly FrameRange[], fps: number, rules: SpanRules): FrameRange[] {
  const longest = Math.max(1, Math.floor(rules.maxLengthS * fps));
  const crop = Math.floor(rules.cropS * fps);
  const shortest = Math.max(Math.ceil(rules.minLengthS * fps), rules.minLengthFrames, 1);
  const pieces = shots.flatMap((shot) => {
    const all = strideOf(shot.lastFrame - shot.firstFrame + 1, 1, longest).map((p) => ({ firstFrame: shot.firstFrame + p.firstFrame, lastFrame: shot.firstFrame + p.lastFrame }));
    return rules.maxLengthMode === "truncate" ? all.slice(0, 1) : all;
  });
  // A video in one take has nothing at its ends to be careful of.
  const margin = shots.length > 1 ? crop : 0;
  return pieces
    .map(({ firstFrame, lastFrame }) => ({ firstFrame: firstFrame + margin, lastFrame: lastFrame - margin }))
    .filter(({ firstFrame, lastFrame }) => lastFrame - firstFrame + 1 >= shortest);
}
