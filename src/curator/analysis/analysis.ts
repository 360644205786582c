/**
 * Everything that is measured of one source, in one decode: its boundaries, the camera's steps, quality, and the pictures by
 * which duplicates are found. An analysis knows no thresholds and no clips; those are decided from it, again and again if
 * need be, without opening the video (`../clips.ts`, `../decide.ts`).
 */
import { silent, type Progress } from "../../progress.ts";
import { readAnalysis, type VideoInfo } from "../../video/index.ts";
import { descriptorMeter, type FrameDescriptor } from "../dedup/descriptor.ts";
import { motionMeter, type MotionStep } from "../motion/meter.ts";
import { qualityOf, type QualityFeatures } from "../quality/features.ts";
import { smallMeter, type SmallWindow } from "../quality/small-meter.ts";
import type { Transition } from "../shots/detector.ts";
import { shotMeter } from "../shots/features.ts";
import { shotDetector } from "../shots/stream.ts";
import { smallSize } from "../small.ts";

/** To be raised when a measure changes: older analyses are then made again. */
export const analysisVersion = 1;

export interface Analysis {
  /** Seconds at which each frame shows, in decode order. */
  times: Float64Array;
  transitions: Transition[];
  steps: MotionStep[];
  /** By number of the frame that was looked at. */
  details: Map<number, QualityFeatures>;
  windows: SmallWindow[];
  descriptors: FrameDescriptor[];
  /** What the decoder complained of. */
  warnings: string[];
}

/** Every how many frames one is looked at in full resolution: about once a second, and at least twice in a short file. */
const detailEvery = (info: VideoInfo): number => Math.max(1, Math.round(info.fps * Math.min(1, info.durationS / 3)));

/** Decodes a source once and measures it, or only its first `mostFrames`. Throws as `readAnalysis`. */
export async function analyse(info: VideoInfo, { mostFrames = Infinity, progress = silent, signal }: { mostFrames?: number; progress?: Progress; signal?: AbortSignal | undefined } = {}): Promise<Analysis> {
  const [shots, detector, motion, films, looks] = [shotMeter(), shotDetector(), motionMeter(info.width / info.height), smallMeter(), descriptorMeter()];
  const times: number[] = [];
  const steps: MotionStep[] = [];
  const details = new Map<number, QualityFeatures>();
  const descriptors: FrameDescriptor[] = [];
  const warnings: string[] = [];
  const total = info.frameCount ?? Math.round(info.durationS * info.fps);
  const detail = { every: detailEvery(info), take: (d: Parameters<typeof qualityOf>[0]) => void details.set(d.index, qualityOf(d)) };
  for await (const { index, timeS, small } of readAnalysis(info, { small: smallSize, detail, signal, onWarning: ({ message }) => warnings.push(message) })) {
    times.push(timeS);
    detector.push(shots(small));
    const step = motion(small, index, timeS);
    if (step) steps.push(step);
    films.push(small, index, timeS);
    const look = looks(small, index, timeS);
    if (look) descriptors.push(look);
    if (index % 25 === 0) progress({ stage: "analysing", done: index, total, unit: "frames" });
    if (times.length >= mostFrames) break;
  }
  progress({ stage: "analysing", done: times.length, total: times.length, unit: "frames" });
  return { times: Float64Array.from(times), transitions: detector.finish(), steps, details, windows: films.finish(), descriptors, warnings };
}
