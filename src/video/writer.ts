/**
 * Frames into an mp4. The settings are chosen so that the same frames give the same bytes on the same ffmpeg, however
 * often they are written: a fixed number of threads, bit-exact flags, no time stamp, encoder tag or other metadata. Clip
 * identities and retries rest on that.
 */
import { extname } from "node:path";
import { OrreryError } from "../errors.ts";
import { throwIfCancelled } from "../progress.ts";
import { frameAt, type Clip } from "./clip.ts";
import { fileUrl, lastComplaint, startTool, videoInput, type ToolExit, type ToolProcess } from "./ffmpeg.ts";
import { PartialFile } from "../partial-file.ts";
import type { VideoInfo } from "./probe.ts";

/** Encoders and their settings. `libsvtav1` is for those who must not ship H.264; files come out smaller and slower. */
const encoders = {
  libx264: { crf: 18, largestCrf: 51, smallestSide: 1, settings: ["-preset", "veryfast", "-g", "60", "-keyint_min", "60", "-sc_threshold", "0", "-bf", "2", "-threads", "2"] },
  libsvtav1: { crf: 30, largestCrf: 63, smallestSide: 64, settings: ["-preset", "8", "-g", "60", "-svtav1-params", "lp=2"] },
} as const;

export type VideoEncoder = keyof typeof encoders;

export interface WriteOptions {
  /** Quality, lower is better. Default 18 for libx264 (hardly visible loss), 30 for libsvtav1. */
  crf?: number;
  /** Default libx264. */
  encoder?: VideoEncoder;
  signal?: AbortSignal | undefined;
  /** Seconds the encoder may take for one frame, or to finish, before it is given up. Default 120. */
  timeoutS?: number;
  /** Where the unfinished file is written. Default: a hidden name beside the target. */
  temporaryPath?: string;
}

export interface VideoWriterOptions extends WriteOptions {
  width: number;
  height: number;
  /** Frames per second. 23.976, 29.97 and 59.94 mean the exact 24000/1001, 30000/1001 and 60000/1001. */
  fps: number;
  /** Sound to go with the frames. Default: none. */
  sound?: SoundSource;
}

/** The first sound track of a video file: copied where mp4 can hold its codec, else encoded as AAC. */
export interface SoundSource {
  info: Pick<VideoInfo, "path" | "audioCodec">;
  /** Time in that file at which the frames begin, in seconds. Default 0. */
  startS?: number;
}

export interface VideoWriter {
  /** Size in the file: the next even number up. 4:2:0 video, which every player and browser shows, has no odd sizes. */
  readonly encodedWidth: number;
  readonly encodedHeight: number;
  readonly frameCount: number;
  /** Adds one frame, RGB bytes `[H, W, 3]`; resolves when the bytes may be used again. */
  write(frame: Uint8Array): Promise<void>;
  /** Finishes the file and gives it its name. */
  close(): Promise<void>;
  /** Gives up: no file, no temporary file. Does nothing after `close`. */
  abort(): Promise<void>;
}

/**
 * Opens a video file for writing: mp4, 4:2:0, BT.709, its index in front. It appears under `path` only when `close` has
 * succeeded. An odd width or height gets one more column or row, a copy of the last: cropping would lose pixels that were
 * given, and black would bleed into the picture.
 * @throws (also from `write` and `close`) `bad_argument`, `file_not_found` (folder), `io_failed`, `disk_full`,
 * `missing_dependency` (no ffmpeg, or built without the encoder), `cancelled`. After any of them nothing is left behind.
 */
export async function openVideoWriter(path: string, options: VideoWriterOptions): Promise<VideoWriter> {
  checkOptions(path, options);
  throwIfCancelled(options.signal, `writing ${path}`);
  const file = await PartialFile.open(path, options.temporaryPath);
  try {
    const what = `writing ${path}`;
    const child = await startTool("ffmpeg", writeArguments(file.temporary, options), { what, signal: options.signal, timeoutCode: "io_failed" });
    child.stdout.resume();
    child.side.resume();
    return new FfmpegWriter(child, file, options);
  } catch (error) {
    await file.discard();
    throw error;
  }
}

