/**
 * PyTorch checkpoints since 1.6, and TorchScript archives: a zip whose `NAME/data.pkl` describes tensors and whose
 * `NAME/data/KEY` holds their storages, uncompressed, so that a tensor is read by range. In an archive that somebody packed
 * again they may be deflated; then a whole storage is inflated to read from it. A TorchScript archive has its
 * module's attributes in the same place, as objects of classes under `__torch__`; its code is not looked at.
 */
import { fromFdPromise, type Entry } from "yauzl";
import { OrreryError } from "../errors.ts";
import { ByteFile } from "./byte-file.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { unpickle } from "./pickle.ts";
import { readPlace, TorchCheckpoint, type StoragePlace } from "./torch-checkpoint.ts";
import { torchHost } from "./torch-globals.ts";
import { nameTensors } from "./torch-names.ts";

/** Bytes of a pickle at most. That of a 14-billion-parameter transformer has about 100 KB. */
export const largestPickle = 64 << 20;
const mostEntries = 1_000_000;

/** @throws `bad_checkpoint` when the archive is not PyTorch's or is damaged, `unsafe_checkpoint`, `file_not_found`, `io_failed`. */
export async function openTorchZip(path: string): Promise<Checkpoint> {
  const file = await ByteFile.open(path);
  try {
    const entries = await listEntries(file);
    // Directory and name differ from writer to writer; what holds the pickle at the lowest level is the archive's root.
    const pickles = [...entries.keys()].filter((name) => name === "data.pkl" || name.endsWith("/data.pkl")).sort((a, b) => a.split("/").length - b.split("/").length);
    const pickle = pickles[0];
    if (pickle === undefined) throw new OrreryError("bad_checkpoint", `${path} is a zip archive without data.pkl, so not a PyTorch checkpoint; give a file written by torch.save or torch.jit.save`);
    const root = pickle.slice(0, -"data.pkl".length);

    const order = entries.get(`${root}byteorder`);
    if (order && order.length < 16 && Buffer.from(await readPlace(file, order)).toString("latin1").trim() === "big")
      throw new OrreryError("bad_checkpoint", `${path} was written on a big-endian machine; save it again on a little-endian one`);
    const place = entries.get(pickle)!;
    if (place.length > largestPickle) throw new OrreryError("bad_checkpoint", `the pickle in ${path} has ${place.length} bytes; at most ${largestPickle} are read`);

    const script = entries.has(`${root}constants.pkl`);
    const { value } = unpickle(await readPlace(file, place), torchHost(path, script), path);
    const tensors = nameTensors(value, path, script);
    const places = new Map<string, StoragePlace>();
    for (const { storage } of tensors.values()) {
      const found = entries.get(`${root}data/${storage.key}`);
      if (found) places.set(storage.key, found);
    }
    return new TorchCheckpoint(file, script ? "torchscript" : "torch", tensors, places);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Where the content of every entry lies. TorchScript's code, which is not looked at, is left out. */
async function listEntries(file: ByteFile): Promise<Map<string, StoragePlace>> {
  try {
    // Without autoClose the descriptor remains ours, so that what is listed is what is read.
    const zip = await fromFdPromise(file.descriptor, { autoClose: false });
    if (zip.entryCount > mostEntries) throw new Error(`it lists ${zip.entryCount} entries`);
    const listed = new Map<string, Entry>();
    const names = new Set<string>();
    for await (const entry of zip.eachEntry()) {
      if (names.has(entry.fileName)) throw new Error(`it holds ${entry.fileName} twice`);
      names.add(entry.fileName);
      if (/(^|\/)code\//.test(entry.fileName)) continue;
      if (entry.isEncrypted() || (entry.compressionMethod !== 0 && entry.compressionMethod !== 8))
        throw new Error(`${entry.fileName} is ${entry.isEncrypted() ? "encrypted" : `compressed by method ${entry.compressionMethod}`}, which PyTorch never does; unpack it and pack it again with zip -0`);
      listed.set(entry.fileName, entry);
    }
    const places = new Map<string, StoragePlace>();
    for (const [name, entry] of listed) {
      const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
      const { compressionMethod, compressedSize, uncompressedSize } = entry;
      places.set(name, compressionMethod === 0 ? { offset: fileDataStart, length: compressedSize } : { offset: fileDataStart, length: uncompressedSize, deflated: compressedSize });
    }
    return places;
  } catch (cause) {
    if (cause instanceof OrreryError) throw cause;
    throw new OrreryError("bad_checkpoint", `${file.path} is not a sound zip archive (${(cause as Error).message}); copy or download it again`, { cause });
  }
}
