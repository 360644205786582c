/**
 * Which clips stay. Every rule works on what was measured, so deciding again with other thresholds costs seconds; the first
 * rule that drops a clip names its reason. The last two look at the whole corpus and so wait for all clips: the share of the
 * worst of each resolution class, and duplicates.
 */
import type { CandidateClip } from "./clips.ts";
import { findDuplicates, type DuplicatePair } from "./dedup/duplicates.ts";
import { rankQuality, type Rank } from "./quality/rank.ts";
import type { CurateSettings } from "./settings.ts";

/** Why a clip was dropped, in the order in which the rules are asked. */
export const dropReasons = {
  too_small: "its shorter side is below the least",
  still: "neither the camera nor anything before it moves",
  too_shaky: "the camera shakes too much",
  frozen: "most of its frames repeat the one before",
  low_quality: "it is among the worst of its resolution class",
  duplicate: "another clip shows the same and stays",
} as const;

export type DropReason = keyof typeof dropReasons;

export interface Decision {
  clip: CandidateClip;
  keep: boolean;
  reason?: DropReason;
  /** The figure that decided, against its threshold: "jitter 0.31 > 0.2". */
  detail?: string;
  rank?: Rank;
  duplicateOf?: string;
}

export interface Decisions {
  /** In the order of the clips. */
  clips: Decision[];
  duplicates: DuplicatePair[];
}

/** Decides about all clips of a corpus. Does not depend on their order. */
export function decide(clips: readonly CandidateClip[], settings: CurateSettings): Decisions {
  const alone = new Map(clips.map((clip) => [clip.id, dropAlone(clip, settings)]));
  const passed = clips.filter(({ id }) => !alone.get(id));
  const ranks = rankQuality(passed.map(({ id, source: { info }, quality }) => ({ id, side: Math.min(info.width, info.height), score: quality.score })), settings.quality.cut);
  const good = passed.filter(({ id }) => !ranks.get(id)!.cut);
  const { enabled, ...rules } = settings.duplicates;
  const duplicates = enabled ? findDuplicates(good.map(({ duplicate }) => duplicate), rules) : [];
  const superfluous = new Map(duplicates.map((pair) => [pair.dropped, pair]));
  return {
    duplicates,
    clips: clips.map((clip): Decision => {
      const rank = ranks.get(clip.id);
      const drop = alone.get(clip.id);
      const pair = superfluous.get(clip.id);
      if (drop) return { clip, keep: false, ...drop };
      if (rank?.cut) return { clip, keep: false, rank, reason: "low_quality", detail: `score ${clip.quality.score.toFixed(3)}, ${clip.quality.worst}, percentile ${(100 * rank.percentile).toFixed(0)} of ${rank.class}` };
      if (pair) return { clip, keep: false, ...(rank ? { rank } : {}), reason: "duplicate", duplicateOf: pair.kept, detail: `${pair.reason} of ${pair.kept} (${pair.because})` };
      return { clip, keep: true, ...(rank ? { rank } : {}) };
    }),
  };
}

/** Rules that need the clip alone. */
function dropAlone({ source: { info }, motion, film }: CandidateClip, settings: CurateSettings): { reason: DropReason; detail: string } | undefined {
  const side = Math.min(info.width, info.height);
  if (side < settings.minSide) return { reason: "too_small", detail: `${info.width} x ${info.height}, below ${settings.minSide}` };
  const { stillCamera, stillObjects, mostJitter } = settings.motion;
  if (film.freeze > settings.quality.mostFreeze) return { reason: "frozen", detail: `${(100 * film.freeze).toFixed(0)} % of frames repeat, above ${100 * settings.quality.mostFreeze} %` };
  // The fastest second counts, so that a person who crosses an empty corridor is seen.
  if (motion.cameraSpeed < stillCamera && motion.objectPeak < stillObjects) return { reason: "still", detail: `camera ${motion.cameraSpeed.toFixed(4)} < ${stillCamera}, things ${motion.objectPeak.toFixed(4)} < ${stillObjects} widths a second` };
  if (motion.jitter > mostJitter) return { reason: "too_shaky", detail: `jitter ${motion.jitter.toFixed(3)} > ${mostJitter} widths a second` };
  return undefined;
}