/** Writes a whole clip. Errors as `openVideoWriter`. */
export async function writeClip(path: string, clip: Clip, options: WriteOptions = {}): Promise<void> {
  const writer = await openVideoWriter(path, { ...options, width: clip.width, height: clip.height, fps: clip.fps });
  try {
    for (let i = 0; i < clip.frameCount; i++) await writer.write(frameAt(clip, i).pixels);
    await writer.close();
  } finally {
    await writer.abort();
  }
}

class FfmpegWriter implements VideoWriter {
  readonly encodedWidth: number;
  readonly encodedHeight: number;
  frameCount = 0;
  readonly #child: ToolProcess;
  readonly #file: PartialFile;
  readonly #options: VideoWriterOptions;
  readonly #timeoutS: number;
  #closed = false;
  #givingUp: Promise<void> | undefined;
  readonly #onCancel = () => void this.abort();

  constructor(child: ToolProcess, file: PartialFile, options: VideoWriterOptions) {
    this.#child = child;
    this.#file = file;
    this.#options = options;
    this.#timeoutS = options.timeoutS ?? 120;
    this.encodedWidth = even(options.width);
    this.encodedHeight = even(options.height);
    // Cancelling must clean up even when nobody calls write, close or abort any more.
    options.signal?.addEventListener("abort", this.#onCancel, { once: true });
  }

  async write(frame: Uint8Array): Promise<void> {
    this.#checkOpen("a frame was written");
    const expected = this.#options.width * this.#options.height * 3;
    if (frame.length !== expected)
      throw new OrreryError("bad_argument", `a frame of ${frame.length} bytes was given; ${this.#options.width} x ${this.#options.height} RGB needs ${expected}`);
    await this.#guarded(async () => {
      const taken = new Promise<boolean>((resolve) => this.#child.stdin.write(frame, (error) => resolve(!error)));
      const died = this.#child.exit.then(() => false);
      if (!(await this.#child.within(Promise.race([taken, died]), this.#timeoutS))) throw this.#failure(await this.#child.exit);
    });
    this.frameCount += 1;
  }

  async close(): Promise<void> {
    this.#checkOpen("the video was closed");
    await this.#guarded(async () => {
      this.#child.stdin.end();
      const exit = await this.#child.within(this.#child.exit, this.#timeoutS);
      if (exit.code !== 0) throw this.#failure(exit);
      if (this.frameCount === 0) throw new OrreryError("bad_argument", `${this.#file.path} was closed without a frame; write at least one`);
      await this.#file.commit();
    });
    this.#closed = true;
    this.#options.signal?.removeEventListener("abort", this.#onCancel);
  }

  async abort(): Promise<void> {
    if (this.#closed) return;
    await (this.#givingUp ??= this.#giveUp());
  }

  async #giveUp(): Promise<void> {
    this.#options.signal?.removeEventListener("abort", this.#onCancel);
    this.#child.kill();
    // Only a child that has ended can no longer create the file that is about to be removed.
    await this.#child.exit;
    await this.#file.discard();
  }

  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      await this.abort();
      throwIfCancelled(this.#options.signal, `writing ${this.#file.path}`);
      throw error;
    }
  }

