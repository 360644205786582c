/**
 * Clips as a world model sees them: every window coded once by the tokenizer and kept on disk, so that training reads numbers
 * instead of decoding video. One safetensors file per clip, `latents` [N, C, T, H, W] or `indices` [N, T, H, W], named by
 * everything that its content depends on; a file that is there is whole, because it was renamed into place.
 */
import { createHash } from "node:crypto";
import { open, mkdir, stat, type FileHandle } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { fromSystemError, OrreryError } from "../errors.ts";
import { silent, throwIfCancelled, type Progress } from "../progress.ts";
import type { ClipSet } from "../dataset/index.ts";
import type { HostTensor } from "../tensor/runtime/node.ts";
import type { Codec } from "../tokenizer/codec.ts";
import { latentMeter } from "../tokenizer/index.ts";
import { batchOf } from "../tokenizer/train.ts";
import { openSafetensors, writeSafetensors } from "../weights/index.ts";

export interface LatentCacheOptions {
  set: ClipSet;
  codec: Codec;
  /** Names the tokenizer exactly; see `identifyTokenizer`. */
  tokenizerSha256: string;
  folder: string;
  /** Pixel frames of a window. */
  frames: number;
  /** Pixel frames between the beginnings of windows. */
  stride: number;
  /** Windows coded at once. */
  batch?: number;
  progress?: Progress | undefined;
  signal?: AbortSignal | undefined;
}

export interface LatentCache {
  /** Windows over all clips. */
  readonly count: number;
  /** Shape of one window, without a batch: [C, T, H, W], or [T, H, W] of indices. */
  readonly shape: readonly number[];
  /** Window `index`: latents as they were coded, or indices. */
  read(index: number): Promise<Float32Array | Int32Array>;
  /** Which clip of the set window `index` is of, and its first frame in it. */
  place(index: number): { entry: number; first: number };
  close(): Promise<void>;
}

/** Bytes of latents that are kept in memory; more is read window by window. */
const memoryBytes = 2 ** 29;

interface CachedClip {
  entry: number;
  windows: number;
  offset: number;
  handle: FileHandle;
  memory?: Float32Array | Int32Array;
}

/**
 * Codes what is not coded yet and opens all of it.
 * @throws `bad_video` when no clip is as long as a window, `cancelled` (files that are done are kept), `disk_full`.
 */
