/**
 * A model in several safetensors files and a `….safetensors.index.json` that says which tensor lies where, as diffusers and
 * transformers write it: `{"metadata": {"total_size": …}, "weight_map": {tensor: file}}`.
 */
import { readFile, realpath, stat } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { fromSystemError, OrreryError } from "../errors.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { JoinedCheckpoint, type Source } from "./joined.ts";
import { isObject, parseStrictObject } from "./json.ts";
import { largestHeader } from "./safetensors-header.ts";
import { openSafetensors } from "./safetensors.ts";

/** Open files at most; the largest public models have fewer than two hundred shards. */
const mostShards = 1024;

/**
 * @throws `bad_checkpoint` when the index is malformed, names a file outside its folder or a tensor that its file lacks;
 * `file_not_found` when a shard is missing.
 */
export async function openSafetensorsIndex(path: string): Promise<Checkpoint> {
  const weightMap = await readIndex(path);
  const files = [...new Set(weightMap.values())];
  if (files.length > mostShards) throw new OrreryError("bad_checkpoint", `${path} names ${files.length} files; at most ${mostShards} are opened`);
  const shards = new Map<string, Checkpoint>();
  try {
    for (const file of files) shards.set(file, await openSafetensors(await shardPath(path, file)));
    const sources = new Map<string, Source>();
    for (const [name, file] of weightMap) sources.set(name, { checkpoint: shards.get(file)!, name });
    const first = shards.get(files[0]!);
    return new JoinedCheckpoint(path, [...shards.values()], sources, first?.metadata);
  } catch (error) {
    await Promise.all([...shards.values()].map((s) => s.close()));
    throw error;
  }
}

async function readIndex(path: string): Promise<Map<string, string>> {
  let bytes: Uint8Array;
  try {
    if ((await stat(path)).size > largestHeader) throw new OrreryError("bad_checkpoint", `${path} is larger than ${largestHeader} bytes, which no index is`);
    bytes = await readFile(path);
  } catch (error) {
    throw fromSystemError(error, path);
  }
  const { weight_map: map } = parseStrictObject(bytes, path);
  if (!isObject(map) || !Object.values(map).every((v) => typeof v === "string")) throw new OrreryError("bad_checkpoint", `${path} has no "weight_map" that maps tensor names to file names`);
  return new Map(Object.entries(map as Record<string, string>));
}

/**
 * Where a shard really lies. A link may lead out of the folder only to where the index's own link leads: the Hugging Face
 * cache keeps all files of a model as links into one folder of blobs.
 */
async function shardPath(index: string, file: string): Promise<string> {
  const outside = (): OrreryError => new OrreryError("bad_checkpoint", `${index} names the file ${JSON.stringify(file)}, which lies outside its folder; shards must lie beside or below their index`);
  if (file === "" || file.includes("\0") || file.includes("\\") || file.startsWith("/") || /^[A-Za-z]:/.test(file) || file.split("/").includes("..")) throw outside();
  const folder = dirname(index);
  const path = join(folder, file);
  try {
    const real = await realpath(path);
    const allowed = [await realpath(folder), dirname(await realpath(index))];
    if (!allowed.some((home) => real.startsWith(home.endsWith(sep) ? home : home + sep))) throw outside();
  } catch (error) {
    throw fromSystemError(error, path);
  }
  return path;
}
