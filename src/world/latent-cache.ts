/**
 * Clips as a world model sees them: every window coded once by the tokenizer and kept on disk, so that training reads numbers
 * instead of decoding video. A safetensors file for a long clip or for neighbours that are short, `latents` [N, C, T, H, W] or
 * `indices` [N, T, H, W], named by everything that its content depends on; a file that is there is whole, because it was renamed
 * into place.
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

/** Windows from which on a file is not joined by the next clip. */
const shardWindows = 256;

interface Place {
  entry: number;
  first: number;
}

interface Shard {
  /** Where in the set its windows lie. */
  places: Place[];
  offset: number;
  handle: FileHandle;
  memory?: Float32Array | Int32Array;
}

/**
 * Codes what is not coded yet and opens all of it.
 * @throws `bad_video` when no clip is as long as a window, `cancelled` (files that are done are kept), `disk_full`.
 */
export async function openLatentCache(options: LatentCacheOptions): Promise<LatentCache> {
  const { codec, folder, progress = silent, signal } = options;
  const groups = groupWindows(options);
  const total = groups.reduce((sum, places) => sum + places.length, 0);
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw fromSystemError(error, folder);
  });
  const name = codec.discrete ? "indices" : "latents";
  const stage = "encoding the clips";
  let done = 0;
  const shards: Shard[] = [];
  const close = async (): Promise<void> => {
    for (const { handle } of shards.splice(0)) await handle.close();
  };
  let shape: readonly number[] = [];
  try {
    let room = memoryBytes;
    for (const places of groups) {
      throwIfCancelled(signal, stage);
      const path = join(folder, shardName(places, options));
      if (!(await stat(path).catch(() => undefined))) await writeShard(path, name, places, options, (n) => progress({ stage, done: done + n, total, unit: "windows" }));
      done += places.length;
      progress({ stage, done, total, unit: "windows" });
      const checkpoint = await openSafetensors(path);
      try {
        const info = checkpoint.info(name);
        shape = info.shape.slice(1);
        const shard: Shard = { places, offset: checkpoint.location(name)!.offset, handle: await open(path, "r") };
        shards.push(shard);
        if (info.byteLength <= room) {
          room -= info.byteLength;
          const bytes = await checkpoint.read(name);
          shard.memory = codec.discrete ? new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4) : new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
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
  const find = (index: number): { shard: Shard; window: number } => {
    let window = index;
    for (const shard of shards) {
      if (window < shard.places.length) return { shard, window };
      window -= shard.places.length;
    }
    throw new RangeError(`window ${index} of ${total}`);
  };
  return {
    count: total,
    shape,
    async read(index) {
      const { shard, window } = find(index);
      if (shard.memory) return shard.memory.subarray(window * values, (window + 1) * values);
      const bytes = new Uint8Array(values * 4);
      await shard.handle.read(bytes, 0, bytes.length, shard.offset + window * bytes.length);
      return codec.discrete ? new Int32Array(bytes.buffer) : new Float32Array(bytes.buffer);
    },
    place(index) {
      const { shard, window } = find(index);
      return shard.places[window]!;
    },
    close,
  };
}

/** All windows of the set, by the files that they go into. */
function groupWindows({ set, frames, stride }: LatentCacheOptions): Place[][] {
  const groups: Place[][] = [];
  let last: Place[] | undefined;
  for (const [entry, { frameCount }] of set.entries.entries()) {
    const windows = frameCount < frames ? 0 : 1 + Math.floor((frameCount - frames) / stride);
    if (windows === 0) continue;
    if (!last || last.length + windows > shardWindows) groups.push((last = []));
    for (let i = 0; i < windows; i++) last.push({ entry, first: i * stride });
  }
  if (groups.length > 0) return groups;
  const longest = Math.max(...set.entries.map((e) => e.frameCount));
  throw new OrreryError("bad_video", `the longest clip has ${longest} frame(s) at ${set.fps.toFixed(2)} fps, but windows of ${frames} were asked for; give longer clips, ask for fewer frames (data.frames) or hold less back`);
}

function shardName(places: readonly Place[], { set, frames, stride, tokenizerSha256 }: LatentCacheOptions): string {
  const entries = [...new Set(places.map(({ entry }) => entry))].map((i) => set.entries[i]!);
  const clips = entries.map(({ path, info, startS, frameCount }) => [path, info.sizeBytes, startS, frameCount]);
  const key = JSON.stringify([clips, set.width, set.height, set.fps, frames, stride, tokenizerSha256]);
  const first = basename(entries[0]!.path, extname(entries[0]!.path)).replace(/[^\w.-]+/g, "-").slice(0, 80);
  return `${first}-${createHash("sha256").update(key).digest("hex").slice(0, 12)}.safetensors`;
}

/** Codes the windows of one file; their latents are in memory until they are written. */
async function writeShard(path: string, name: string, places: readonly Place[], { set, codec, frames, stride, batch = 4, signal }: LatentCacheOptions, report: (done: number) => void): Promise<void> {
  const parts: HostTensor[] = [];
  for (let at = 0; at < places.length; at += batch) {
    throwIfCancelled(signal, "encoding the clips");
    // A last short batch is filled up, so that one compiled graph serves all.
    const clips = await Promise.all(Array.from({ length: batch }, (_, i) => places[Math.min(at + i, places.length - 1)]!).map(({ entry, first }) => set.window(entry, first, frames)));
    const pixels = batchOf(clips, [batch, 3, frames, set.height, set.width]);
    parts.push(await codec.encode(pixels.data as Float32Array, pixels.shape));
    report(Math.min(places.length, at + batch));
  }
  const shape = parts[0]!.shape.slice(1);
  const each = shape.reduce((a, b) => a * b, 1);
  const all = codec.discrete ? new Int32Array(places.length * each) : new Float32Array(places.length * each);
  parts.forEach(({ data }, i) => {
    const values = data instanceof BigInt64Array ? Int32Array.from(data, Number) : (data as Float32Array);
    all.set(values.subarray(0, Math.min(batch, places.length - i * batch) * each), i * batch * each);
  });
  const source = basename(set.entries[places[0]!.entry]!.path);
  if (all instanceof Float32Array && !all.every(Number.isFinite)) throw new OrreryError("diverged", `the tokenizer's latents of ${source} or a clip after it hold a value that is not a finite number; the model or its weights are broken`);
  await writeSafetensors(path, [{ name, dtype: codec.discrete ? "I32" : "F32", shape: [places.length, ...shape], data: all }], { source, stride: String(stride) });
}

/** The statistics of at most `most` windows, spread evenly. */
export async function statisticsOfCache(cache: LatentCache, most = 512): Promise<{ mean: number[]; std: number[] }> {
  const meter = latentMeter();
  const used = Math.min(most, cache.count);
  for (let k = 0; k < used; k++) meter.add(await cache.read(Math.floor((k * cache.count) / used)), [1, ...cache.shape]);
  return meter.result();
}
