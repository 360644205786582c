/**
 * PyTorch checkpoints before 1.6: five pickles in a row (magic number, protocol, machine, object, storage keys), then for
 * each key a 64-bit count of elements and the elements. Source: `torch/serialization.py`, `_legacy_save`.
 */
import { OrreryError } from "../errors.ts";
import { ByteFile } from "./byte-file.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { storedBytes, type StoredDType } from "./dtype.ts";
import { unpickle } from "./pickle.ts";
import { TorchCheckpoint, type StoragePlace } from "./torch-checkpoint.ts";
import { torchHost } from "./torch-globals.ts";
import { nameTensors } from "./torch-names.ts";
import { largestPickle } from "./torch-zip.ts";

const magic = 0x1950a86a20f9469cfc6cn;
/** LONG1 of the magic number and STOP: all of the first pickle but its protocol and, from 4 on, its frame. */
const magicPickle = Buffer.from([0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e]);

/** Whether a file that begins with these bytes (24 or more of them, where there are) is such a stream. */
export function isTorchLegacy(head: Uint8Array): boolean {
  const at = Buffer.from(head.subarray(0, 24)).indexOf(magicPickle);
  return head[0] === 0x80 && (at === 2 || at === 11);
}

interface Stream {
  root: unknown;
  keys: string[];
  /** Type and element count of every storage that the pickle refers to. */
  storages: Map<string, { dtype: StoredDType; length: number }>;
  end: number;
}

/** @throws `bad_checkpoint` when the file is damaged, `unsafe_checkpoint`, `file_not_found`, `io_failed`. */
export async function openTorchLegacy(path: string): Promise<Checkpoint> {
  const file = await ByteFile.open(path);
  try {
    const { root, keys, storages, end } = await readStream(file);
    const places = new Map<string, StoragePlace>();
    let at = end;
    for (const key of keys) {
      const storage = storages.get(key);
      if (!storage) throw new OrreryError("bad_checkpoint", `${path} holds a storage "${key}" that no tensor refers to, so its size is not known; copy or download it again`);
      const count = Buffer.from(await file.read(at, 8)).readBigInt64LE();
      if (count !== BigInt(storage.length)) throw new OrreryError("bad_checkpoint", `${path} holds ${count} elements for the storage "${key}", its tensors expect ${storage.length}; copy or download it again`);
      const length = storage.length * storedBytes[storage.dtype];
      if (at + 8 + length > file.size) throw new OrreryError("bad_checkpoint", `${path} ends within the storage "${key}"; it was cut off, so copy or download it again`);
      places.set(key, { offset: at + 8, length });
      at += 8 + length;
    }
    return new TorchCheckpoint(file, "torch", nameTensors(root, path), places);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The pickles' length is not stored, so more of the file is read until they end within what was read. */
async function readStream(file: ByteFile): Promise<Stream> {
  const most = Math.min(file.size, largestPickle);
  for (let length = Math.min(most, 1 << 20); ; length = Math.min(most, length * 8)) {
    const bytes = await file.read(0, length);
    try {
      return parseStream(bytes, file.path);
    } catch (error) {
      if (length === most || !(error instanceof OrreryError) || error.code !== "bad_checkpoint") throw error;
    }
  }
}

function parseStream(bytes: Uint8Array, path: string): Stream {
  const host = torchHost(path, false);
  const storages: Stream["storages"] = new Map();
  const recording: typeof host = {
    global: (module, name, offset) => host.global(module, name, offset),
    persistent(id, offset) {
      const storage = host.persistent(id, offset) as { key: string; dtype: StoredDType };
      // A part of a storage says its own length; the file counts the whole.
      const length = (id as unknown[])[4] as number;
      const known = storages.get(storage.key);
      if (known && (known.dtype !== storage.dtype || known.length !== length)) throw new OrreryError("bad_checkpoint", `${path} refers to the storage "${storage.key}" as two types or sizes`);
      storages.set(storage.key, { dtype: storage.dtype, length });
      return storage;
    },
  };
  const first = unpickle(bytes, host, path);
  if (first.value !== magic) throw new OrreryError("bad_checkpoint", `${path} does not begin with PyTorch's magic number; it is damaged, so copy or download it again`);
  const protocol = unpickle(bytes, host, path, first.end);
  if (protocol.value !== 1001) throw new OrreryError("bad_checkpoint", `${path} is of PyTorch's serialization protocol ${String(protocol.value)}; 1001 is known. Save it again with a current PyTorch`);
  const machine = unpickle(bytes, host, path, protocol.end);
  if (machine.value instanceof Map && machine.value.get("little_endian") === false) throw new OrreryError("bad_checkpoint", `${path} was written on a big-endian machine; save it again on a little-endian one`);
  const object = unpickle(bytes, recording, path, machine.end);
  const list = unpickle(bytes, host, path, object.end);
  if (!Array.isArray(list.value) || !list.value.every((k) => typeof k === "string")) throw new OrreryError("bad_checkpoint", `${path} has no list of its storages; copy or download it again`);
  return { root: object.value, keys: list.value as string[], storages, end: list.end };
}
