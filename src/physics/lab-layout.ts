/**
 * Names and metadata of clips on disk, as cosmos-curator lays them out: `clips/<uuid>.mp4`, `metas/v0/<uuid>.json`, and
 * beside them the laboratory's own `truth/<uuid>.json`. A clip's uuid is that of its name, which holds everything the clip
 * follows from: asking for the same clip twice asks for the same file.
 */
import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
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
  const uuid = uuidOf(`${clipName(key, settings)}_0_${settings.frames / settings.fps}`);
  return { uuid, clip: `clips/${uuid}.mp4`, meta: `metas/v0/${uuid}.json`, truth: `truth/${uuid}.json` };
}

/** Version 5 of RFC 9562 in the namespace of URLs: the curator's way from a source and a span to an id. */
function uuidOf(name: string): string {
  const namespace = Buffer.from("6ba7b8119dad11d180b400c04fd430c8", "hex");
  const bytes = createHash("sha1").update(namespace).update(name).digest().subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x50;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
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
