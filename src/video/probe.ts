/**
 * What a video file says about itself, read without decoding a frame. Sizes are as a viewer sees them: rotation and
 * non-square pixels applied.
 */
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { z } from "zod";
import { OrreryError, fromSystemError } from "../errors.ts";
import { lastComplaint, runTool, videoInput } from "./ffmpeg.ts";

export interface VideoInfo {
  path: string;
  sizeBytes: number;
  /** Container as ffmpeg names it: "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm". */
  container: string;
  /** Which stream of the container the frames come from: the first that is video and not a cover picture. */
  streamIndex: number;
  codec: string;
  /** Size as shown, in square pixels: rotation and sample aspect ratio applied. */
  width: number;
  height: number;
  /** Size as stored. */
  codedWidth: number;
  codedHeight: number;
  /** Width of a stored pixel over its height; 1 when square or not said. */
  sampleAspectRatio: number;
  /** Degrees clockwise by which the stored picture is turned to be upright: 0, 90, 180 or 270. */
  rotation: number;
  /** Average frames per second over the stream. */
  fps: number;
  /** The rate the container calls its base (`r_frame_rate`): the finest step for variable rates. */
  nominalFps: number;
  isVariableFrameRate: boolean;
  /** Frames in the stream, where the header says or `countFrames` was asked. */
  frameCount: number | undefined;
  durationS: number;
  /** ffmpeg's name: "yuv420p", "yuv420p10le". */
  pixelFormat: string;
  bitDepth: number;
  colorSpace: string | undefined;
  colorPrimaries: string | undefined;
  colorTransfer: string | undefined;
  /** "tv" (16-235) or "pc" (0-255), where said. */
  colorRange: string | undefined;
  /** PQ or HLG transfer: `readFrames` tone-maps such a file to BT.709. */
  isHdr: boolean;
  hasAudio: boolean;
  /** ffmpeg's name of the first sound track's codec, where there is one: "aac", "opus". */
  audioCodec?: string;
}

export interface ProbeOptions {
  /** Count the frames by walking the whole file (no decoding). Default: only what the header says. */
  countFrames?: boolean;
  signal?: AbortSignal | undefined;
  /** Seconds ffprobe may take. Default 60. */
  timeoutS?: number;
}

const text = z.string().optional();
const streamSchema = z.object({
  index: z.number(),
  codec_type: text,
  codec_name: text,
  width: z.number().optional(),
  height: z.number().optional(),
  sample_aspect_ratio: text,
  pix_fmt: text,
  bits_per_raw_sample: text,
  color_space: text,
  color_primaries: text,
  color_transfer: text,
  color_range: text,
  r_frame_rate: text,
  avg_frame_rate: text,
  nb_frames: text,
  duration: text,
  disposition: z.object({ attached_pic: z.number().optional() }).optional(),
  side_data_list: z.array(z.object({ rotation: z.number().optional() })).optional(),
  tags: z.record(z.string(), z.string()).optional(),
});
const probeSchema = z.object({
  streams: z.array(streamSchema).default([]),
  packets: z.array(z.object({ stream_index: z.number(), pts_time: text })).default([]),
  format: z.object({ format_name: z.string(), duration: text }).optional(),
});
type ProbedStream = z.infer<typeof streamSchema>;

/** Packets looked at to tell a variable frame rate: enough to see jitter, a fraction of a second to read. */
const sampledPackets = 500;

/**
 * Reads the header of a video file and the times of its first packets.
 * @throws `file_not_found`, `io_failed` (folder, permissions), `bad_video` (empty, not a video, cut off before its index,
 * playlist, no video stream), `missing_dependency` (no ffprobe), `cancelled`.
 */
