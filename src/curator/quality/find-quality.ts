/** Quality of one file, shot by shot: what `orrery quality` prints. */
import type { Progress } from "../../progress.ts";
import { probeVideo, type VideoInfo } from "../../video/index.ts";
import { analyse } from "../analysis/analysis.ts";
import { shotsOf, timesOf, type FrameRange } from "../shots/spans.ts";
import type { QualityFeatures } from "./features.ts";
import { scoreQuality, type ClipQuality } from "./score.ts";
import { smallDefects } from "./small-meter.ts";

export interface ShotQuality extends FrameRange, ClipQuality {
  startS: number;
  endS: number;
}

export interface Quality {
  info: VideoInfo;
  shots: readonly ShotQuality[];
  warnings: readonly string[];
}

/** Decodes a file once and scores each of its shots. Throws as `readAnalysis`. */
export async function findQuality(path: string, options: { progress?: Progress; signal?: AbortSignal | undefined } = {}): Promise<Quality> {
  const info = await probeVideo(path, { signal: options.signal });
  const { transitions, times, details, windows, warnings } = await analyse(info, options);
  const shots = shotsOf(transitions, times.length).map((range): ShotQuality => ({
    ...range, ...timesOf(range, times, info.fps), ...scoreQuality(detailsWithin(details, range), smallDefects(windows, range.firstFrame, range.lastFrame)),
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
