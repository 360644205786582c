/** Quality of one file, shot by shot: what `orrery quality` prints. */
import { silent, type Progress } from "../../progress.ts";
import { probeVideo, readAnalysis, type VideoInfo } from "../../video/index.ts";
import { shotMeter } from "../shots/features.ts";
import { shotsOf, type FrameRange } from "../shots/spans.ts";
import { shotDetector } from "../shots/stream.ts";
import { smallSize } from "../small.ts";
import { qualityOf, type QualityFeatures } from "./features.ts";
import { scoreQuality, type ClipQuality } from "./score.ts";
import { smallDefects, smallMeter } from "./small-meter.ts";

export interface ShotQuality extends FrameRange, ClipQuality {
  startS: number;
  endS: number;
}

export interface Quality {
  info: VideoInfo;
  shots: readonly ShotQuality[];
  warnings: readonly string[];
}

/** Every how many frames one is looked at in full resolution: about once a second, and at least twice in a short file. */
export const detailEvery = (info: VideoInfo): number => Math.max(1, Math.round(info.fps * Math.min(1, info.durationS / 3)));

/** Decodes a file once and scores each of its shots. Throws as `readAnalysis`. */
export async function findQuality(path: string, { progress = silent, signal }: { progress?: Progress; signal?: AbortSignal | undefined } = {}): Promise<Quality> {
  const info = await probeVideo(path, { signal });
  const [features, detector, meter] = [shotMeter(), shotDetector(), smallMeter()];
  const details = new Map<number, QualityFeatures>();
  const times: number[] = [];
  const warnings: string[] = [];
  const total = info.frameCount ?? Math.round(info.durationS * info.fps);
  const detail = { every: detailEvery(info), take: (d: Parameters<typeof qualityOf>[0]) => void details.set(d.index, qualityOf(d)) };
  for await (const { index, timeS, small } of readAnalysis(info, { small: smallSize, detail, signal, onWarning: ({ message }) => warnings.push(message) })) {
    detector.push(features(small));
    meter.push(small, index, timeS);
    times.push(timeS);
    if (index % 25 === 0) progress({ stage: "measuring quality", done: index, total, unit: "frames" });
  }
  progress({ stage: "measuring quality", done: times.length, total: times.length, unit: "frames" });
  const windows = meter.finish();
  const shots = shotsOf(detector.finish(), times.length).map((range): ShotQuality => ({
    ...range,
    startS: times[range.firstFrame]!,
    endS: times[range.lastFrame + 1] ?? times[range.lastFrame]! + 1 / info.fps,
    ...scoreQuality(detailsWithin(details, range), smallDefects(windows, range.firstFrame, range.lastFrame)),
  }));
  return { info, shots, warnings };
}

/** Features of the frames looked at within a range; of the nearest one where it holds none. */
export function detailsWithin(details: ReadonlyMap<number, QualityFeatures>, { firstFrame, lastFrame }: FrameRange): QualityFeatures[] {
  const inside = [...details].filter(([index]) => index >= firstFrame && index <= lastFrame).map(([, features]) => features);
  if (inside.length > 0 || details.size === 0) return inside;
  const distance = (index: number): number => Math.max(firstFrame - index, index - lastFrame);
  return [[...details].reduce((a, b) => (distance(b[0]) < distance(a[0]) ? b : a))[1]];
}
