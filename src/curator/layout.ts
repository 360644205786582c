/**
 * A curated dataset on disk, as cosmos-curator lays it out (`metadata_writer_stage.py`), with what it does not have beside it:
 *
 *     clips/{uuid}.mp4              survivors, encoded alike
 *     metas/v0/{uuid}.json          what is known of each, in the reference's fields
 *     processed_videos/{sha}.json   a line of account for each source
 *     summary.json                  counts by source and reason
 *     manifest.jsonl                every candidate, kept or not, with all scores and the reason
 *     duplicates.jsonl              who was dropped for whom
 *     settings.json                 what was decided by
 *     report.html                   all of it to look at
 *     work/analysis/{sha}.safetensors
 *     work/sources.json             the sources, so that deciding again needs no inputs
 *     work/decided.json             what is to be encoded, so that others can see how far it is
 */
import { join } from "node:path";
import { captionWindows, type Window } from "./windows.ts";
import type { Decision } from "./decide.ts";
import { describeClip, measuredCaptioner } from "./describe.ts";
import type { CurateSettings } from "./settings.ts";

export const paths = (root: string) => ({
  clips: join(root, "clips"),
  metas: join(root, "metas", "v0"),
  processed: join(root, "processed_videos"),
  analysis: join(root, "work", "analysis"),
  sources: join(root, "work", "sources.json"),
  decided: join(root, "work", "decided.json"),
  manifest: join(root, "manifest.jsonl"),
  duplicates: join(root, "duplicates.jsonl"),
  summary: join(root, "summary.json"),
  settings: join(root, "settings.json"),
  report: join(root, "report.html"),
});

export interface Encoded {
  width: number;
  height: number;
  framerate: number;
  num_frames: number;
  num_bytes: number;
}

/** One line of the manifest: everything about a candidate, figures to four digits. */
export function manifestLine({ clip, keep, reason, detail, rank, duplicateOf }: Decision): Record<string, unknown> {
  const { motion, quality, film } = clip;
  return {
    span_uuid: clip.id, source_video: clip.source.path, source_sha256: clip.source.sha256,
    duration_span: [round(clip.startS, 6), round(clip.endS, 6)], frames: [clip.firstFrame, clip.lastFrame],
    keep, ...(reason ? { reason, detail } : {}), ...(duplicateOf ? { duplicate_of: duplicateOf } : {}),
    motion: rounded(motion), quality: { score: round(quality.score), worst: quality.worst, defects: rounded(quality.defects), ...(rank ? { class: rank.class, percentile: round(rank.percentile) } : {}) },
    film: rounded(film),
  };
}

/** The reference's metadata of a clip, with ours in fields that begin with `orrery_`. */
export function clipMeta(decision: Decision, encoded: Encoded, settings: CurateSettings): Record<string, unknown> {
  const { clip } = decision;
  const { info, path } = clip.source;
  const windows = captionWindows(encoded.num_frames, settings.captionWindow, settings.captionRemainder);
  const caption = describeClip(clip);
  return {
    span_uuid: clip.id, source_video: path, duration_span: [round(clip.startS, 6), round(clip.endS, 6)],
    width_source: info.width, height_source: info.height, framerate_source: round(info.fps, 6),
    clip_location: `clips/${clip.id}.mp4`, ...encoded, video_codec: settings.encode.encoder === "libx264" ? "h264" : "hevc",
    // The reference's score is made of a decoder's motion vectors, which ffmpeg cannot print; this one is measured on pictures.
    motion_score: null, orrery_motion: rounded(clip.motion), orrery_quality: { score: round(clip.quality.score), worst: clip.quality.worst, defects: rounded(clip.quality.defects) },
    windows: windows.map((window: Window) => ({ ...window, caption_status: "success", [`${measuredCaptioner}_caption`]: caption })),
    filtered_windows: [], errors: {}, valid: true, has_caption: windows.length > 0, num_caption_windows: windows.length, captioner: measuredCaptioner,
    orrery_encode: settings.encode,
  };
}

const round = (value: number, digits = 4): number => Number(value.toFixed(digits));

function rounded(record: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).map(([key, value]: [string, unknown]) => [key, typeof value === "number" ? round(value) : value]));
}
