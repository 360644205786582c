/**
 * Whole videos through a tokenizer, in memory that does not grow with their length: frames come from the decoder one by one,
 * a window of them is coded (by tiles, where the picture is large), its latents go to the file, and the window's memory is
 * used again. Back the same way. What a window is, and how its edges are padded, is `codec.ts`'s to say; each window is
 * coded by itself, so the file holds exactly what `codec.encode` answers for each, and decoding it is `codec.decode`.
 */
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { OrreryError } from "../errors.ts";
import { silent, throwIfCancelled, type Progress } from "../progress.ts";
import type { HostTensor } from "../tensor/runtime/runtime.ts";
import { frameAt, fromTensor, openVideoWriter, probeVideo, readFrames, toTensor, type Clip, type Picture, type ReadWarning, type SizeOptions } from "../video/index.ts";
import type { Codec } from "./codec.ts";
import { isDiscrete } from "./config.ts";
import { openLatents, openLatentsWriter, type LatentsDType, type LatentsReader } from "./latents-file.ts";
import type { LatentsInfo } from "./latents-info.ts";
import type { TokenizerIdentity } from "./model.ts";

/**
 * Cuts frames into clips of `window` frames, the last one shorter. All clips share one memory: each is valid until the next
 * is asked for.
 */
export async function* inWindows(frames: AsyncIterable<Picture>, window: number, fps: number): AsyncGenerator<Clip, void, void> {
  let memory: Uint8Array | undefined;
  let [width, height, count] = [0, 0, 0];
  const clip = (frameCount: number): Clip => ({ frames: memory!.subarray(0, frameCount * width * height * 3), width, height, frameCount, fps });
  for await (const frame of frames) {
    if (!memory) {
      ({ width, height } = frame);
      memory = new Uint8Array(window * width * height * 3);
    }
    memory.set(frame.pixels, count * frame.pixels.length);
    if (++count < window) continue;
    yield clip(count);
    count = 0;
  }
  if (count > 0) yield clip(count);
}

export interface EncodeOptions extends SizeOptions {
  /** Even frame rate to convert to. Default: the file's own frames, each once. */
  fps?: number;
  maxFrames?: number;
  /** How latents are stored; indices are always 32-bit whole numbers. Default F32. */
  dtype?: LatentsDType;
  /** Given, every window is also decoded again (from what was stored) and handed over beside the original; both valid until it returns. */
  compare?: (original: Clip, reconstructed: Clip) => void;
  onWarning?: (warning: ReadWarning) => void;
  progress?: Progress;
  signal?: AbortSignal | undefined;
}

/**
 * Encodes a video file of any length and size into a file of latents.
 * @throws as `readFrames` and `openLatentsWriter`; `diverged` when the network answers with something that is not a number.
 */
export async function encodeVideo(path: string, out: string, codec: Codec, identity: TokenizerIdentity, options: EncodeOptions = {}): Promise<LatentsInfo> {
  const { fps, width, height, fit, maxFrames, dtype, compare, progress = silent, signal } = options;
  const kind = codec.discrete ? "discrete" : "continuous";
  const writer = await openLatentsWriter(out, kind, dtype);
  try {
    const source = await probeVideo(path, { signal });
    const rate = fps ?? source.fps;
    const expected = fps === undefined ? (source.frameCount ?? source.durationS * source.fps) : source.durationS * fps;
    const total = Math.min(maxFrames ?? Infinity, Math.ceil(expected));
    const stage = `encoding ${basename(path)}`;
    let truncated = false;
    const onWarning = (warning: ReadWarning): void => {
      truncated ||= warning.kind === "truncated";
      options.onWarning?.(warning);
    };
    const frames = readFrames(path, { info: source, signal, onWarning, ...defined({ fps, width, height, fit, maxFrames }) });
    let done = 0;
    let picture = { width: 0, height: 0 };
    for await (const clip of inWindows(frames, codec.temporalWindow, rate)) {
      const coded = await codec.encode(toTensor(clip), [1, 3, clip.frameCount, clip.height, clip.width]);
      if (coded.data instanceof Float32Array && !coded.data.every(Number.isFinite))
        throw new OrreryError("diverged", `the tokenizer's latents of frames ${done} to ${done + clip.frameCount - 1} of ${path} hold a value that is not a finite number; the model or its weights are broken`);
      const stored = await writer.append(coded);
      compare?.(clip, await decodeWindow(codec, stored, clip));
      picture = clip;
      done += clip.frameCount;
      progress({ stage, done, ...(done <= total ? { total } : {}), unit: "frames" });
      throwIfCancelled(signal, stage);
    }
    const info: LatentsInfo = {
      kind, tokenizer: identity.className, tokenizerSha256: identity.sha256,
      temporalCompression: codec.compression.temporal, spatialCompression: codec.compression.spatial,
      frames: done, width: picture.width, height: picture.height, fps: rate,
      window: codec.temporalWindow, tile: codec.tile, source: basename(path), sourceBytes: source.sizeBytes, request: requestOf(options), truncated,
    };
    await writer.close(info);
    return info;
  } finally {
    await writer.abort();
  }
}

