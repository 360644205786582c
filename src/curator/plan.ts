/**
 * What a curation would do, without doing it: how many sources, how much of them is measured already, and how long the rest
 * takes, told from a short trial of a few of them on this machine. Nothing is written to the dataset.
 */
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OrreryError } from "../errors.ts";
import { transcode } from "../video/index.ts";
import { analyse } from "./analysis/analysis.ts";
import { recordPath } from "./analysis/record.ts";
import { nothingFound, openSources, type CurateOptions } from "./curate.ts";
import { paths } from "./layout.ts";
import { liesWithin, listSources, type SetAside, type Source } from "./sources.ts";

export interface CurationPlan {
  files: number;
  sources: number;
  /** Length of all sources, and of those not measured yet, seconds. */
  durationS: number;
  unmeasured: number;
  unmeasuredS: number;
  /** Estimates on this machine with these workers, seconds; null where no trial succeeded. The second if every second of every source stayed. */
  measuringS: number | null;
  encodingMostS: number | null;
  set_aside: SetAside[];
}

/** Sources tried, and how much of each. */
const [tried, trialFrames, trialS] = [3, 120, 2];

/** Plans the curation of `inputs` into `out`. Throws `bad_argument`, `cancelled`. */
export async function planCuration(inputs: readonly string[], out: string, options: Omit<CurateOptions, "scoreOnly">): Promise<CurationPlan> {
  const files: string[] = [];
  for (const path of await listSources(inputs)) if (!(await liesWithin(path, out))) files.push(path);
  if (files.length === 0) throw new OrreryError("bad_argument", nothingFound(inputs));
  const { sources, setAside } = await openSources(files, options);
  const fresh: Source[] = [];
  for (const source of sources) if (!(await stat(recordPath(paths(out).analysis, source.sha256)).catch(() => undefined))) fresh.push(source);
  const seconds = (list: readonly Source[]): number => list.reduce((sum, { info }) => sum + info.durationS, 0);
  const trial = await tryOut(fresh.length > 0 ? fresh : sources, options);
  return {
    files: files.length, sources: sources.length, durationS: seconds(sources), unmeasured: fresh.length, unmeasuredS: seconds(fresh),
    measuringS: fresh.length === 0 ? 0 : trial && (trial.measure * seconds(fresh)) / options.workers,
    encodingMostS: trial && (trial.encode * seconds(sources)) / options.workers,
    set_aside: setAside,
  };
}

/** Seconds of work for a second of video: measuring and encoding, over a few sources spread over the list. */
async function tryOut(sources: readonly Source[], { settings, progress, signal }: Omit<CurateOptions, "scoreOnly">): Promise<{ measure: number; encode: number } | null> {
  const count = Math.min(tried, sources.length);
  const folder = await mkdtemp(join(tmpdir(), "orrery-plan-"));
  let [video, measure, coded, encode] = [0, 0, 0, 0];
  try {
    for (let k = 0; k < count; k++) {
      progress?.({ stage: "trying", done: k, total: count, unit: "sources" });
      const { info } = sources[Math.floor((k * sources.length) / count)]!;
      try {
        const start = performance.now();
        const { times } = await analyse(info, { mostFrames: trialFrames, signal });
        const middle = performance.now();
        const durationS = Math.min(trialS, info.durationS);
        const { maxSide, encoder, crf, preset, fps = info.fps } = settings.encode;
        await transcode(info, join(folder, `${k}.mp4`), { startS: 0, durationS, fps, maxSide, encoder, crf, preset, signal });
        [video, measure, coded, encode] = [video + times.length / info.fps, measure + middle - start, coded + durationS, encode + performance.now() - middle];
      } catch (error) {
        // A source that cannot be decoded tells nothing of the time; curating will set it aside.
        if (!(error instanceof OrreryError) || error.code !== "bad_video") throw error;
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return video > 0 && coded > 0 ? { measure: measure / 1000 / video, encode: encode / 1000 / coded } : null;
}
