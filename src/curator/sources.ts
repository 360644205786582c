/**
 * What goes in: files, folders and manifests become a list of sources, each probed and hashed. A source that cannot be used is
 * set aside with its reason; nothing stops for it. The order and the names do not depend on the order of a file system.
 */
import { readFile, realpath, stat } from "node:fs/promises";
import { dirname, extname, join, resolve } from "node:path";
import { findVideos } from "../dataset/index.ts";
import { fromSystemError, OrreryError } from "../errors.ts";
import { fileSha256 } from "../file-hash.ts";
import { throwIfCancelled } from "../progress.ts";
import { probeVideo, type VideoInfo } from "../video/index.ts";

export interface Source {
  /** SHA-256 of the file, hexadecimal. */
  sha256: string;
  path: string;
  info: VideoInfo;
}

export interface SetAside {
  path: string;
  reason: string;
}

/** Largest manifest that is read. */
const largestManifest = 256 * 2 ** 20;

/** Paths of the videos that inputs name: files, folders (searched through), and manifests (.jsonl, .csv, .txt). Sorted, each once. */
export async function listSources(inputs: readonly string[]): Promise<string[]> {
  const found = new Set<string>();
  for (const input of inputs) {
    if (/^[a-z][a-z0-9+.-]+:\/\//i.test(input))
      throw new OrreryError("bad_argument", `${input} is an address; curate reads files on this machine. Copy it here first, or mount the store as a folder`);
    const paths = /\.(jsonl|csv|txt)$/i.test(input) ? await manifestPaths(input) : await findVideos([input]);
    for (const path of paths) found.add(resolve(path));
  }
  return [...found].sort();
}

const pathFields = ["path", "video", "file", "filename", "url", "source_video", "clip_location"];

/** One path a line, or the field of a JSON line or CSV column that names it; relative to the manifest. */
async function manifestPaths(manifest: string): Promise<string[]> {
  let text: string;
  try {
    if ((await stat(manifest)).size > largestManifest) throw new OrreryError("bad_config", `${manifest} is larger than ${largestManifest >> 20} MiB; split it into several manifests`);
    text = await readFile(manifest, "utf8");
  } catch (error) {
    throw fromSystemError(error, manifest);
  }
  const lines = text.replace(/^\ufeff/, "").split(/\r?\n/);
  const at = (path: string): string => resolve(dirname(manifest), path);
  const kind = extname(manifest).toLowerCase();
  if (kind === ".txt") return lines.map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#")).map(at);
  const bad = (line: number, what: string): never => {
    throw new OrreryError("bad_config", `${manifest}, line ${line + 1}: ${what}; expected one of the fields ${pathFields.join(", ")}`);
  };
  if (kind === ".jsonl")
    return lines.flatMap((line, i) => {
      if (line.trim() === "") return [];
      let value: unknown;
      try {
        value = JSON.parse(line);
      } catch {
        return bad(i, "is not JSON");
      }
      const path = typeof value === "string" ? value : pathFields.map((f) => (value as Record<string, unknown> | null)?.[f]).find((v) => typeof v === "string");
      return typeof path === "string" ? [at(path)] : bad(i, "names no video");
    });
  const rows = lines.flatMap((line, i) => (line.trim() === "" ? [] : [{ cells: csvCells(line), i }]));
  const header = rows.shift();
  const column = header?.cells.findIndex((cell) => pathFields.includes(cell.trim().toLowerCase())) ?? -1;
  if (column < 0) return bad(0, "has no column that names a video");
  return rows.map(({ cells, i }) => (cells[column]?.trim() ? at(cells[column].trim()) : bad(i, "names no video")));
}

function csvCells(line: string): string[] {
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain]) => (quoted === undefined ? plain! : quoted.replaceAll('""', '"')));
}

/** Probes and hashes one file. An error that is the file's fault becomes its reason. */
export async function openSource(path: string, signal: AbortSignal | undefined): Promise<Source | SetAside> {
  throwIfCancelled(signal, "opening the sources");
  try {
    const info = await probeVideo(path, { signal });
    return { path, sha256: await fileSha256(path, signal), info };
  } catch (error) {
    if (!(error instanceof OrreryError) || error.code === "cancelled" || error.code === "missing_dependency") throw error;
    return { path, reason: error.message };
  }
}

/** Whether one path lies in a folder, links followed: a dataset must not be made of itself. */
export async function liesWithin(path: string, folder: string): Promise<boolean> {
  const [a, b] = await Promise.all([path, folder].map((p) => realpath(p).catch(() => resolve(p))));
  return a === b || a!.startsWith(join(b!, "/"));
}
