/**
 * A video's latents in a safetensors file: one tensor, `latents` [1, C, T', h, w] or `indices` [1, T', h, w], and what is
 * needed to turn it back into the video as text beside it (`latents-info.ts`). Written a window at a time and read a window
 * at a time.
 *
 * How many windows there are is known only when the video has ended, because headers lie, and C lies outside T' in the
 * tensor; so windows are spooled beside the target and put in order at the end.
 */
import { open, type FileHandle } from "node:fs/promises";
import { OrreryError, fromSystemError } from "../errors.ts";
import { PartialFile } from "../partial-file.ts";
import { hostTensor, type HostTensor } from "../tensor/runtime/runtime.ts";
import { openSafetensors, storedBytes, toBFloat16, toFloat16, toFloat32, toInt32, type StoredDType } from "../weights/index.ts";
import { fromMetadata, latentsLayout, toMetadata, type LatentsInfo, type LatentsLayout } from "./latents-info.ts";
import type { Compression } from "./network.ts";

/** How latents are stored. F32 gives back what the network made, bit by bit. */
export type LatentsDType = "F32" | "F16" | "BF16";

/** Numbers of a coded window as they are stored; indices fit 32 bits, because FSQ has at most 2^22 codes. */
function toStored(coded: HostTensor, dtype: StoredDType): Uint8Array {
  const { data } = coded;
  const stored = dtype === "F16" ? toFloat16(data as Float32Array) : dtype === "BF16" ? toBFloat16(data as Float32Array) : dtype === "I32" ? Int32Array.from(data as BigInt64Array, Number) : data;
  return new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
}

/** The same numbers as the network takes them: float32, or int64 indices. */
function fromStored(bytes: Uint8Array, dtype: StoredDType, shape: readonly number[], discrete: boolean): HostTensor {
  return discrete ? hostTensor("int64", shape, BigInt64Array.from(toInt32(dtype, bytes), BigInt)) : hostTensor("float32", shape, toFloat32(dtype, bytes));
}

export interface LatentsWriter {
  /** Adds the next window; gives back what a reader of the file will get. */
  append(coded: HostTensor): Promise<HostTensor>;
  /** Writes the file under its name. What was appended must be as many latent frames as `info` says. */
  close(info: LatentsInfo): Promise<void>;
  /** Gives up: no file is left. Does nothing after `close`. */
  abort(): Promise<void>;
}

/** Bytes put in order at a time. */
const chunkBytes = 1 << 22;

/**
 * Opens a file of latents for writing; it appears under `path` when `close` has succeeded.
 * @throws `file_not_found` (folder), `io_failed`, `disk_full`; the latter two also while writing.
 */
export async function openLatentsWriter(path: string, kind: LatentsInfo["kind"], dtype: LatentsDType = "F32"): Promise<LatentsWriter> {
  const stored: StoredDType = kind === "discrete" ? "I32" : dtype;
  const spool = await PartialFile.open(path);
  /** Shape of a window without its time: channels (1 for indices), height, width. */
  let [channels, height, width] = [0, 0, 0];
  const times: number[] = [];
  let handle: FileHandle | undefined;
  const close = async (): Promise<void> => {
    await handle?.close();
    handle = undefined;
  };
  const abort = async (): Promise<void> => {
    await close();
    await spool.discard();
  };
  const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      await abort();
      throw fromSystemError(error, path);
    }
  };
  return {
    append: (coded) =>
      guarded(async () => {
        const discrete = coded.shape.length === 4;
        const [c, t, h, w] = (discrete ? [1, ...coded.shape.slice(1)] : coded.shape.slice(1)) as [number, number, number, number];
        if (times.length === 0) [channels, height, width] = [c, h, w];
        if (coded.shape[0] !== 1 || c !== channels || h !== height || w !== width || discrete !== (kind === "discrete"))
          throw new OrreryError("internal", `a window of latents [${coded.shape.join(", ")}] does not go with [1, ${channels}, T, ${height}, ${width}]`);
        handle ??= await open(spool.temporary, "wx+");
        const bytes = toStored(coded, stored);
        await writeAll(handle, bytes);
        times.push(t);
        return stored === "F32" ? coded : fromStored(bytes, stored, coded.shape, discrete);
      }),
    close: (info) =>
      guarded(async () => {
        const time = times.reduce((a, b) => a + b, 0);
        if (handle === undefined || time !== latentsLayout(info).latentFrames) throw new OrreryError("internal", `${time} latent frames were written for ${info.frames} frames`);
        const shape = kind === "discrete" ? [1, time, height, width] : [1, channels, time, height, width];
        const frameBytes = height * width * storedBytes[stored];
        const target = await PartialFile.open(path);
        try {
          const out = await open(target.temporary, "wx");
          try {
            await writeAll(out, header(kind === "discrete" ? "indices" : "latents", stored, shape, channels * time * frameBytes, toMetadata(info)));
            await reorder(handle, out, times, channels, frameBytes);
          } finally {
            await out.close();
          }
          await target.commit();
        } finally {
          await target.discard();
        }
        await abort();
      }),
    abort,
  };
}

