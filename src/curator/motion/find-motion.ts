/** Motion of one file, shot by shot: what `orrery motion` prints. */
import type { Progress } from "../../progress.ts";
import { probeVideo, type VideoInfo } from "../../video/index.ts";
import { analyse } from "../analysis/analysis.ts";
import { shotsOf, timesOf, type FrameRange } from "../shots/spans.ts";
import type { MotionStep } from "./meter.ts";
import { defaultMotionRules, describeMotion, type ClipMotion, type MotionRules } from "./tags.ts";

export interface ShotMotion extends FrameRange, ClipMotion {
  startS: number;
  endS: number;
}

export interface Motion {
  info: VideoInfo;
  shots: readonly ShotMotion[];
  warnings: readonly string[];
}

/** Steps whose two frames lie in a range. */
export const stepsWithin = (steps: readonly MotionStep[], { firstFrame, lastFrame }: FrameRange): MotionStep[] => steps.filter((s) => s.fromFrame >= firstFrame && s.toFrame <= lastFrame);

/** Decodes a file once and describes the movement of each of its shots. Throws as `readAnalysis`. */
export async function findMotion(path: string, { rules = defaultMotionRules, ...options }: { rules?: MotionRules; progress?: Progress; signal?: AbortSignal | undefined } = {}): Promise<Motion> {
  const info = await probeVideo(path, { signal: options.signal });
  const { transitions, times, steps, warnings } = await analyse(info, options);
  const shots = shotsOf(transitions, times.length).map((range): ShotMotion => ({ ...range, ...timesOf(range, times, info.fps), ...describeMotion(stepsWithin(steps, range), rules) }));
  return { info, shots, warnings };
}
