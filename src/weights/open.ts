/** Opens whatever checkpoint lies at a path. The content decides what it is; names only decide which file of a folder. */
import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { fromSystemError, OrreryError } from "../errors.ts";
import { ByteFile } from "./byte-file.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { joinCheckpoints } from "./joined.ts";
import { openSafetensorsIndex } from "./safetensors-index.ts";
import { openSafetensors } from "./safetensors.ts";
import { isTorchLegacy, openTorchLegacy } from "./torch-legacy.ts";
import { openTorchZip } from "./torch-zip.ts";

/** Files that are a folder's checkpoint, the first that is there. Several in one row belong together. */
const knownNames: readonly (readonly string[])[] = [
  ["diffusion_pytorch_model.safetensors"],
  ["diffusion_pytorch_model.safetensors.index.json"],
  ["model.safetensors"],
  ["model.safetensors.index.json"],
  ["model.pt"],
  ["model.pth"],
  ["autoencoder.jit"],
  ["encoder.jit", "decoder.jit"],
  ["pytorch_model.bin"],
];

/** Other files that may be one, in this order: the only one of the first of these kinds that is there. */
const knownKinds: readonly RegExp[] = [/\.safetensors\.index\.json$/, /\.safetensors$/, /\.(pt|pth|ckpt|bin|jit)$/];

/**
 * Opens a checkpoint file, or the checkpoint in a folder as diffusers, transformers or Cosmos lay it out.
 * Reads descriptions only; tensors are read when they are asked for.
 * @throws `file_not_found`, `io_failed`, `bad_checkpoint` when it is none or damaged, `unsafe_checkpoint` when its pickle
 * asks for more than data.
 */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  const status = await stat(path).catch((error: unknown) => {
    throw fromSystemError(error, path);
  });
  if (!status.isDirectory()) return openFile(path);
  const files = (await findInFolder(path)).map((name) => join(path, name));
  if (files.length === 1) return openFile(files[0]!);
  const parts: Checkpoint[] = [];
  try {
    for (const file of files) parts.push(await openFile(file));
    return joinCheckpoints(path, parts);
  } catch (error) {
    await Promise.all(parts.map((p) => p.close()));
    throw error;
  }
}

async function findInFolder(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw fromSystemError(error, folder);
  });
  const known = knownNames.find((row) => row.every((name) => names.includes(name)));
  if (known) return known;
  for (const kind of knownKinds) {
    const found = names.filter((name) => !name.startsWith(".") && kind.test(name)).sort();
    if (found.length === 1) return found;
    if (found.length > 1) throw new OrreryError("bad_checkpoint", `${folder} holds ${found.length} checkpoints (${found.slice(0, 5).join(", ")}${found.length > 5 ? ", …" : ""}) and none of a usual name; give the path of one of them`);
  }
  throw new OrreryError("file_not_found", `${folder} holds no checkpoint; expected ${knownNames.flat().slice(0, 5).join(", ")}, or one file ending in .safetensors, .pt or .pth`);
}

async function openFile(path: string): Promise<Checkpoint> {
  const file = await ByteFile.open(path);
  const size = file.size;
  let head: Uint8Array;
  try {
    head = await file.read(0, Math.min(size, 64));
  } finally {
    await file.close();
  }
  const begins = (text: string): boolean => Buffer.from(head.subarray(0, text.length)).toString("latin1") === text;
  const bad = (what: string): OrreryError => new OrreryError("bad_checkpoint", `${path} ${what}`);

  if (begins("PK\x03\x04")) return openTorchZip(path);
  if (isTorchLegacy(head)) return openTorchLegacy(path);
  if (begins("version https://git-lfs")) throw bad("is a Git LFS pointer, not the checkpoint it stands for; run `git lfs pull` in its repository");
  if (begins("GGUF")) throw bad("is a GGUF file, which holds a language model; world models are read from safetensors or PyTorch checkpoints");
  // A safetensors file may begin with any byte, but the length of its header leaves the upper half of eight zero.
  if (/^\s*\{/.test(Buffer.from(head).toString("latin1")) && !head.subarray(0, 8).includes(0)) return openSafetensorsIndex(path);
  if (head[8] === 0x7b || path.endsWith(".safetensors")) return openSafetensors(path);
  if (head[0] === 0x80 && head[1]! <= 5)
    throw bad("is a bare pickle, which PyTorch does not write; convert it in Python: safetensors.torch.save_file(tensors, \"model.safetensors\")");
  throw bad(`is no checkpoint that is known (${size} bytes, beginning ${Buffer.from(head.subarray(0, 8)).toString("hex") || "with nothing"}); expected safetensors, a safetensors index or a PyTorch file. Check that ${basename(path)} was copied whole`);
}
