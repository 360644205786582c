/**
 * A part of a video as a uniform file: H.264 or H.265 in mp4, constant rate, square pixels, upright, 8-bit 4:2:0 tagged BT.709,
 * no audio, no metadata (which may say where and by whom something was filmed). The same source and settings give the same
 * bytes: threads are fixed and nothing of the time or the program is written down.
 */
import { stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { OrreryError } from "../errors.ts";
import { PartialFile } from "../partial-file.ts";
import { throwIfCancelled } from "../progress.ts";
import { fileUrl, lastComplaint, runTool, videoInput } from "./ffmpeg.ts";
import { pictureFilters, type Size } from "./filters.ts";
import type { VideoInfo } from "./probe.ts";
import { entrance } from "./reader.ts";

export interface TranscodeOptions {
  startS: number;
  durationS: number;
  /** Frames a second of the result. */
  fps: number;
  /** Longest side; larger pictures are scaled down. */
  maxSide: number;
  encoder: "libx264" | "libx265";
  crf: number;
  preset: string;
  signal?: AbortSignal | undefined;
  /** Seconds it may take in all. Default: 60, and 30 for each second of video. */
  timeoutS?: number;
}

export interface Transcoded extends Size {
  bytes: number;
}

/** The size of the result: both sides even. */
export function transcodedSize({ width, height }: Size, maxSide: number): Size {
  const factor = Math.min(1, maxSide / Math.max(width, height));
  const even = (side: number): number => Math.max(2, 2 * Math.round((side * factor) / 2));
  return { width: even(width), height: even(height) };
}

/** Writes `out`. Throws `bad_video` when the part gives no frame, `disk_full`, `io_failed`, `cancelled`. */
export async function transcode(info: VideoInfo, out: string, options: TranscodeOptions): Promise<Transcoded> {
  const { startS, durationS, fps, encoder, crf, preset, signal } = options;
  const size = transcodedSize(info, options.maxSide);
  const file = await PartialFile.open(out, join(dirname(out), `.${basename(out, ".mp4")}.partial.mp4`));
  try {
    const gop = Math.max(1, Math.round(2 * fps));
    const settings = encoder === "libx264"
      ? ["-g", String(gop), "-keyint_min", String(gop), "-sc_threshold", "0", "-bf", "2"]
      : ["-x265-params", `log-level=error:keyint=${gop}:min-keyint=${gop}:scenecut=0:pools=none:frame-threads=1`, "-tag:v", "hvc1"];
    const way = entrance(info, { startS, durationS });
    const { code, stderr } = await runTool("ffmpeg", [
      "-threads", "2",
      ...way.before,
      ...videoInput(info.path),
      "-map", `0:${info.streamIndex}`, "-an", "-sn", "-dn",
      "-vf", [...way.filters, "setpts=PTS-STARTPTS", ...pictureFilters(info, info, { ...size, fit: "stretch" }), "setsar=1", "scale=out_color_matrix=bt709:out_range=tv:flags=bicubic+accurate_rnd+bitexact", "format=yuv420p"].join(","),
      "-fps_mode", "cfr", "-r", String(fps),
      "-c:v", encoder, "-preset", preset, "-crf", String(crf), ...settings, "-threads", "2",
      "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv",
      "-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-movflags", "+faststart",
      "-f", "mp4", "-y", fileUrl(file.temporary),
    ], { what: `encoding a part of ${info.path}`, signal, timeoutCode: "io_failed", timeoutS: options.timeoutS ?? 60 + 30 * durationS });
    throwIfCancelled(signal, `encoding a part of ${info.path}`);
    if (code !== 0) {
      if (/No space left on device|Disk quota exceeded/.test(stderr)) throw new OrreryError("disk_full", `no space left while writing ${out}; free some and run the same command again`);
      throw new OrreryError("bad_video", `seconds ${startS.toFixed(2)} to ${(startS + durationS).toFixed(2)} of ${info.path} could not be encoded: ${lastComplaint(stderr)}`);
    }
    const { size: bytes } = await stat(file.temporary);
    await file.commit();
    return { ...size, bytes };
  } catch (error) {
    await file.discard();
    throw error;
  }
}
