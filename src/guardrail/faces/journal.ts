/**
 * What was seen so far of a video whose faces are being hidden, one line of JSON per frame, in a hidden file beside the
 * output. Looking is nearly all of the work, so a run that was stopped is continued from it: a line counts only for a frame
 * with the same checksum, seen by the same detector in the same file.
 */
import { open, readFile, rm, stat, type FileHandle } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fromSystemError } from "../../errors.ts";
import type { FaceBox } from "./face.ts";

export interface JournalKey {
  source: unknown;
  detector: readonly string[];
  keep: number;
}

/** A name for a file as it is now. */
export async function sourceOf({ path }: { path: string }): Promise<unknown> {
  const { size, mtimeMs } = await stat(path);
  return [resolve(path), size, mtimeMs];
}

export interface Journal {
  /** What was seen in this frame by an earlier run, if it looked at it. */
  known(index: number, sum: number): FaceBox[] | undefined;
  /** Frames come in order; without `faces` it was not looked at. */
  note(index: number, sum: number, faces: readonly FaceBox[] | undefined): Promise<void>;
  /** Keeps the file. */
  close(): Promise<void>;
  /** The work is done: nothing to continue. */
  remove(): Promise<void>;
}

type Line = [sum: number, faces: [score: number, left: number, top: number, right: number, bottom: number][] | null];

/** Lines that are written together. */
const batch = 50;

export async function openJournal(out: string, key: JournalKey): Promise<Journal> {
  const path = join(dirname(out), `.${basename(out)}.faces`);
  const header = JSON.stringify({ orrery: "faces-2", ...key });
  const lines = await readLines(path, header);
  // Writing the whole lines again cuts off what an unfinished one left behind.
  const begin = async (): Promise<FileHandle> => {
    try {
      const fresh = await open(path, "w");
      await fresh.write([header, ...lines.map((line) => JSON.stringify(line)), ""].join("\n"));
      return fresh;
    } catch (error) {
      throw fromSystemError(error, path);
    }
  };
  let file = await begin();
  let waiting: string[] = [];
  let closed = false;
  const flush = async (): Promise<void> => {
    if (waiting.length === 0) return;
    const text = `${waiting.join("\n")}\n`;
    waiting = [];
    await file.write(text).catch((error: unknown) => {
      throw fromSystemError(error, path);
    });
  };
  const close = async (): Promise<void> => {
    if (closed) return;
    closed = true;
    try {
      await flush();
    } finally {
      await file.close();
    }
  };
  return {
    known(index, sum) {
      const line = lines[index];
      return line?.[0] === sum && line[1] ? line[1].map(([score, ...box]) => ({ score, box })) : undefined;
    },
    async note(index, sum, faces) {
      // Frames that an earlier run had seen stand in the file already.
      if (index < lines.length) {
        if (lines[index]![0] === sum && (faces === undefined || lines[index]![1])) return;
        lines.length = index;
        await file.close();
        file = await begin();
      }
      waiting.push(JSON.stringify([sum, faces?.map(({ score, box }) => [score, ...box]) ?? null] satisfies [number, number[][] | null]));
      if (waiting.length >= batch) await flush();
    },
    close,
    async remove() {
      await close();
      await rm(path, { force: true });
    },
  };
}

/** The whole lines of a journal with this header; none of another one's. */
async function readLines(path: string, header: string): Promise<Line[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  const [first, ...rest] = text.split("\n");
  if (first !== header) return [];
  const lines: Line[] = [];
  // Behind the last line break there is nothing, or a line that was not finished.
  for (const raw of rest.slice(0, -1)) {
    const line = parseLine(raw);
    if (!line) break;
    lines.push(line);
  }
  return lines;
}

function parseLine(raw: string): Line | undefined {
  try {
    const line = JSON.parse(raw) as Line;
    const fits = Array.isArray(line) && Number.isInteger(line[0]) && (line[1] === null || (Array.isArray(line[1]) && line[1].every((face) => Array.isArray(face) && face.length === 5 && face.every(Number.isFinite))));
    return fits ? line : undefined;
  } catch {
    return undefined;
  }
}
