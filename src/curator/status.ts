/**
 * How far a curation is, read from the files it leaves. Nothing is locked and nothing written, so this may be asked at any
 * time, by another process or after a crash. Rates are those of the files written last. A clip of other encoding settings, which
 * a run in progress will write over, counts as done.
 */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { recordPath } from "./analysis/record.ts";
import { paths } from "./layout.ts";
import { loadDecided, loadFound } from "./work.ts";

export interface StageStatus {
  stage: "open" | "measure" | "decide" | "encode";
  unit: "files" | "sources" | "clips";
  done: number;
  rejected: number;
  left: number;
  /** Units a second, of the latest files; null where fewer than two tell. */
  rate: number | null;
  /** Seconds until the stage is done at that rate. */
  leftS: number | null;
}

export interface CurationStatus {
  stages: StageStatus[];
  finished: boolean;
  /** Seconds since a result was last written; a large figure in an unfinished dataset means that nobody works on it. */
  quietS: number | null;
}

/** Files by which a rate is told, and the gap, seconds, after which work is taken to have been stopped between two of them. */
const [rateFiles, longestGapS] = [30, 900];

/** Reads the state of the dataset in `out`. Throws `file_not_found` where there is none. */
export async function curationStatus(out: string): Promise<CurationStatus> {
  const place = paths(out);
  const { sources, setAside } = await loadFound(out);
  const decided = await loadDecided(out);
  const [measured, encoded] = await Promise.all([
    writtenAt(place.analysis, new Set(sources.map(({ sha256 }) => recordPath("", sha256)))),
    writtenAt(place.metas, new Set(decided?.kept.map((id) => `${id}.json`))),
  ]);
  const failed = decided?.failed ?? 0;
  const toEncode = decided && !decided.scoreOnly ? decided.kept.length : 0;
  const lost = decided?.lost ?? 0;
  const stages: StageStatus[] = [
    { stage: "open", unit: "files", done: sources.length, rejected: setAside.length, left: 0, rate: null, leftS: null },
    { stage: "measure", unit: "sources", done: measured.length, rejected: failed, left: sources.length - measured.length - failed, ...timing(measured, sources.length - measured.length - failed) },
    { stage: "decide", unit: "clips", done: decided?.kept.length ?? 0, rejected: decided ? decided.clips - decided.kept.length : 0, left: 0, rate: null, leftS: null },
    { stage: "encode", unit: "clips", done: Math.min(encoded.length, toEncode), rejected: lost, left: Math.max(0, toEncode - encoded.length - lost), ...timing(encoded, toEncode - encoded.length - lost) },
  ];
  const latest = Math.max(...measured, ...encoded);
  return { stages, finished: decided !== undefined && stages.every(({ left }) => left === 0), quietS: Number.isFinite(latest) ? Math.max(0, Date.now() / 1000 - latest) : null };
}

/** When the files of these names were written, seconds, in order. */
async function writtenAt(folder: string, names: ReadonlySet<string>): Promise<number[]> {
  const there = (await readdir(folder).catch(() => [] as string[])).filter((name) => names.has(name));
  const times: number[] = [];
  for (const name of there) {
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found) times.push(found.mtimeMs / 1000);
  }
  return times.sort((a, b) => a - b);
}

/** Units a second of the latest stretch of work, and what that means for those left. */
export function timing(times: readonly number[], left: number): Pick<StageStatus, "rate" | "leftS"> {
  const last = times.length - 1;
  let first = last;
  while (first > 0 && last - first < rateFiles && times[first]! - times[first - 1]! <= longestGapS) first--;
  const span = last > first ? times[last]! - times[first]! : 0;
  if (span <= 0) return { rate: null, leftS: left <= 0 ? 0 : null };
  const rate = (last - first) / span;
  return { rate, leftS: Math.max(0, left) / rate };
}
