/** Says what lies at a path, by its content; names only help to tell what it was meant to be. Runs nothing of what it finds. */
import { open, readdir, stat } from "node:fs/promises";
import { basename, dirname, extname } from "node:path";
import { fromSystemError, OrreryError } from "../../errors.ts";
import { probeVideo, type VideoInfo } from "../../video/index.ts";
import { inspectCheckpoint, type CheckpointReport, type LatentsReport } from "./checkpoint.ts";
import { inspectComponent, inspectPipeline, type ComponentReport, type PipelineReport } from "./model.ts";
import { inspectRun, type RunReport } from "./run.ts";

export type VideoReport = { kind: "video" } & VideoInfo;
export type Report = CheckpointReport | LatentsReport | ComponentReport | PipelineReport | RunReport | VideoReport;

export interface InspectOptions {
  /** Which tensors to list. */
  tensors?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** Files that speak for the folder they lie in. */
const foldersOwn = new Set(["model_index.json", "config.json", "run.json", "metrics.jsonl"]);
const checkpointNames = /\.(safetensors|safetensors\.index\.json|pt|pth|ckpt|bin|jit|gguf)$/;

/**
 * @throws `file_not_found`, `io_failed`, `bad_checkpoint`, `unsafe_checkpoint`, `bad_config`, `bad_video` (also for a file
 * that is nothing that is known), `bad_argument` when `tensors` matches none or there can be none.
 */
export async function inspectPath(path: string, options: InspectOptions = {}): Promise<Report> {
  const status = await stat(path).catch((error: unknown) => {
    throw fromSystemError(error, path);
  });
  const report = status.isDirectory() ? await inspectFolder(path, options) : await inspectFile(path, options);
  if (options.tensors !== undefined && report.kind !== "checkpoint" && !("tensors" in report))
    throw new OrreryError("bad_argument", `--tensors was given, but ${path} is a ${report.kind} and not a checkpoint; give the path of a checkpoint or of a model's folder`);
  return report;
}

async function inspectFolder(folder: string, options: InspectOptions): Promise<Report> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw fromSystemError(error, folder);
  });
  if (names.includes("model_index.json")) return inspectPipeline(folder);
  if (names.includes("run.json")) return inspectRun(folder);
  if (names.includes("config.json")) return inspectComponent(folder, options.tensors);
  if (names.some((name) => checkpointNames.test(name))) return inspectCheckpoint(folder, options.tensors);
  const some = names.filter((n) => !n.startsWith(".")).slice(0, 5).join(", ");
  throw new OrreryError("file_not_found", `${folder} is a folder without model_index.json, config.json, run.json or a checkpoint (it has ${some || "nothing"}); give a model's folder, a training run, or a file`);
}

async function inspectFile(path: string, options: InspectOptions): Promise<Report> {
  if (foldersOwn.has(basename(path))) return inspectFolder(dirname(path), options);
  if (checkpointNames.test(path) || (await looksLikeCheckpoint(path))) return inspectCheckpoint(path, options.tensors);
  try {
    return { kind: "video", ...(await probeVideo(path, { signal: options.signal })) };
  } catch (error) {
    if (!(error instanceof OrreryError) || error.code !== "bad_video" || /^\.(mp4|m4v|mov|mkv|webm|avi|ts|ogv|gif|flv|mpe?g)$/i.test(extname(path))) throw error;
    throw new OrreryError("bad_video", `${path} is nothing that is known: no checkpoint (safetensors, PyTorch), and no video (${error.message.split("; ")[0]})`, { cause: error });
  }
}

/** By its first bytes: a zip archive, a pickle, safetensors' length and brace, GGUF, a Git LFS pointer. */
async function looksLikeCheckpoint(path: string): Promise<boolean> {
  let handle;
  try {
    if (!(await stat(path)).isFile()) return false;
    handle = await open(path, "r");
    const head = Buffer.alloc(64);
    await handle.read(head, 0, 64, 0);
    const text = head.toString("latin1");
    return ["PK\u0003\u0004", "GGUF", "version https://git-lfs"].some((begin) => text.startsWith(begin)) || (head[0] === 0x80 && head[1]! <= 5) || (head[8] === 0x7b && head.readBigUInt64LE() < 1n << 32n);
  } catch (error) {
    throw fromSystemError(error, path);
  } finally {
    await handle?.close();
  }
}
