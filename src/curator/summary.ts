/** The account of a curation: how many went in, how many came out, and what became of the others. */
import type { CandidateClip } from "./clips.ts";
import { dropReasons, type Decisions, type DropReason } from "./decide.ts";
import type { SetAside, Source } from "./sources.ts";

export interface Summary {
  num_input_videos: number;
  num_processed_videos: number;
  total_video_duration_s: number;
  num_shots: number;
  num_clips: number;
  num_clips_kept: number;
  total_clip_duration_s: number;
  kept_clip_duration_s: number;
  dropped: Record<DropReason, number>;
  camera_tags: Record<string, number>;
  /** Inputs that could not be used, with the reason. */
  set_aside: SetAside[];
  score_only: boolean;
}

interface Account {
  sources: readonly Source[];
  analysed: readonly ({ clips: CandidateClip[]; shots: number } | SetAside)[];
  decisions: Decisions;
  setAside: SetAside[];
  scoreOnly: boolean;
}

export function summarise({ sources, analysed, decisions: { clips }, setAside, scoreOnly }: Account): Summary {
  const seconds = (kept: boolean): number => Number(clips.reduce((sum, one) => sum + (one.keep || !kept ? one.clip.endS - one.clip.startS : 0), 0).toFixed(3));
  const dropped = Object.fromEntries(Object.keys(dropReasons).map((reason) => [reason, clips.filter((one) => one.reason === reason).length])) as Record<DropReason, number>;
  const tags: Record<string, number> = {};
  for (const { clip } of clips) tags[clip.motion.tag] = (tags[clip.motion.tag] ?? 0) + 1;
  return {
    num_input_videos: sources.length + setAside.length,
    num_processed_videos: sources.length,
    total_video_duration_s: Number(sources.reduce((sum, { info }) => sum + info.durationS, 0).toFixed(3)),
    num_shots: analysed.reduce((sum, one) => sum + ("shots" in one ? one.shots : 0), 0),
    num_clips: clips.length,
    num_clips_kept: clips.filter(({ keep }) => keep).length,
    total_clip_duration_s: seconds(false),
    kept_clip_duration_s: seconds(true),
    dropped,
    camera_tags: Object.fromEntries(Object.entries(tags).sort(([a], [b]) => (a < b ? -1 : 1))),
    set_aside: setAside,
    score_only: scoreOnly,
  };
}
