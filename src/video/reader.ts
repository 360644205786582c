/**
 * Frames out of a video file. One ffmpeg per call decodes, turns upright, converts and scales; frames arrive as RGB bytes
 * through its standard output and their times through a side pipe, because a frame's number says nothing about its time
 * in a file of variable rate. The pipe is the brake: a slow consumer stops the decoder, and memory stays at one frame.
 */
import type { Readable } from "node:stream";
import { createInterface } from "node:readline";
import { OrreryError } from "../errors.ts";
import { throwIfCancelled } from "../progress.ts";
import type { Clip, Picture } from "./clip.ts";
import { lastComplaint, startTool, videoInput, type ToolExit } from "./ffmpeg.ts";
import { outputSize, pictureFilters, type SizeOptions } from "./filters.ts";
import { probeVideo, type VideoInfo } from "./probe.ts";

export interface Frame extends Picture {
  /** 0-based number among the frames of this read. */
  index: number;
  /** Seconds from the beginning of the file. */
  timeS: number;
}

export interface ReadWarning {
  /** "truncated": the file ended early. "damaged": some data could not be decoded; frames may be missing or smeared. */
  kind: "truncated" | "damaged";
  message: string;
}

export interface ReadOptions extends SizeOptions {
  /** Even frame rate to convert to, by repeating and dropping frames. Default: the file's own frames, each once. */
  fps?: number;
  startS?: number;
  durationS?: number;
  maxFrames?: number;
  signal?: AbortSignal | undefined;
  /** Told at the end of a read whose frames are not all that the file should have held. */
  onWarning?: (warning: ReadWarning) => void;
  /** What `probeVideo` said about this file, when it was asked already: saves asking again. */
  info?: VideoInfo;
  /** Seconds the decoder may take for one frame before the file is given up. Default 60. */
  timeoutS?: number;
}

/**
 * Streams the frames of a video. Rotation and non-square pixels are applied, 10-bit becomes 8-bit, HDR (PQ, HLG) is
 * tone-mapped to BT.709. Each frame is memory of its own. Leaving the loop early ends the decoder.
 *
 * A file that ends early gives the frames that it has and then a warning; only one with no frame at all is an error.
 * (MPEG-TS and raw streams say nowhere how long they are, so there an early end cannot be seen.)
 * @throws `file_not_found`, `io_failed`, `bad_video`, `bad_argument`, `missing_dependency`, `cancelled`.
 */
export async function* readFrames(path: string, options: ReadOptions = {}): AsyncGenerator<Frame, void, void> {
  const info = options.info ?? (await probeVideo(path, { signal: options.signal }));
  checkRange(info, options);
  const { width, height } = outputSize(info, options);
  const { timeoutS = 60 } = options;
  const firstTimeS = hasIndex(info) ? (options.startS ?? 0) : 0;
  const what = `reading ${path}`;
  const child = await startTool("ffmpeg", readArguments(info, options), { what, signal: options.signal });
  let index = 0;
  try {
    const times = frameTimes(child.side);
    const pictures = cutFrames(child.stdout, width * height * 3);
    for (;;) {
      const next = await child.within(pictures.next(), timeoutS);
      if (next.done) break;
      const told = await child.within(times.next(), timeoutS);
      // Raw streams have no times at all; their frames are evenly spaced by definition.
      const time = told.done || Number.isNaN(told.value) ? index / (options.fps ?? info.fps) : told.value;
      throwIfCancelled(options.signal, what);
      yield { pixels: next.value, width, height, index, timeS: firstTimeS + time };
      index += 1;
    }
    const exit = await child.within(child.exit, timeoutS);
    throwIfCancelled(options.signal, what);
    reportEnd(info, options, index, exit);
  } catch (error) {
    // Killing the child breaks its pipes; what the user should hear is why it was killed.
    throwIfCancelled(options.signal, what);
    throw error;
  } finally {
    child.kill();
  }
}

export interface ReadClipOptions extends ReadOptions {
  /** Most bytes of frames to hold. Default 2 GiB (a minute of 640 x 480 at 30 fps is 1.6 GiB). */
  maxBytes?: number;
}

