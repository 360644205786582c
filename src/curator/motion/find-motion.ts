/** Motion of one file, shot by shot: what `orrery motion` prints. */
import { silent, type Progress } from "../../progress.ts";
import { probeVideo, readAnalysis, type VideoInfo } from "../../video/index.ts";
import { shotMeter } from "../shots/features.ts";
import { shotsOf, type FrameRange } from "../shots/spans.ts";
import { shotDetector } from "../shots/stream.ts";
import { smallSize } from "../small.ts";
import { motionMeter, type MotionStep } from "./meter.ts";
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
export async function findMotion(path: string, { rules = defaultMotionRules, progress = silent, signal }: { rules?: MotionRules; progress?: Progress; signal?: AbortSignal | undefined } = {}): Promise<Motion> {
  const info = await probeVideo(path, { signal });
  const [features, detector, meter] = [shotMeter(), shotDetector(), motionMeter(info.width / info.height)];
  const times: number[] = [];
  const steps: MotionStep[] = [];
  const warnings: string[] = [];
  const total = info.frameCount ?? Math.round(info.durationS * info.fps);
  for await (const { index, timeS, small } of readAnalysis(info, { small: smallSize, signal, onWarning: ({ message }) => warnings.push(message) })) {
    detector.push(features(small));
    const step = meter(small, index, timeS);
    if (step) steps.push(step);
    times.push(timeS);
    if (index % 25 === 0) progress({ stage: "measuring motion", done: index, total, unit: "frames" });
  }
  progress({ stage: "measuring motion", done: times.length, total: times.length, unit: "frames" });
  const shots = shotsOf(detector.finish(), times.length).map((range): ShotMotion => ({
    ...range,
    startS: times[range.firstFrame]!,
    endS: times[range.lastFrame + 1] ?? times[range.lastFrame]! + 1 / info.fps,
    ...describeMotion(stepsWithin(steps, range), rules),
  }));
  return { info, shots, warnings };
}
