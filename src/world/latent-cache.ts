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
import { lookAhead, type ClipSet } from "../dataset/index.ts";
import { sliceClip, type Clip } from "../video/index.ts";
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
  /** Numbers of given pixel frames whose last one is also coded alone, as a picture; see `anchor`. 1 needs nothing: it is the first latent frame. */
  anchors?: readonly number[] | undefined;
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
  /** Pixel frame `given` - 1 of window `index` coded as a picture, [C, H, W]; for 1 and the numbers that were asked for. */
  anchor(index: number, given: number): Promise<Float32Array>;
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
  handle: FileHandle;
  /** By name of the tensor. */
  tensors: Map<string, { offset: number; memory?: Float32Array | Int32Array }>;
}

const anchorName = (given: number): string => `anchor.${given}`;

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
  const anchors = anchorsOf(options);
  const numbers = ({ buffer, byteOffset, length }: Uint8Array): Float32Array | Int32Array => (codec.discrete ? new Int32Array(buffer, byteOffset, length / 4) : new Float32Array(buffer, byteOffset, length / 4));
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
        shape = checkpoint.info(name).shape.slice(1);
        const shard: Shard = { places, handle: await open(path, "r"), tensors: new Map() };
        shards.push(shard);
        for (const tensor of [name, ...anchors.map(anchorName)]) {
          const { byteLength } = checkpoint.info(tensor);
          const offset = checkpoint.location(tensor)!.offset;
          if (byteLength > room) {
            shard.tensors.set(tensor, { offset });
            continue;
          }
          room -= byteLength;
          shard.tensors.set(tensor, { offset, memory: numbers(await checkpoint.read(tensor)) });
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
  const read = async (index: number, tensor: string, each: number): Promise<Float32Array | Int32Array> => {
    const { shard, window } = find(index);
    const { offset, memory } = shard.tensors.get(tensor)!;
    if (memory) return memory.subarray(window * each, (window + 1) * each);
    const bytes = new Uint8Array(each * 4);
    await shard.handle.read(bytes, 0, bytes.length, offset + window * bytes.length);
    return numbers(bytes);
  };
  return {
    count: total,
    shape,
    read: (index) => read(index, name, values),
    async anchor(index, given) {
      const [c, t, h, w] = shape as [number, number, number, number];
      if (given > 1) return (await read(index, anchorName(given), c * h * w)) as Float32Array;
      const window = await read(index, name, values);
      const out = new Float32Array(c * h * w);
      for (let i = 0; i < c; i++) out.set(window.subarray(i * t * h * w, i * t * h * w + h * w), i * h * w);
      return out;
    },
    place(index) {
      const { shard, window } = find(index);
      return shard.places[window]!;
    },
    close,
  };
}

const anchorsOf = ({ anchors = [] }: LatentCacheOptions): number[] => anchors.filter((given) => given > 1);

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

function shardName(places: readonly Place[], options: LatentCacheOptions): string {
  const { set, frames, stride, tokenizerSha256 } = options;
  const entries = [...new Set(places.map(({ entry }) => entry))].map((i) => set.entries[i]!);
  const clips = entries.map(({ path, info, startS, frameCount }) => [path, info.sizeBytes, startS, frameCount]);
  const key = JSON.stringify([clips, set.width, set.height, set.fps, frames, stride, tokenizerSha256, ...anchorsOf(options)]);
  const first = basename(entries[0]!.path, extname(entries[0]!.path)).replace(/[^\w.-]+/g, "-").slice(0, 80);
  return `${first}-${createHash("sha256").update(key).digest("hex").slice(0, 12)}.safetensors`;
}

/** Codes the windows of one file; their latents are in memory until they are written. */
async function writeShard(path: string, name: string, places: readonly Place[], options: LatentCacheOptions, report: (done: number) => void): Promise<void> {
  const { set, codec, frames, stride, batch = 4, signal } = options;
  const anchors = anchorsOf(options);
  const parts = new Map<string, HostTensor[]>([name, ...anchors.map(anchorName)].map((tensor) => [tensor, []]));
  // A last short batch is filled up, so that one compiled graph serves all. The next ones are read while one is coded.
  const ahead = lookAhead(async (step) => {
    const here = places.slice(step * batch, (step + 1) * batch);
    const clips = await Promise.all(here.map(({ entry, first }) => set.window(entry, first, frames)));
    return clips.length === 0 ? clips : Array.from({ length: batch }, (_, i) => clips[Math.min(i, clips.length - 1)]!);
  }, 2);
  for (let at = 0; at < places.length; at += batch) {
    throwIfCancelled(signal, "encoding the clips");
    const clips = await ahead.at(at / batch);
    const encode = async (tensor: string, of: readonly Clip[]): Promise<void> => {
      const pixels = batchOf(of, [batch, 3, of[0]!.frameCount, set.height, set.width]);
      parts.get(tensor)!.push(await codec.encode(pixels.data as Float32Array, pixels.shape));
    };
    await encode(name, clips);
    for (const given of anchors) await encode(anchorName(given), clips.map((clip) => sliceClip(clip, given - 1, given - 1)));
    report(Math.min(places.length, at + batch));
  }
  const source = basename(set.entries[places[0]!.entry]!.path);
  const entries = [...parts].map(([tensor, list]) => {
    const shape = tensor === name ? list[0]!.shape.slice(1) : [list[0]!.shape[1]!, ...list[0]!.shape.slice(3)];
    const each = shape.reduce((a, b) => a * b, 1);
    const all = codec.discrete ? new Int32Array(places.length * each) : new Float32Array(places.length * each);
    list.forEach(({ data }, i) => {
      const values = data instanceof BigInt64Array ? Int32Array.from(data, Number) : (data as Float32Array);
      all.set(values.subarray(0, Math.min(batch, places.length - i * batch) * each), i * batch * each);
    });
    if (all instanceof Float32Array && !all.every(Number.isFinite)) throw new OrreryError("diverged", `the tokenizer's latents of ${source} or a clip after it hold a value that is not a finite number; the model or its weights are broken`);
    return { name: tensor, dtype: codec.discrete ? ("I32" as const) : ("F32" as const), shape: [places.length, ...shape], data: all };
  });
  await writeSafetensors(path, entries, { source, stride: String(stride) });
}

/** The statistics of at most `most` windows, spread evenly. */
export async function statisticsOfCache(cache: LatentCache, most = 512): Promise<{ mean: number[]; std: number[] }> {
  const meter = latentMeter();
  const used = Math.min(most, cache.count);
  for (let k = 0; k < used; k++) meter.add(await cache.read(Math.floor((k * cache.count) / used)), [1, ...cache.shape]);
  return meter.result();
}
