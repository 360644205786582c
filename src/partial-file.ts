/**
 * A file that appears whole or not at all: it is written under another name in the same folder and renamed when it is
 * complete and on disk. What is unfinished is removed on failure, on cancelling and when the process ends by itself; only
 * a process that is killed outright leaves a hidden `.NAME.….partial` behind, which no reader takes for what it is not yet.
 */
import { randomBytes } from "node:crypto";
import { unlinkSync } from "node:fs";
import { open, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { OrreryError, fromSystemError } from "./errors.ts";

const unfinished = new Set<string>();

export class PartialFile {
  readonly path: string;
  /** Where to write until `commit`. */
  readonly temporary: string;

  private constructor(path: string, temporary: string) {
    this.path = path;
    this.temporary = temporary;
  }

  /**
   * Reserves a name. `temporary` overrides it (the same file system, or the rename fails).
   * @throws `file_not_found` when the folder does not exist, `io_failed` when `path` is a folder.
   */
  static async open(path: string, temporary?: string): Promise<PartialFile> {
    const folder = dirname(path);
    const status = await stat(folder).catch((error: unknown) => {
      throw fromSystemError(error, folder);
    });
    if (!status.isDirectory()) throw new OrreryError("io_failed", `cannot write ${path}: ${folder} is not a folder`);
    const existing = await stat(path).catch(() => undefined);
    if (existing?.isDirectory()) throw new OrreryError("io_failed", `cannot write ${path}: it is a folder; give the name of a file in it`);
    const name = `.${basename(path)}.${process.pid}-${randomBytes(4).toString("hex")}.partial`;
    const file = new PartialFile(path, temporary ?? join(folder, name));
    if (unfinished.size === 0) process.once("exit", removeAll);
    unfinished.add(file.temporary);
    return file;
  }

  /** Makes the content durable and gives it its real name, replacing what was there. */
  async commit(): Promise<void> {
    try {
      const handle = await open(this.temporary, "r+");
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(this.temporary, this.path);
      this.#forget();
    } catch (error) {
      await this.discard();
      throw fromSystemError(error, this.path);
    }
  }

  /** Removes what was written. Does nothing after `commit` or a second time. */
  async discard(): Promise<void> {
    if (!unfinished.has(this.temporary)) return;
    await rm(this.temporary, { force: true });
    this.#forget();
  }

  #forget(): void {
    unfinished.delete(this.temporary);
    if (unfinished.size === 0) process.removeListener("exit", removeAll);
  }
}

function removeAll(): void {
  for (const path of unfinished) {
    try {
      unlinkSync(path);
    } catch {
      // Not begun yet, or gone: there is nothing to remove.
    }
  }
}

/** Writes a small file whole or not at all. */
export async function writeFileAtomic(path: string, content: string | Uint8Array): Promise<void> {
  const file = await PartialFile.open(path);
  try {
    await writeFile(file.temporary, content);
  } catch (error) {
    await file.discard();
    throw fromSystemError(error, path);
  }
  await file.commit();
}
