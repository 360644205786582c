/** Clips of a source with everything that is known of them: computed from its analysis in a moment, for any settings. */
import { clipId } from "../dataset/index.ts";
import type { Analysis } from "./analysis/analysis.ts";
import type { DuplicateClip } from "./dedup/duplicates.ts";
import { stepsWithin } from "./motion/find-motion.ts";
import { describeMotion, type ClipMotion } from "./motion/tags.ts";
import { detailsWithin } from "./quality/find-quality.ts";
import { scoreQuality, type ClipQuality, type Defects } from "./quality/score.ts";
import { smallDefects, type SmallWindow } from "./quality/small-meter.ts";
import type { CurateSettings } from "./settings.ts";
import { clipRanges, shotsOf, strideOf, timesOf, type FrameRange } from "./shots/spans.ts";
import type { Source } from "./sources.ts";

export interface CandidateClip extends FrameRange {
  /** The reference's id: UUID5 of source and times. */
  id: string;
  source: Source;
  startS: number;
  endS: number;
  motion: ClipMotion;
  quality: ClipQuality;
  /** Shares of repeated frames, and of the picture under bars and overlays. */
  film: Pick<Defects, "freeze" | "letterbox" | "overlay">;
  /** Mean luma, 0..255. */
  brightness: number;
  duplicate: DuplicateClip;
}

/** The clips that the settings make of a source, in order. `shots` counts its shots, those too short for a clip included. */
export function candidateClips(source: Source, analysis: Analysis, settings: CurateSettings): { clips: CandidateClip[]; shots: number } {
  const { info } = source;
  const { times } = analysis;
  const { method, strideS, ...rules } = settings.split;
  const shots = method === "shots" ? shotsOf(analysis.transitions, times.length) : strideOf(times.length, info.fps, strideS);
  const ranges = clipRanges(shots, info.fps, method === "shots" ? rules : { ...rules, cropS: 0 });
  return { shots: shots.length, clips: ranges.map((range) => candidate(source, analysis, settings, range)) };
}

function candidate(source: Source, analysis: Analysis, settings: CurateSettings, range: FrameRange): CandidateClip {
  const { info, path } = source;
  const { times, steps, details, windows, descriptors } = analysis;
  const { firstFrame, lastFrame } = range;
  const { startS, endS } = timesOf(range, times, info.fps);
  const features = detailsWithin(details, range);
  const film = smallDefects(windows, firstFrame, lastFrame);
  const quality = scoreQuality(features, film);
  const middle = (of: (f: (typeof features)[number]) => number, none: number): number => (features.length > 0 ? features.map(of).sort((a, b) => a - b)[features.length >> 1]! : none);
  const id = clipId(path, startS, endS);
  const frames = descriptors.filter((d) => d.index >= firstFrame && d.index <= lastFrame);
  return {
    ...range, id, source, startS, endS, quality, film,
    brightness: middle((f) => f.brightness, 0),
    motion: describeMotion(stepsWithin(steps, range), settings.motion.rules),
    duplicate: {
      id, frames, bars: barsWithin(windows, range), pixels: info.width * info.height, quality: quality.score, durationS: endS - startS,
      blur: middle((f) => f.blur, 1),
    },
  };
}

function barsWithin(windows: readonly SmallWindow[], { firstFrame, lastFrame }: FrameRange): SmallWindow["bars"] {
  const covered = windows.filter((w) => w.firstFrame <= lastFrame && w.lastFrame >= firstFrame);
  const least = (side: keyof SmallWindow["bars"]): number => Math.min(1, ...covered.map((w) => w.bars[side])) * (covered.length > 0 ? 1 : 0);
  const bars = { top: least("top"), bottom: least("bottom"), left: least("left"), right: least("right") };
  // A dark scene is no frame around nothing.
  return bars.top + bars.bottom > 0.6 || bars.left + bars.right > 0.6 ? { top: 0, bottom: 0, left: 0, right: 0 } : bars;
}