/** What decides which frames are read: "fps=24 size=auto frames=all". */
function requestOf({ fps, width, height, fit = "cover", maxFrames }: EncodeOptions): string {
  const size = width === undefined && height === undefined ? "auto" : `${width ?? "auto"}x${height ?? "auto"},${fit}`;
  return `fps=${fps ?? "auto"} size=${size} frames=${maxFrames ?? "all"}`;
}

/** What `out` says about itself when encoding `path` now would write it again: same video, tokenizer and options. */
export async function encodedBefore(path: string, out: string, codec: Codec, identity: TokenizerIdentity, options: EncodeOptions = {}): Promise<LatentsInfo | undefined> {
  const [status, latents] = await Promise.all([stat(path).catch(() => undefined), openLatents(out).catch(() => undefined)]);
  await latents?.close();
  if (!status || !latents) return undefined;
  const { info, dtype } = latents;
  const same =
    info.source === basename(path) && info.sourceBytes === status.size && info.request === requestOf(options) &&
    info.tokenizerSha256 === identity.sha256 && info.window === codec.temporalWindow && info.tile === codec.tile &&
    (codec.discrete || dtype === (options.dtype ?? "F32"));
  return same ? info : undefined;
}

/** Only the fields that have a value: what options with exact optional properties take. */
function defined<T extends Record<string, unknown>>(fields: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as { [K in keyof T]?: NonNullable<T[K]> };
}

async function decodeWindow(codec: Codec, coded: HostTensor, { frameCount: frames, height, width, fps }: Omit<Clip, "frames">): Promise<Clip> {
  const pixels = await codec.decode(coded, { frames, height, width });
  return fromTensor(pixels.data as Float32Array, pixels.shape, fps);
}

/** The video of a file of latents, a window at a time. @throws `bad_checkpoint` for an index that is no code, `diverged`. */
export async function* decodeWindows(latents: LatentsReader, codec: Codec): AsyncGenerator<Clip, void, void> {
  const { info, layout } = latents;
  const codes = isDiscrete(codec.config) ? BigInt(codec.config.levels.reduce((a, b) => a * b, 1)) : 0n;
  for (let i = 0; i < layout.windows; i++) {
    const coded = await latents.read(i);
    if (coded.data instanceof BigInt64Array) {
      const wrong = coded.data.find((index) => index < 0n || index >= codes);
      if (wrong !== undefined) throw new OrreryError("bad_checkpoint", `the latents of ${info.source} hold the index ${wrong}; this tokenizer has codes 0 to ${codes - 1n}. Encode the video again with it`);
    }
    const frameCount = Math.min(info.window, info.frames - i * info.window);
    yield await decodeWindow(codec, coded, { frameCount, height: info.height, width: info.width, fps: info.fps });
  }
}

export interface DecodeOptions {
  /** Frames per second of the video. Default: those of the file. */
  fps?: number;
  /** Quality of the video file, lower is better. */
  crf?: number;
  progress?: Progress;
  signal?: AbortSignal | undefined;
}

/** Decodes a file of latents into an mp4. @throws as `decodeWindows` and `openVideoWriter`. */
export async function decodeToVideo(latents: LatentsReader, out: string, codec: Codec, options: DecodeOptions = {}): Promise<void> {
  const { info } = latents;
  const { fps = info.fps, crf, progress = silent, signal } = options;
  const writer = await openVideoWriter(out, { width: info.width, height: info.height, fps, signal, ...defined({ crf }) });
  const stage = `decoding ${info.source}`;
  // One memory for every frame that is written: the writer holds on to what it was given until the file is finished.
  const frame = new Uint8Array(info.width * info.height * 3);
  try {
    for await (const clip of decodeWindows(latents, codec)) {
      for (let i = 0; i < clip.frameCount; i++) {
        frame.set(frameAt(clip, i).pixels);
        await writer.write(frame);
      }
      progress({ stage, done: writer.frameCount, total: info.frames, unit: "frames" });
      throwIfCancelled(signal, stage);
    }
    await writer.close();
  } finally {
    await writer.abort();
  }
}
