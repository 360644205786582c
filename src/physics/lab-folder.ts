/**
 * A folder of laboratory clips: rendered by several threads, in batches, so that killing it at any moment loses at most the
 * batches in hand, and the same command goes on with the clips that are missing. The finished folder is the same, byte for
 * byte, however often it was interrupted.
 */
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fromSystemError, OrreryError } from "../errors.ts";
import { writeFileAtomic } from "../partial-file.ts";
import { silent, throwIfCancelled, type Progress } from "../progress.ts";
import { clipPaths, labVersion, type ClipMeta } from "./lab-layout.ts";
import { openLabPool } from "./lab-pool.ts";
import { checkSettings, seedOf, type ClipKey, type LabOptions } from "./laboratory.ts";

export interface RenderOptions extends LabOptions {
  threads?: number | undefined;
  progress?: Progress;
  signal?: AbortSignal | undefined;
}

export interface RenderedFolder {
  folder: string;
  clips: number;
  /** Those that were there already. */
  kept: number;
  rendered: number;
  /** Per scenario. */
  scenarios: Record<string, number>;
  /** In the order of the keys. */
  metas: ClipMeta[];
}

/** Clips that one encoder writes: enough to make its start cheap, few enough that little is lost when it is killed. */
const mostPerBatch = 16;
const batchBytes = 64 * 2 ** 20;

/**
 * Renders the clips of `keys` that `folder` does not hold yet. @throws `bad_argument`, `io_failed`, `disk_full`,
 * `missing_dependency` (no ffmpeg), `cancelled`.
 */
export async function renderLabFolder(folder: string, keys: readonly ClipKey[], options: RenderOptions = {}): Promise<RenderedFolder> {
  const { threads, progress = silent, signal, ...rest } = options;
  const settings = checkSettings(rest);
  for (const key of keys) seedOf(key);
  for (const part of ["clips", "metas/v0", "truth"]) {
    await mkdir(join(folder, part), { recursive: true }).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "EEXIST" || error.code === "ENOTDIR") throw new OrreryError("bad_argument", `${folder} was given as the folder to write to; it is a file, or holds a file where a folder must be`);
      throw fromSystemError(error, folder);
    });
  }
  await removeLeftovers(join(folder, "clips"));
  const there = new Set(await readdir(join(folder, "metas/v0")));
  const missing = keys.filter((key) => !there.has(`${clipPaths(key, settings).uuid}.json`));
  const clipBytes = settings.width * settings.height * 3 * settings.frames;
  const size = Math.max(1, Math.min(mostPerBatch, Math.floor(batchBytes / clipBytes)));
  const batches: ClipKey[][] = [];
  for (let i = 0; i < missing.length; i += size) batches.push(missing.slice(i, i + size));

  let done = keys.length - missing.length;
  const report = () => progress({ stage: "rendering laboratory clips", done, total: keys.length, unit: "clips" });
  report();
  if (batches.length > 0) {
    const pool = openLabPool(threads === undefined ? undefined : threads);
    try {
      let at = 0;
      // Ctrl-C lets the batches in hand finish: a second of work is not worth an unclean folder.
      const work = async (): Promise<void> => {
        while (at < batches.length && !signal?.aborted) {
          const batch = batches[at++]!;
          await pool.run({ kind: "write", keys: batch, settings, folder });
          done += batch.length;
          report();
        }
      };
      const results = await Promise.allSettled(Array.from({ length: Math.min(pool.threads, batches.length) }, work));
      const failed = results.find((result) => result.status === "rejected");
      if (failed) throw failed.reason;
    } finally {
      await pool.close();
    }
  }
  throwIfCancelled(signal, `rendering into ${folder}`);
  const metas = await Promise.all(keys.map(async (key) => JSON.parse(await readFile(join(folder, clipPaths(key, settings).meta), "utf8")) as ClipMeta));
  const scenarios: Record<string, number> = {};
  for (const { scenario } of keys) scenarios[scenario] = (scenarios[scenario] ?? 0) + 1;
  await writeSummary(folder);
  return { folder, clips: keys.length, kept: keys.length - missing.length, rendered: missing.length, scenarios, metas };
}

/** What a killed encoder left behind. */
async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) if (name.startsWith(".batch-")) await rm(join(folder, name), { recursive: true, force: true });
}

/** Counts over all that is in the folder, whichever command rendered it. */
async function writeSummary(folder: string): Promise<void> {
  const names = (await readdir(join(folder, "metas/v0"))).filter((name) => name.endsWith(".json")).sort();
  const summary = { generator: `orrery-lab-v${labVersion}`, num_clips: 0, total_clip_duration: 0, total_bytes: 0, scenarios: {} as Record<string, number>, splits: {} as Record<string, number> };
  for (const name of names) {
    const { duration_span, num_bytes, lab } = JSON.parse(await readFile(join(folder, "metas/v0", name), "utf8")) as ClipMeta;
    summary.num_clips += 1;
    summary.total_clip_duration += duration_span[1] - duration_span[0];
    summary.total_bytes += num_bytes;
    summary.scenarios[lab.scenario] = (summary.scenarios[lab.scenario] ?? 0) + 1;
    summary.splits[lab.split] = (summary.splits[lab.split] ?? 0) + 1;
  }
  summary.total_clip_duration = Math.round(summary.total_clip_duration * 1e6) / 1e6;
  await writeFileAtomic(join(folder, "summary.json"), `${JSON.stringify(summary, null, 2)}\n`);
}