/**
 * Reads frames into memory as one clip; `truncated` is set on it when the file ended early.
 * @throws as `readFrames`, and `bad_argument` when the frames would need more than `maxBytes`.
 */
export async function readClip(path: string, options: ReadClipOptions = {}): Promise<Clip> {
  const info = options.info ?? (await probeVideo(path, { signal: options.signal }));
  const { width, height } = outputSize(info, options);
  const { maxBytes = 2 ** 31 } = options;
  const frameBytes = width * height * 3;
  const expected = expectedFrames(info, options);
  const tooLarge = (count: number) =>
    new OrreryError("bad_argument", `${path} would need ${Math.ceil((count * frameBytes) / 2 ** 20)} MiB for ${count} frames of ${width} x ${height}, more than the limit of ${Math.floor(maxBytes / 2 ** 20)} MiB; give maxFrames, durationS, a smaller width and height, or a larger maxBytes`);
  if (expected * frameBytes > maxBytes) throw tooLarge(expected);

  let frames = new Uint8Array(expected * frameBytes);
  let count = 0;
  let truncated = false;
  const onWarning = (warning: ReadWarning) => {
    truncated ||= warning.kind === "truncated";
    options.onWarning?.(warning);
  };
  for await (const frame of readFrames(path, { ...options, info, onWarning })) {
    const end = (count + 1) * frameBytes;
    if (end > maxBytes) throw tooLarge(count + 1);
    if (end > frames.length) {
      const grown = new Uint8Array(Math.min(maxBytes, Math.ceil(frames.length * 1.5) + frameBytes));
      grown.set(frames);
      frames = grown;
    }
    frames.set(frame.pixels, count * frameBytes);
    count += 1;
  }
  // A copy of its own length: callers hand `frames.buffer` to workers, which must not get spare room.
  if (frames.length !== count * frameBytes) frames = frames.slice(0, count * frameBytes);
  return { frames, width, height, frameCount: count, fps: options.fps ?? info.fps, ...(truncated ? { truncated } : {}) };
}

function checkRange(info: VideoInfo, options: ReadOptions): void {
  const bad = (given: string, expected: string) => new OrreryError("bad_argument", `${given} was given for ${info.path}; expected ${expected}`);
  const { startS = 0, durationS, fps, maxFrames } = options;
  if (!(startS >= 0)) throw bad(`startS ${startS}`, "seconds from 0");
  if (startS > 0 && startS >= info.durationS) throw bad(`startS ${startS}`, `less than the file's ${info.durationS.toFixed(3)} s`);
  if (durationS !== undefined && !(durationS > 0)) throw bad(`durationS ${durationS}`, "seconds above 0");
  if (fps !== undefined && !(fps > 0 && fps <= 1000)) throw bad(`fps ${fps}`, "frames per second, above 0 and up to 1000");
  if (maxFrames !== undefined && !(Number.isInteger(maxFrames) && maxFrames > 0)) throw bad(`maxFrames ${maxFrames}`, "a whole number above 0");
}

/** About how many frames a read will give: the memory to ask for. Never fewer than one. */
function expectedFrames(info: VideoInfo, options: ReadOptions): number {
  const { startS = 0, durationS = Infinity, maxFrames = Infinity, fps } = options;
  const span = Math.min(durationS, Math.max(info.durationS - startS, 0));
  const whole = fps === undefined && startS === 0 && durationS >= info.durationS ? info.frameCount : undefined;
  return Math.max(1, Math.min(maxFrames, whole ?? Math.ceil(span * (fps ?? info.fps))));
}

/**
 * Whether the container can be entered at a given time. In a transport or raw stream ffmpeg jumps to a guessed byte, often
 * behind the key frame that is needed; there the beginning is decoded and dropped.
 */
const hasIndex = (info: VideoInfo) => !/^(mpegts|mpeg|mpegvideo|m4v|h264|hevc|obu|ivf|mjpeg|dv|wtv|gif|yuv4mpegpipe)$/.test(info.container);

