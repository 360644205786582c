/**
 * Names and metadata of clips on disk, as cosmos-curator lays them out: `clips/<uuid>.mp4`, `metas/v0/<uuid>.json`, and
 * beside them the laboratory's own `truth/<uuid>.json`. A clip's uuid is that of its name, which holds everything the clip
 * follows from: asking for the same clip twice asks for the same file.
 */
import { stat } from "node:fs/promises";
import { uuid5 } from "../dataset/index.ts";
import { fromSystemError } from "../errors.ts";
import type { ClipKey, LabClip, LabSettings } from "./laboratory.ts";

/** Raised when scenes or pictures change, so that old clips are not taken for new ones. */
export const labVersion = 1;

export interface ClipMeta {
  span_uuid: string;
  source_video: string;
  /** Seconds. */
  duration_span: [number, number];
  width_source: number;
  height_source: number;
  framerate_source: number;
  clip_location: string;
  width: number;
  height: number;
  framerate: number;
  num_frames: number;
  video_codec: string;
  num_bytes: number;
  windows: { start_frame: number; end_frame: number; caption_status: "success"; orrery_lab_caption: string; orrery_lab_short_caption: string }[];
  valid: boolean;
  has_caption: boolean;
  num_caption_windows: number;
  truth_location: string;
  lab: { scenario: string; split: string; index: number; camera: string; version: number };
}

/** "lab:fall/train/12?size=64x64&frames=17&fps=10&camera=static&v=1". */
export function clipName({ scenario, split, index }: ClipKey, { width, height, frames, fps, camera }: LabSettings): string {
  return `lab:${scenario}/${split}/${index}?size=${width}x${height}&frames=${frames}&fps=${fps}&camera=${camera}&v=${labVersion}`;
}

export function clipPaths(key: ClipKey, settings: LabSettings): { uuid: string; clip: string; meta: string; truth: string } {
  const uuid = uuid5(`${clipName(key, settings)}_0_${settings.frames / settings.fps}`);
  return { uuid, clip: `clips/${uuid}.mp4`, meta: `metas/v0/${uuid}.json`, truth: `truth/${uuid}.json` };
}

/** Reads the size of the file that has been written. */
export async function metaOf(clip: LabClip, settings: LabSettings, folder: string): Promise<ClipMeta> {
  const paths = clipPaths(clip.key, settings);
  const { size } = await stat(`${folder}/${paths.clip}`).catch((error: unknown) => {
    throw fromSystemError(error, paths.clip);
  });
  const { width, height, fps, frameCount } = clip;
  return {
    span_uuid: paths.uuid,
    source_video: clipName(clip.key, settings),
    duration_span: [0, frameCount / fps],
    width_source: width,
    height_source: height,
    framerate_source: fps,
    clip_location: paths.clip,
    width: width + (width % 2),
    height: height + (height % 2),
    framerate: fps,
    num_frames: frameCount,
    video_codec: "h264",
    num_bytes: size,
    windows: [{ start_frame: 0, end_frame: frameCount - 1, caption_status: "success", orrery_lab_caption: clip.truth.caption, orrery_lab_short_caption: clip.truth.captionShort }],
    valid: true,
    has_caption: true,
    num_caption_windows: 1,
    truth_location: paths.truth,
    lab: { scenario: clip.key.scenario, split: clip.key.split, index: clip.key.index, camera: clip.truth.cameraMotion, version: labVersion },
  };
}