export async function openLatentCache(options: LatentCacheOptions): Promise<LatentCache> {
  const { set, codec, folder, frames, stride, progress = silent, signal } = options;
  const windowsOf = (frameCount: number): number => (frameCount < frames ? 0 : 1 + Math.floor((frameCount - frames) / stride));
  const clips = set.entries.map((entry, index) => ({ index, entry, windows: windowsOf(entry.frameCount) })).filter((c) => c.windows > 0);
  const total = clips.reduce((sum, c) => sum + c.windows, 0);
  if (total === 0) {
    const longest = Math.max(...set.entries.map((e) => e.frameCount));
    throw new OrreryError("bad_video", `the longest clip has ${longest} frame(s) at ${set.fps.toFixed(2)} fps, but windows of ${frames} were asked for; give longer clips, ask for fewer frames (data.frames) or hold less back`);
  }
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw fromSystemError(error, folder);
  });
  const name = codec.discrete ? "indices" : "latents";
  const stage = "encoding the clips";
  let done = 0;
  const opened: CachedClip[] = [];
  const close = async (): Promise<void> => {
    for (const { handle } of opened.splice(0)) await handle.close();
  };
  let shape: readonly number[] = [];
  try {
    let room = memoryBytes;
    for (const { index, entry, windows } of clips) {
      throwIfCancelled(signal, stage);
      const key = JSON.stringify([entry.path, entry.info.sizeBytes, entry.startS, entry.frameCount, set.width, set.height, set.fps, frames, stride, options.tokenizerSha256]);
      const path = join(folder, `${basename(entry.path, extname(entry.path))}-${createHash("sha256").update(key).digest("hex").slice(0, 12)}.safetensors`);
      if (!(await stat(path).catch(() => undefined))) await writeClip(path, name, index, windows, options, (n) => progress({ stage, done: done + n, total, unit: "windows" }));
      done += windows;
      progress({ stage, done, total, unit: "windows" });
      const checkpoint = await openSafetensors(path);
      try {
        const info = checkpoint.info(name);
        shape = info.shape.slice(1);
        const place = checkpoint.location(name)!;
        const clip: CachedClip = { entry: index, windows, offset: place.offset, handle: await open(path, "r") };
        opened.push(clip);
        if (info.byteLength <= room) {
          room -= info.byteLength;
          const bytes = await checkpoint.read(name);
          clip.memory = codec.discrete ? new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4) : new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
        }
      } finally {
        await checkpoint.close();
      }
    }
  } catch (error) {
    await close();
    throw error;
  }
  const values = shape.reduce((a, b) => a * b, 1);
  const find = (index: number): { clip: CachedClip; window: number } => {
    let window = index;
    for (const clip of opened) {
      if (window < clip.windows) return { clip, window };
      window -= clip.windows;
    }
    throw new RangeError(`window ${index} of ${total}`);
  };
  return {
    count: total,
    shape,
    async read(index) {
      const { clip, window } = find(index);
      if (clip.memory) return clip.memory.subarray(window * values, (window + 1) * values);
      const bytes = new Uint8Array(values * 4);
      await clip.handle.read(bytes, 0, bytes.length, clip.offset + window * bytes.length);
      return codec.discrete ? new Int32Array(bytes.buffer) : new Float32Array(bytes.buffer);
    },
    place(index) {
      const { clip, window } = find(index);
      return { entry: clip.entry, first: window * stride };
    },
    close,
  };
}

/** Codes one clip; its latents are in memory until they are written. */
async function writeClip(path: string, name: string, entry: number, windows: number, { set, codec, frames, stride, batch = 4, signal }: LatentCacheOptions, report: (done: number) => void): Promise<void> {
  const parts: HostTensor[] = [];
  for (let first = 0; first < windows; first += batch) {
    throwIfCancelled(signal, "encoding the clips");
    // A last short batch is filled up, so that one compiled graph serves all.
    const clips = await Promise.all(Array.from({ length: batch }, (_, i) => set.window(entry, Math.min(first + i, windows - 1) * stride, frames)));
    const pixels = batchOf(clips, [batch, 3, frames, set.height, set.width]);
    parts.push(await codec.encode(pixels.data as Float32Array, pixels.shape));
    report(Math.min(windows, first + batch));
  }
  const shape = parts[0]!.shape.slice(1);
  const each = shape.reduce((a, b) => a * b, 1);
  const all = codec.discrete ? new Int32Array(windows * each) : new Float32Array(windows * each);
  parts.forEach(({ data }, i) => {
    const values = data instanceof BigInt64Array ? Int32Array.from(data, Number) : (data as Float32Array);
    all.set(values.subarray(0, Math.min(batch, windows - i * batch) * each), i * batch * each);
  });
  if (all instanceof Float32Array && !all.every(Number.isFinite)) throw new OrreryError("diverged", `the tokenizer's latents of ${set.entries[entry]!.path} hold a value that is not a finite number; the model or its weights are broken`);
  await writeSafetensors(path, [{ name, dtype: codec.discrete ? "I32" : "F32", shape: [windows, ...shape], data: all }], { source: basename(set.entries[entry]!.path), stride: String(stride) });
}

/** The statistics of at most `most` windows, spread evenly. */
export async function statisticsOfCache(cache: LatentCache, most = 512): Promise<{ mean: number[]; std: number[] }> {
  const meter = latentMeter();
  const used = Math.min(most, cache.count);
  for (let k = 0; k < used; k++) meter.add(await cache.read(Math.floor((k * cache.count) / used)), [1, ...cache.shape]);
  return meter.result();
}
