/**
 * Writes safetensors. Files appear whole or not at all, and their bytes depend only on what is written: tensors in the order
 * of the Rust implementation (largest alignment first, then by name), metadata sorted, header padded to eight bytes.
 */
import { open, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fromSystemError, OrreryError } from "../errors.ts";
import { PartialFile, writeFileAtomic } from "../partial-file.ts";
import { storedLength, toBFloat16, toFloat16, type StoredDType } from "./dtype.ts";
import { largestHeader } from "./safetensors-header.ts";

export interface SafetensorsEntry {
  name: string;
  dtype: StoredDType;
  shape: readonly number[];
  /**
   * Row-major little-endian elements, or a function that brings them when their turn comes, for models beyond memory.
   * A `Float32Array` for F16 or BF16 is rounded to it, to nearest with ties to even.
   */
  data: ArrayBufferView | (() => ArrayBufferView | Promise<ArrayBufferView>);
}

interface Sized extends SafetensorsEntry {
  bytes: number;
}

/** The Rust implementation's order of types; it sorts by it from the end, so that every tensor begins aligned. */
const rank: StoredDType[] = ["BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "I16", "U16", "F16", "BF16", "I32", "U32", "F32", "F64", "I64", "U64"];

/** Bytes per write call; node refuses buffers of 2 GiB and more. */
const largestWrite = 1 << 26;

/**
 * Writes one file.
 * @throws `internal` when an entry's data is not as its dtype and shape say or a name occurs twice, `disk_full`,
 * `io_failed`, `file_not_found` when the folder does not exist.
 */
export async function writeSafetensors(path: string, entries: Iterable<SafetensorsEntry>, metadata: Readonly<Record<string, string>> = {}): Promise<void> {
  await writeSized(path, sized(entries), metadata);
}

/**
 * Writes one file, or several of at most `maxBytes` of tensors (diffusers' 10 GB unless told) with an index, named as
 * diffusers does: `stem.safetensors`, or `stem-00001-of-00002.safetensors` and `stem.safetensors.index.json`. The index is
 * written last, so that a model is either whole or not there.
 * @returns the paths written.
 */
export async function writeSharded(
  folder: string, entries: Iterable<SafetensorsEntry>, metadata: Readonly<Record<string, string>> = {},
  { stem = "diffusion_pytorch_model", maxBytes = 10e9 }: { stem?: string; maxBytes?: number } = {},
): Promise<string[]> {
  const all = sized(entries);
  const shards: Sized[][] = [];
  let room = -1;
  for (const entry of all) {
    if (entry.bytes > room) {
      shards.push([]);
      room = maxBytes;
    }
    shards.at(-1)!.push(entry);
    room -= entry.bytes;
  }
  if (shards.length <= 1) {
    const path = join(folder, `${stem}.safetensors`);
    await writeSized(path, all, metadata);
    return [path];
  }
  const digits = (n: number): string => String(n).padStart(5, "0");
  const weightMap: [string, string][] = [];
  const paths: string[] = [];
  for (const [i, shard] of shards.entries()) {
    const file = `${stem}-${digits(i + 1)}-of-${digits(shards.length)}.safetensors`;
    await writeSized(join(folder, file), shard, metadata);
    paths.push(join(folder, file));
    for (const { name } of shard) weightMap.push([name, file]);
  }
  const index = { metadata: { total_size: all.reduce((sum, e) => sum + e.bytes, 0) }, weight_map: Object.fromEntries(weightMap.sort(([a], [b]) => byName(a, b))) };
  const indexPath = join(folder, `${stem}.safetensors.index.json`);
  await writeFileAtomic(indexPath, `${JSON.stringify(index, null, 2)}\n`);
  return [...paths, indexPath];
}

/** Checks entries and puts them in the file's order. */
function sized(entries: Iterable<SafetensorsEntry>): Sized[] {
  const names = new Set<string>();
  const all: Sized[] = [];
  for (const entry of entries) {
    const { name, dtype, shape } = entry;
    const bytes = storedLength(dtype, shape);
    if (bytes === undefined) throw new OrreryError("internal", `the shape [${shape.join(", ")}] of ${name} cannot be written`);
    if (name === "__metadata__" || names.has(name)) throw new OrreryError("internal", `the tensor name "${name}" ${names.has(name) ? "was given twice" : "is reserved"}`);
    names.add(name);
    all.push({ ...entry, bytes });
  }
  return all.sort((a, b) => rank.indexOf(b.dtype) - rank.indexOf(a.dtype) || byName(a.name, b.name));
}

/** By UTF-8 bytes, as Rust compares text. */
const byName = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

function headerOf(entries: readonly Sized[], metadata: Readonly<Record<string, string>>): Buffer {
  const parts: string[] = [];
  const free = Object.entries(metadata).sort(([a], [b]) => byName(a, b));
  if (free.length > 0) parts.push(`"__metadata__":{${free.map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`).join(",")}}`);
  let offset = 0;
  for (const { name, dtype, shape, bytes } of entries) {
    parts.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [offset, offset + bytes] })}`);
    offset += bytes;
  }
  const json = Buffer.from(`{${parts.join(",")}}`);
  const padded = Math.ceil(json.length / 8) * 8;
  if (padded > largestHeader) throw new OrreryError("internal", `a safetensors header of ${padded} bytes is more than readers accept (${largestHeader}); write fewer tensors to one file`);
  const out = Buffer.alloc(8 + padded, " ");
  out.writeBigUInt64LE(BigInt(padded));
  json.copy(out, 8);
  return out;
}

async function writeSized(path: string, entries: readonly Sized[], metadata: Readonly<Record<string, string>>): Promise<void> {
  const header = headerOf(entries, metadata);
  const file = await PartialFile.open(path);
  try {
    const handle = await open(file.temporary, "wx");
    try {
      await writeAll(handle, header);
      for (const { name, dtype, bytes, data } of entries) {
        const view = narrowed(dtype, typeof data === "function" ? await data() : data, name);
        if (view.byteLength !== bytes) throw new OrreryError("internal", `${name} has ${view.byteLength} bytes of data, its shape makes it ${bytes}`);
        await writeAll(handle, new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
      }
    } finally {
      await handle.close();
    }
    await file.commit();
  } catch (error) {
    await file.discard();
    throw fromSystemError(error, path);
  }
  await syncFolder(dirname(path));
}

/** Data as it is stored. Floats for any type but a float are a mistake that the number of bytes would not always show. */
function narrowed(dtype: StoredDType, data: ArrayBufferView, name: string): ArrayBufferView {
  if (!(data instanceof Float32Array) || dtype === "F32") return data;
  if (dtype === "F16") return toFloat16(data);
  if (dtype === "BF16") return toBFloat16(data);
  throw new OrreryError("internal", `${name} is ${dtype}, but its data are float32; give elements of ${dtype}, or their bytes`);
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.byteLength; ) {
    const { bytesWritten } = await handle.write(bytes, done, Math.min(bytes.byteLength - done, largestWrite));
    done += bytesWritten;
  }
}

/** Makes the new name survive a power failure. Some file systems cannot, and then there is nothing to be done. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}
