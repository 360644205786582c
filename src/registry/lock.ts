/**
 * `orrery.lock.json` in a model's folder: what every file of it was when it came, by SHA-256, and where it came from and under
 * what licence it was accepted. A model is verified against it, and can be pulled by it from any server of files.
 */
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { fromSystemError, OrreryError } from "../errors.ts";
import { fileSha256 } from "../file-hash.ts";
import { silent, throwIfCancelled, type Progress } from "../progress.ts";
import { readJson, writeJson } from "./model-folder.ts";

export const lockFile = "orrery.lock.json";
/** Files of a model at most. */
export const mostFiles = 5_000;

/**
 * Whether a name is one of a file below a folder, and no more: relative, without steps upwards, hidden parts or what other
 * systems read as a drive or a device.
 */
export const isInside = (path: string): boolean =>
  path.length > 0 && path.length <= 512 && /^[^\\:*?"<>|\p{Cc}]+$/u.test(path) && path.split("/").every((part) => part !== "" && !part.startsWith(".") && !/[. ]$/.test(part));

const schema = z.strictObject({
  version: z.literal(1),
  /** `hf:OWNER/NAME@REVISION` or a URL; absent for a model that was made here. */
  source: z.string().max(4096).optional(),
  /** When it was recorded, ISO 8601. */
  at: z.string().max(40),
  licence: z
    .strictObject({
      name: z.string().max(1000),
      link: z.string().max(4096).optional(),
      /** Of the licence's text, where the model brings it. */
      sha256: z.string().optional(),
      /** When it was accepted, ISO 8601; absent for models that were made here. */
      accepted: z.string().max(40).optional(),
    })
    .optional(),
  files: z.record(z.string().refine(isInside, "is not the name of a file below the model's folder"), z.strictObject({ sha256: z.string().regex(/^[0-9a-f]{64}$/), bytes: z.int().nonnegative() })),
});

export type ModelLock = z.output<typeof schema>;

/** @throws `bad_config`. */
export function parseLock(value: unknown, path: string): ModelLock {
  const result = schema.safeParse(value);
  if (!result.success) throw new OrreryError("bad_config", `${path} is not valid: ${result.error.issues.map((i) => `${i.path.join(".") || "fields"}: ${i.message}`).join("; ")}`);
  if (Object.keys(result.data.files).length > mostFiles) throw new OrreryError("bad_config", `${path} names more than ${mostFiles} files, which no model has`);
  return result.data;
}

/** The lock of a folder, or undefined when it has none. @throws `bad_config`, `io_failed`. */
export async function readLock(folder: string): Promise<ModelLock | undefined> {
  const path = join(folder, lockFile);
  if (!(await lstat(path).catch(() => undefined))) return undefined;
  return parseLock(await readJson(path), path);
}

export async function writeLock(folder: string, lock: ModelLock): Promise<void> {
  await writeJson(join(folder, lockFile), parseLock(lock, lockFile));
}

/** Files below a folder that belong to the model, by relative name in order: all but hidden ones and the lock. Links are not followed. */
export async function modelFiles(folder: string): Promise<{ path: string; bytes: number }[]> {
  const found: { path: string; bytes: number }[] = [];
  const walk = async (below: string): Promise<void> => {
    const items = await readdir(join(folder, below), { withFileTypes: true }).catch((error: unknown) => {
      throw fromSystemError(error, join(folder, below));
    });
    for (const item of items) {
      const path = below === "" ? item.name : `${below}/${item.name}`;
      if (item.name.startsWith(".") || path === lockFile) continue;
      if (item.isDirectory()) await walk(path);
      else if (item.isFile()) found.push({ path, bytes: (await lstat(join(folder, path))).size });
      if (found.length > mostFiles) throw new OrreryError("bad_argument", `${folder} holds more than ${mostFiles} files, which no model does; give the folder of one model`);
    }
  };
  await walk("");
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

interface Watch {
  progress?: Progress;
  signal?: AbortSignal | undefined;
}

/** Reads every file of a folder through for its SHA-256. */
export async function hashFiles(folder: string, { progress = silent, signal }: Watch = {}): Promise<ModelLock["files"]> {
  const files = await modelFiles(folder);
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const out: ModelLock["files"] = {};
  let done = 0;
  for (const { path, bytes } of files) {
    throwIfCancelled(signal, "reading the model");
    progress({ stage: "reading the model", done, total, unit: "bytes" });
    out[path] = { sha256: await fileSha256(join(folder, path), signal), bytes };
    done += bytes;
  }
  return out;
}

export interface FileReport {
  /** Files that are as they were recorded. */
  same: number;
  changed: string[];
  missing: string[];
  /** Files that the lock does not name. */
  extra: string[];
}

/** Compares a folder's files with what was recorded of them. */
export async function compareFiles(folder: string, lock: ModelLock, watch: Watch = {}): Promise<FileReport> {
  const now = await hashFiles(folder, watch);
  const recorded = Object.entries(lock.files);
  const changed = recorded.filter(([path, { sha256 }]) => path in now && now[path]!.sha256 !== sha256).map(([path]) => path);
  const missing = recorded.filter(([path]) => !(path in now)).map(([path]) => path);
  return { same: recorded.length - changed.length - missing.length, changed, missing, extra: Object.keys(now).filter((path) => !Object.hasOwn(lock.files, path)) };
}