export async function probeVideo(path: string, options: ProbeOptions = {}): Promise<VideoInfo> {
  const sizeBytes = await sizeOfFile(path);
  const entries = "stream:format:packet=stream_index,pts_time:stream_disposition:stream_side_data:stream_tags";
  const { code, stderr, stdout } = await runTool(
    "ffprobe",
    [...videoInput(path), "-read_intervals", `%+#${sampledPackets}`, "-show_entries", entries, "-of", "json"],
    { what: `probing ${path}`, signal: options.signal, timeoutS: options.timeoutS ?? 60 },
  );
  if (code !== 0) throw notVideo(path, sizeBytes, stderr);
  const probed = probeSchema.parse(JSON.parse(stdout.toString("utf8")));
  const container = probed.format?.format_name ?? "unknown";
  const sound = probed.streams.find((one) => one.codec_type === "audio");
  const stream = probed.streams.find((one) => one.codec_type === "video" && one.disposition?.attached_pic !== 1);
  if (stream === undefined) {
    const kinds = probed.streams.map((one) => (one.disposition?.attached_pic === 1 ? "cover picture" : (one.codec_type ?? "unknown")));
    throw new OrreryError("bad_video", `${path} (${container}) has no video stream, only: ${[...new Set(kinds)].join(", ") || "nothing"}; give a file with moving pictures in it`);
  }
  const codedWidth = stream.width ?? 0;
  const codedHeight = stream.height ?? 0;
  if (codedWidth === 0 || codedHeight === 0 || stream.codec_name === undefined || stream.pix_fmt === undefined)
    throw new OrreryError("bad_video", `${path} has a video stream without ${codedWidth === 0 ? "a size" : "a known codec or pixel format"}; the file is damaged or cut off, fetch it again or re-encode it`);

  const times = probed.packets.flatMap((one) => (one.stream_index === stream.index && one.pts_time !== undefined ? [Number(one.pts_time)] : []));
  let frameCount = count(stream.nb_frames);
  let durationS = firstPositive(stream.duration, probed.format?.duration);
  const averageRate = rate(stream.avg_frame_rate);
  const nominalFps = rate(stream.r_frame_rate) ?? averageRate ?? 25;
  const fps = averageRate ?? nominalFps;
  // Files written by a browser's MediaRecorder say nothing about their length, and raw streams not even when a frame shows.
  if (options.countFrames === true || durationS === undefined) {
    const walked = await walkPackets(path, stream.index, options);
    frameCount = walked.count;
    durationS ??= walked.durationS || walked.count / fps;
  }
  const rotation = rotationOf(stream);
  const sampleAspectRatio = ratio(stream.sample_aspect_ratio, ":") ?? 1;
  const shownWidth = Math.max(1, Math.round(codedWidth * sampleAspectRatio));
  const upright = rotation % 180 === 0;
  return {
    path,
    sizeBytes,
    container,
    streamIndex: stream.index,
    codec: stream.codec_name,
    width: upright ? shownWidth : codedHeight,
    height: upright ? codedHeight : shownWidth,
    codedWidth,
    codedHeight,
    sampleAspectRatio,
    rotation,
    fps,
    nominalFps,
    isVariableFrameRate: isVariable(times, fps),
    frameCount,
    durationS,
    pixelFormat: stream.pix_fmt,
    bitDepth: bitDepthOf(stream),
    colorSpace: stream.color_space,
    colorPrimaries: stream.color_primaries,
    colorTransfer: stream.color_transfer,
    colorRange: stream.color_range,
    isHdr: stream.color_transfer === "smpte2084" || stream.color_transfer === "arib-std-b67",
    hasAudio: sound !== undefined,
    ...(sound?.codec_name === undefined ? {} : { audioCodec: sound.codec_name }),
  };
}

async function sizeOfFile(path: string): Promise<number> {
  try {
    const status = await stat(path);
    if (status.isDirectory()) throw new OrreryError("io_failed", `${path} is a folder; a video file was expected`);
    if (!status.isFile()) throw new OrreryError("bad_video", `${path} is a device, socket or pipe; a video file on disk was expected`);
    if (status.size === 0) throw new OrreryError("bad_video", `${path} is empty (0 bytes); a video was expected, copy or record it again`);
    await access(path, constants.R_OK);
    return status.size;
  } catch (error) {
    throw fromSystemError(error, path);
  }
}