/** How ffmpeg is brought to a part of a file: options before its input, and filters before all others. */
export function entrance(info: VideoInfo, { startS = 0, durationS }: Pick<ReadOptions, "startS" | "durationS">): { before: string[]; filters: string[] } {
  if (startS === 0 && durationS === undefined) return { before: [], filters: [] };
  if (hasIndex(info)) return { before: [...(startS > 0 ? ["-ss", String(startS)] : []), ...(durationS === undefined ? [] : ["-t", String(durationS)])], filters: [] };
  return { before: [], filters: [`trim=start=${startS}${durationS === undefined ? "" : `:duration=${durationS}`}`] };
}

function readArguments(info: VideoInfo, options: ReadOptions): string[] {
  const { maxFrames, fps } = options;
  const way = entrance(info, options);
  const filters = [
    ...way.filters,
    ...(fps === undefined ? [] : [`fps=${fps}`]),
    ...pictureFilters(info, info, options),
    // `print` speaks only of frames that carry metadata, hence the `add`; `direct` sends each line at once.
    "metadata=mode=add:key=orrery:value=1",
    "metadata=mode=print:file='pipe\\:3':direct=1",
  ];
  return [
    "-threads", "2",
    ...way.before,
    ...videoInput(info.path),
    "-map", `0:${info.streamIndex}`, "-an", "-sn", "-dn",
    // Without this ffmpeg repeats and drops frames of a variable rate to make it even.
    "-fps_mode", "passthrough",
    "-vf", filters.join(","),
    ...(maxFrames === undefined ? [] : ["-frames:v", String(maxFrames)]),
    "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1",
  ];
}

/** Cuts the byte stream into frames; an unfinished last one is dropped (the exit status tells of it). */
export async function* cutFrames(stream: Readable, frameBytes: number): AsyncGenerator<Uint8Array, void, void> {
  let frame = new Uint8Array(frameBytes);
  let filled = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    for (let at = 0; at < chunk.length; ) {
      const taken = Math.min(chunk.length - at, frameBytes - filled);
      frame.set(chunk.subarray(at, at + taken), filled);
      at += taken;
      filled += taken;
      if (filled === frameBytes) {
        yield frame;
        frame = new Uint8Array(frameBytes);
        filled = 0;
      }
    }
  }
}

export async function* frameTimes(stream: Readable): AsyncGenerator<number, void, void> {
  for await (const line of createInterface({ input: stream })) {
    const seconds = /^frame:.*pts_time:(\S+)/.exec(line)?.[1];
    if (seconds !== undefined) yield Number(seconds);
  }
}

export function reportEnd(info: VideoInfo, options: ReadOptions, count: number, exit: ToolExit): void {
  const reason = lastComplaint(exit.stderr);
  if (count === 0) {
    if (exit.stderr.includes("Unrecognized option"))
      throw new OrreryError("missing_dependency", `this ffmpeg is too old (${reason}); install version 5.1 or newer, or name one in ORRERY_FFMPEG`);
    if (exit.stderr.includes("No such filter"))
      throw new OrreryError("missing_dependency", `${info.path} is HDR and this ffmpeg cannot tone-map it (${reason}); install an ffmpeg with zscale (libzimg), such as Debian's`);
    throw new OrreryError("bad_video", `${info.path} gave no frame${options.startS ? ` after ${options.startS} s` : ""} (${exit.stderr === "" ? "it ends there" : reason}); it is truncated or damaged, copy it again or choose another range`);
  }
  const whole = options.fps === undefined && !options.startS && options.durationS === undefined && options.maxFrames === undefined;
  // An mp4 may hide frames on purpose (edit lists) but says itself when its data is missing; others are held to their header.
  const short = whole && !info.container.includes("mp4") && count < 0.98 * (info.frameCount ?? 0) - 2;
  if (short || exit.code !== 0 || /partial file|ended prematurely|truncat/i.test(exit.stderr)) {
    options.onWarning?.({ kind: "truncated", message: `${info.path} ends early: ${count} frames were read${info.frameCount ? ` of ${info.frameCount}` : ""} (${reason})` });
  } else if (exit.stderr !== "") {
    options.onWarning?.({ kind: "damaged", message: `${info.path} has damaged parts (${reason}); ${count} frames were read, some may be smeared` });
  }
}