/** The beginning of a safetensors file with one tensor: length, JSON, spaces up to a multiple of eight. */
function header(name: string, dtype: StoredDType, shape: readonly number[], bytes: number, metadata: Readonly<Record<string, string>>): Buffer {
  const json = Buffer.from(JSON.stringify({ __metadata__: metadata, [name]: { dtype, shape, data_offsets: [0, bytes] } }));
  const padded = Math.ceil(json.length / 8) * 8;
  const out = Buffer.alloc(8 + padded, " ");
  out.writeBigUInt64LE(BigInt(padded));
  json.copy(out, 8);
  return out;
}

/** From windows of [C, t, h, w] one after another to [C, T', h, w], in chunks: each channel gathers its part of every window. */
async function reorder(spool: FileHandle, out: FileHandle, times: readonly number[], channels: number, frameBytes: number): Promise<void> {
  const buffer = new Uint8Array(Math.max(chunkBytes, frameBytes));
  let filled = 0;
  const flush = async (): Promise<void> => {
    await writeAll(out, buffer.subarray(0, filled));
    filled = 0;
  };
  for (let c = 0; c < channels; c++) {
    let start = 0;
    for (const t of times) {
      let from = start + c * t * frameBytes;
      for (let left = t * frameBytes; left > 0; ) {
        if (filled === buffer.length) await flush();
        const length = Math.min(left, buffer.length - filled);
        await readExactly(spool, buffer.subarray(filled, filled + length), from);
        filled += length;
        from += length;
        left -= length;
      }
      start += channels * t * frameBytes;
    }
  }
  await flush();
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await handle.write(bytes, done)).bytesWritten;
}

async function readExactly(handle: FileHandle, into: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < into.length; ) {
    const { bytesRead } = await handle.read(into, done, into.length - done, position + done);
    if (bytesRead === 0) throw new OrreryError("io_failed", "a file of latents became shorter while it was in use; run the same command again");
    done += bytesRead;
  }
}

export interface LatentsReader {
  readonly info: LatentsInfo;
  readonly layout: LatentsLayout;
  readonly dtype: StoredDType;
  readonly shape: readonly number[];
  /** The coded window with this number, from 0. */
  read(window: number): Promise<HostTensor>;
  close(): Promise<void>;
}

/**
 * Opens a file of latents and holds its tensor against its metadata.
 * @throws `file_not_found`, `io_failed`, `bad_checkpoint` when it is no such file or damaged.
 */
export async function openLatents(path: string): Promise<LatentsReader> {
  const file = await openSafetensors(path);
  try {
    const info = fromMetadata(file.metadata, path);
    const layout = latentsLayout(info);
    const discrete = info.kind === "discrete";
    const name = discrete ? "indices" : "latents";
    const { dtype, shape } = file.info(name);
    const bad = (what: string): OrreryError => new OrreryError("bad_checkpoint", `${path}: ${name} is ${dtype} [${shape.join(", ")}], ${what}. Encode the video again`);
    const allowed: readonly StoredDType[] = discrete ? ["I32", "I64"] : ["F32", "F16", "BF16"];
    if (!allowed.includes(dtype)) throw bad(`expected ${allowed.join(" or ")}`);
    const { latentFrames, latentHeight, latentWidth } = layout;
    const channels = discrete ? 1 : (shape[1] ?? 0);
    const expected = discrete ? [1, latentFrames, latentHeight, latentWidth] : [1, channels, latentFrames, latentHeight, latentWidth];
    if (channels < 1 || shape.join() !== expected.join()) throw bad(`but ${info.frames} frames of ${info.width} x ${info.height} make it [${expected.map((d, i) => (i === 1 && !discrete ? "C" : d)).join(", ")}]`);
    const { offset } = file.location(name) ?? {};
    if (offset === undefined) throw bad("and does not begin where its elements are aligned");
    const handle = await open(path, "r");
    const frameBytes = latentHeight * latentWidth * storedBytes[dtype];
    return {
      info, layout, dtype, shape,
      async read(window) {
        const t = window === layout.windows - 1 ? layout.lastLatentFrames : layout.latentWindow;
        const bytes = new Uint8Array(channels * t * frameBytes);
        const part = t * frameBytes;
        for (let c = 0; c < channels; c++) await readExactly(handle, bytes.subarray(c * part, (c + 1) * part), offset + (c * latentFrames + window * layout.latentWindow) * frameBytes);
        return fromStored(bytes, dtype, [1, ...(discrete ? [] : [channels]), t, latentHeight, latentWidth], discrete);
      },
      close: () => handle.close(),
    };
  } catch (error) {
    throw fromSystemError(error, path);
  } finally {
    await file.close();
  }
}

/** Whether a tokenizer can read these latents at all, whatever its weights. @throws `bad_argument` saying why not. */
export function checkDecodes({ info, shape }: LatentsReader, path: string, discrete: boolean, { temporal, spatial, latentChannels }: Compression): void {
  const made = info.kind === "discrete" ? "code indices" : `latents of ${shape[1]} channels`;
  const wants = discrete ? "code indices" : `latents of ${latentChannels} channels`;
  const factors = (t: number, s: number): string => `at ${t}x${s}x${s}`;
  const given = `${made} ${factors(info.temporalCompression, info.spatialCompression)}`;
  const expected = `${wants} ${factors(temporal, spatial)}`;
  if (given !== expected) throw new OrreryError("bad_argument", `${path} holds ${given} of a ${info.tokenizer}, but this tokenizer decodes ${expected}; give --model the tokenizer that made the file`);
}
