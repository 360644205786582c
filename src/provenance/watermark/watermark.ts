/**
 * The watermark as other rooms use it: frames in, marked frames out; a video in, what was found out. It is invisible (PSNR
 * at least 42 dB), carries 64 bits, and survives what people do to videos: compression, scaling, cropping, mirroring, other
 * frame rates, brightness. It does not survive rotation by more than half a degree, bending, filming from a screen, strong
 * blur, or being drawn anew by a model; and whoever holds the key, or many videos with one payload, can take it off. That a
 * video has no mark proves nothing. benchmarks/provenance has the figures.
 *
 * Parts: code.ts (64 bits as 512), pattern.ts (where they go), embed.ts (how strongly), residual.ts and detect.ts (reading).
 */
import { randomBytes } from "node:crypto";
import { OrreryError } from "../../errors.ts";
import { silent, throwIfCancelled, type Progress } from "../../progress.ts";
import { frameAt, probeVideo, readFrames, type Clip, type Picture, type VideoInfo } from "../../video/index.ts";
import { detectInResidual, type Detection } from "./detect.ts";
import { openEmbedder, type Embedder, type Strength } from "./embed.ts";
import { residualMeter, type Residual, type ResidualMeter } from "./residual.ts";

export interface MarkOptions {
  key: Uint8Array;
  /** 64 bits, as 16 hexadecimal digits. */
  id: string;
  /** Default "crf-33", the strongest. */
  strength?: Strength;
}

/** A new number for a watermark: 64 random bits, 16 hexadecimal digits. */
export function newWatermarkId(): string {
  return randomBytes(8).toString("hex");
}

/** The payload of a watermark's number. @throws `bad_argument`. */
export function payloadOf(id: string): bigint {
  if (!/^[0-9a-f]{16}$/i.test(id)) throw new OrreryError("bad_argument", `watermark id "${id}" was given; expected 16 hexadecimal digits`);
  return BigInt(`0x${id}`);
}

/**
 * Marks frames as they pass, in place: memory stays at one frame. All frames have the size of the first.
 * @throws `bad_argument` for an id that is not 16 hexadecimal digits, or a frame of another size.
 */
export async function* embedWatermark<F extends Picture>(frames: AsyncIterable<F> | Iterable<F>, { key, id, strength }: MarkOptions): AsyncGenerator<F, void, void> {
  const payload = payloadOf(id);
  let embedder: Embedder | undefined;
  for await (const frame of frames) {
    embedder ??= openEmbedder({ width: frame.width, height: frame.height, key, payload, ...(strength === undefined ? {} : { strength }) });
    embedder.mark(frame.pixels);
    yield frame;
  }
}

/** Marks a clip in memory; gives a new clip and leaves the given one as it is. */
export function markClip(clip: Clip, { key, id, strength }: MarkOptions): Clip {
  const marked = { ...clip, frames: clip.frames.slice() };
  const embedder = openEmbedder({ width: clip.width, height: clip.height, key, payload: payloadOf(id), ...(strength === undefined ? {} : { strength }) });
  for (let i = 0; i < clip.frameCount; i++) embedder.mark(frameAt(marked, i).pixels);
  return marked;
}

/**
 * How much of the watermark a video of this size can be expected to carry, by the measurements in benchmarks/provenance:
 * `well` through all the changes named there; `weakly` through moderate compression only; `hardly` at all, because fewer
 * pixels than the pattern needs are there.
 */
export function carriesWatermark(width: number, height: number): "well" | "weakly" | "hardly" {
  if (Math.min(width, height) >= 540) return "well";
  return width * height >= 280 * 160 ? "weakly" : "hardly";
}

export interface WatermarkReport extends Omit<Detection, "payload"> {
  /** 16 hexadecimal digits; present where `found` is "payload". */
  id?: string;
  /** The size at which frames were looked at. */
  width: number;
  height: number;
  /** The model of the user's that read the number; absent where the built-in watermark was read. */
  model?: string;
  /** What was looked at, for a picture of where the mark was found. */
  residual: Residual;
}

/** Longer sides are scaled down to this: chips of large frames are large. */
const workingSide = 640;

/** The size at which frames of a video are looked at. */
export function workingSize({ width, height }: Pick<VideoInfo, "width" | "height">): { width: number; height: number } {
  const scale = Math.min(1, workingSide / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

/** Looks for the mark in frames in memory, at the size they have. Sides beyond 2000 pixels are slow; scale them down first. */
export async function detectWatermark(frames: AsyncIterable<Picture> | Iterable<Picture>, key: Uint8Array): Promise<WatermarkReport> {
  let meter: ResidualMeter | undefined;
  for await (const frame of frames) {
    meter ??= residualMeter(frame.width, frame.height);
    meter.add(frame.pixels);
  }
  if (meter === undefined) throw new OrreryError("bad_video", "no frame was given to look for a watermark in; give at least one");
  return reportOf(meter.result(), key);
}

export interface DetectOptions {
  /** Frames to look at, spread over the video. Default 48. */
  frames?: number;
  info?: VideoInfo;
  /** Told of every frame that is looked at; waited for. */
  onFrame?: (frame: Picture, timeS: number) => void | Promise<void>;
  progress?: Progress;
  signal?: AbortSignal | undefined;
}

/** Looks for the mark in a video file. Errors as `readFrames`. */
export async function detectWatermarkInFile(path: string, key: Uint8Array, options: DetectOptions = {}): Promise<WatermarkReport> {
  const { progress = silent, signal, frames: wanted = 48 } = options;
  const info = options.info ?? (await probeVideo(path, { signal }));
  const { width, height } = workingSize(info);
  const meter = residualMeter(width, height);
  // Frames at even distances: neighbours show nearly the same picture, and tell less.
  const rate = wanted / Math.max(info.durationS, 1e-3);
  const thinned = rate < info.fps * 0.8 ? { fps: Math.max(rate, 0.01) } : {};
  let done = 0;
  for await (const frame of readFrames(path, { info, width, height, fit: "stretch", ...thinned, maxFrames: wanted + 1, signal })) {
    meter.add(frame.pixels);
    await options.onFrame?.(frame, frame.timeS);
    done += 1;
    progress({ stage: "looking for the watermark", done, total: wanted, unit: "frames" });
  }
  throwIfCancelled(signal, `looking for a watermark in ${path}`);
  return reportOf(meter.result(), key);
}

function reportOf(residual: Residual, key: Uint8Array): WatermarkReport {
  const { payload, ...rest } = detectInResidual(residual, key);
  const { width, height } = residual;
  return { ...rest, width, height, residual, ...(payload === undefined ? {} : { id: payload.toString(16).padStart(16, "0") }) };
}
