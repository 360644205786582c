/** Shots of one file, by itself: what `orrery shots` prints. */
import { probeVideo, readAnalysis, type VideoInfo } from "../../video/index.ts";
import { silent, type Progress } from "../../progress.ts";
import { smallSize } from "../small.ts";
import type { Transition } from "./detector.ts";
import { shotMeter } from "./features.ts";
import { shotsOf, timesOf, type FrameRange } from "./spans.ts";
import { shotDetector } from "./stream.ts";

export interface Shots {
  info: VideoInfo;
  frameCount: number;
  transitions: readonly (Transition & { ptsS: number })[];
  shots: readonly (FrameRange & { startS: number; endS: number })[];
  warnings: readonly string[];
}

/** Decodes a file once and finds its boundaries. Throws as `readAnalysis`. */
export async function findShots(path: string, { progress = silent, signal }: { progress?: Progress; signal?: AbortSignal | undefined } = {}): Promise<Shots> {
  const info = await probeVideo(path, { signal });
  const meter = shotMeter();
  const detector = shotDetector();
  const times: number[] = [];
  const warnings: string[] = [];
  const total = info.frameCount ?? Math.round(info.durationS * info.fps);
  for await (const { index, timeS, small } of readAnalysis(info, { small: smallSize, signal, onWarning: ({ message }) => warnings.push(message) })) {
    detector.push(meter(small));
    times.push(timeS);
    if (index % 50 === 0) progress({ stage: "finding shots", done: index, total, unit: "frames" });
  }
  progress({ stage: "finding shots", done: times.length, total: times.length, unit: "frames" });
  const transitions = detector.finish().map((one) => ({ ...one, ptsS: times[one.frame]! }));
  const shots = shotsOf(transitions, times.length).map((range) => ({ ...range, ...timesOf(range, times, info.fps) }));
  return { info, frameCount: times.length, transitions, shots, warnings };
}