function notVideo(path: string, sizeBytes: number, stderr: string): OrreryError {
  const given = `${path} (${sizeBytes} bytes)`;
  if (stderr.includes("not on whitelist"))
    return new OrreryError("bad_video", `${given} is a playlist, a picture or another format that is not read as video; give one video file (mp4, mov, mkv, webm, avi, ts)`);
  if (stderr.includes("moov atom not found"))
    return new OrreryError("bad_video", `${given} has no mp4 index (moov): it is truncated, or not a video at all; copy it again in full or give a video file`);
  return new OrreryError("bad_video", `${given} cannot be opened as a video: ${lastComplaint(stderr)}; give a video file (mp4, mov, mkv, webm, avi, ts)`);
}

async function walkPackets(path: string, streamIndex: number, options: ProbeOptions): Promise<{ count: number; durationS: number }> {
  const { stdout } = await runTool(
    "ffprobe",
    [...videoInput(path), "-select_streams", String(streamIndex), "-show_entries", "packet=pts_time,dts_time,duration_time", "-of", "csv=p=0"],
    { what: `counting the frames of ${path}`, signal: options.signal, timeoutS: options.timeoutS ?? 600 },
  );
  let packets = 0;
  let end = 0;
  for (const line of stdout.toString("utf8").split("\n")) {
    if (line.trim() === "") continue;
    packets += 1;
    const [pts, dts, duration] = line.split(",").map(Number);
    const start = Number.isFinite(pts) ? pts! : dts!;
    if (Number.isFinite(start)) end = Math.max(end, start + (Number.isFinite(duration) ? duration! : 0));
  }
  return { count: packets, durationS: end };
}

/**
 * Whether frames come at uneven times: a step in the sample that is a quarter off the usual one, or an average over the
 * whole file that the sample's usual step does not explain (the rate changes later on).
 */
function isVariable(times: number[], averageFps: number): boolean {
  if (times.length < 3) return false;
  const sorted = times.toSorted((a, b) => a - b);
  // The sample may end inside a group of reordered frames, whose missing neighbours would look like gaps.
  const settled = sorted.slice(0, sorted.length < sampledPackets / 8 ? sorted.length : -16);
  const steps = settled.slice(1).map((time, i) => time - settled[i]!);
  const usual = steps.toSorted((a, b) => a - b)[steps.length >> 1]!;
  if (usual <= 0) return false;
  // Containers that count in milliseconds round every step by up to 1 ms.
  const uneven = steps.some((step) => Math.abs(step - usual) > Math.max(0.25 * usual, 0.0015));
  return uneven || Math.abs(averageFps * usual - 1) > 0.05;
}

function rotationOf(stream: ProbedStream): number {
  const matrix = stream.side_data_list?.find((one) => one.rotation !== undefined)?.rotation;
  const clockwise = matrix !== undefined ? -matrix : Number(stream.tags?.["rotate"] ?? 0);
  const quarter = Math.round(clockwise / 90) * 90;
  return ((quarter % 360) + 360) % 360;
}

function bitDepthOf(stream: ProbedStream): number {
  const named = /(?:p|gray|gbrp|gbrap|p0|ya)(9|10|12|14|16)(?:le|be)$/.exec(stream.pix_fmt ?? "");
  return Number(named?.[1] ?? 0) || count(stream.bits_per_raw_sample) || 8;
}

function ratio(value: string | undefined, separator: string): number | undefined {
  const [over, under] = (value ?? "").split(separator).map(Number);
  const quotient = over! / under!;
  return Number.isFinite(quotient) && quotient > 0 ? quotient : undefined;
}

const rate = (value: string | undefined) => ratio(value, "/");

function count(value: string | undefined): number | undefined {
  const number = Number(value);
  return Number.isInteger(number) && number > 0 ? number : undefined;
}

const firstPositive = (...values: (string | undefined)[]) => values.map(Number).find((value) => value > 0);