  #checkOpen(attempt: string): void {
    throwIfCancelled(this.#options.signal, `writing ${this.#file.path}`);
    if (this.#closed || this.#givingUp !== undefined)
      throw new OrreryError("bad_argument", `${attempt} after ${this.#file.path} had been closed, aborted or had failed; open a new writer`);
  }

  #failure(exit: ToolExit): OrreryError {
    return encodingFailure(exit, this.#file.path, this.#options.encoder);
  }
}

/** Why ffmpeg did not write a file, as an error for people. */
export function encodingFailure({ stderr }: ToolExit, path: string, encoder: VideoEncoder = "libx264"): OrreryError {
  if (/No space left on device|Disk quota exceeded/.test(stderr))
    return new OrreryError("disk_full", `no space left while writing ${path}; free some and run the same command again`);
  if (stderr.includes("Unknown encoder"))
    return new OrreryError("missing_dependency", `this ffmpeg has no encoder ${encoder}; install a full build (\`apt-get install ffmpeg\`) or choose another of ${Object.keys(encoders).join(", ")}`);
  return new OrreryError("io_failed", `ffmpeg could not write ${path}: ${lastComplaint(stderr)}; check the folder, its permissions and the size of the video`);
}

function checkOptions(path: string, options: VideoWriterOptions): void {
  const { width, height, fps, encoder = "libx264" } = options;
  if (extname(path).toLowerCase() !== ".mp4") throw new OrreryError("bad_argument", `${path} was given as the video to write; its name must end in .mp4`);
  for (const [name, side] of [["width", width], ["height", height]] as const) {
    if (!(Number.isInteger(side) && side >= 1 && side <= 16384)) throw new OrreryError("bad_argument", `${name} ${side} was given; expected a whole number of pixels from 1 to 16384`);
  }
  if (!(fps > 0 && fps <= 1000)) throw new OrreryError("bad_argument", `fps ${fps} was given; expected frames per second, above 0 and up to 1000`);
  if (!Object.hasOwn(encoders, encoder)) throw new OrreryError("bad_argument", `encoder "${encoder}" was given; expected one of ${Object.keys(encoders).join(", ")}`);
  const { smallestSide } = encoders[encoder];
  if (Math.min(width, height) < smallestSide) throw new OrreryError("bad_argument", `a video of ${width} x ${height} was asked for; ${encoder} takes no side below ${smallestSide}, use libx264`);
  const { crf = encoders[encoder].crf } = options;
  if (!(crf >= 0 && crf <= encoders[encoder].largestCrf)) throw new OrreryError("bad_argument", `crf ${crf} was given; ${encoder} takes 0 to ${encoders[encoder].largestCrf}`);
}

function writeArguments(path: string, options: VideoWriterOptions): string[] {
  const { encoder = "libx264" } = options;
  const { crf, settings } = encoders[encoder];
  const { inputs, outputs } = soundArguments(options.sound);
  return [
    ...rawInput(options), ...inputs, "-map", "0:v:0", ...outputs, "-vf", encodingFilters(options),
    "-c:v", encoder, "-crf", String(options.crf ?? crf), ...settings,
    ...colourTags, ...bitExact, "-movflags", "+faststart",
    "-f", "mp4", "-y", fileUrl(path),
  ];
}

/** Arguments that read raw RGB frames from standard input. */
export const rawInput = ({ width, height, fps }: Pick<VideoWriterOptions, "width" | "height" | "fps">): string[] =>
  ["-f", "rawvideo", "-pix_fmt", "rgb24", "-video_size", `${width}x${height}`, "-framerate", frameRate(fps), "-i", "pipe:0"];

/** The filters that turn RGB of any size into what is encoded. */
export function encodingFilters({ width, height }: Pick<VideoWriterOptions, "width" | "height">): string {
  const filters = ["scale=out_color_matrix=bt709:out_range=tv:flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact", "format=yuv420p"];
  const right = even(width) - width;
  const bottom = even(height) - height;
  // Planar RGB, in which the border can be copied before colour is halved.
  if (right + bottom > 0) filters.unshift("format=gbrp", `pad=${even(width)}:${even(height)}`, `fillborders=right=${right}:bottom=${bottom}:mode=smear`);
  return filters.join(",");
}

export const colourTags = ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"];
export const bitExact = ["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact"];

/** Codecs that mp4 holds and players expect in it. */
const soundInMp4 = new Set(["aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"]);

/** Whether sound of this codec is copied as it is, rather than encoded again. */
export const copiesSound = (codec: string): boolean => soundInMp4.has(codec);

function soundArguments(sound: SoundSource | undefined): { inputs: string[]; outputs: string[] } {
  const codec = sound?.info.audioCodec;
  if (!sound || codec === undefined) return { inputs: [], outputs: [] };
  const { startS = 0 } = sound;
  const encoding = copiesSound(codec) ? ["-c:a", "copy"] : ["-c:a", "aac", "-b:a", "192k", "-flags:a", "+bitexact"];
  return { inputs: [...(startS > 0 ? ["-ss", String(startS)] : []), ...videoInput(sound.info.path)], outputs: ["-map", "1:a:0", ...encoding] };
}

const even = (side: number) => side + (side % 2);

/** The rates of American television are so often rounded to two or three digits that the exact ones are meant. */
function frameRate(fps: number): string {
  const whole = Math.round(fps * 1.001);
  const isTelevision = !Number.isInteger(fps) && [24, 30, 48, 60, 120].includes(whole) && Math.abs(fps * 1.001 - whole) < 0.002;
  return isTelevision ? `${whole * 1000}/1001` : String(fps);
}
