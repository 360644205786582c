/**
 * The pipeline: sources to analyses (once each, several at a time), analyses to candidates and decisions (in a moment),
 * survivors to clips (once each). Every step leaves whole files and looks for them first, so a run that was killed goes on
 * where it was; what comes out depends on the sources and the settings alone, not on the order or the number of workers.
 */
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { fromSystemError, OrreryError } from "../errors.ts";
import { writeFileAtomic } from "../partial-file.ts";
import { silent, throwIfCancelled, type Progress } from "../progress.ts";
import { readJson, writeJson } from "../registry/index.ts";
import { probeVideo, transcode, transcodedSize } from "../video/index.ts";
import { analyse } from "./analysis/analysis.ts";
import { loadAnalysis, recordPath, saveAnalysis } from "./analysis/record.ts";
import { candidateClips, type CandidateClip } from "./clips.ts";
import { decide, type Decision, type Decisions } from "./decide.ts";
import { clipMeta, manifestLine, paths, type Encoded } from "./layout.ts";
import { writeReport } from "./report.ts";
import type { CurateSettings } from "./settings.ts";
import { liesWithin, listSources, openSource, type SetAside, type Source } from "./sources.ts";
import { summarise, type Summary } from "./summary.ts";
import { forgetDecided, saveDecided, saveFound, type Found } from "./work.ts";

export interface CurateOptions {
  settings: CurateSettings;
  /** Sources analysed, and clips encoded, at the same time. */
  workers: number;
  /** Decide and report, but encode nothing. */
  scoreOnly: boolean;
  progress?: Progress;
  signal?: AbortSignal | undefined;
}

interface Judged extends Found {
  analysed: ({ clips: CandidateClip[]; shots: number } | SetAside)[];
  candidates: CandidateClip[];
  decisions: Decisions;
}

/** Curates `inputs` into the folder `out`. Throws `bad_argument`, `bad_config`, `disk_full`, `cancelled`. */
export async function curate(inputs: readonly string[], out: string, options: CurateOptions): Promise<Summary> {
  const place = paths(out);
  const listed = await listSources(inputs);
  for (const folder of [place.clips, place.metas, place.processed, place.analysis])
    await mkdir(folder, { recursive: true }).catch((error: unknown) => {
      throw fromSystemError(error, folder);
    });
  const outside: string[] = [];
  for (const path of listed) if (!(await liesWithin(path, out))) outside.push(path);
  if (outside.length === 0) throw new OrreryError("bad_argument", nothingFound(inputs));
  await forgetDecided(out);
  const found = await openSources(outside, options);
  await saveFound(out, found);
  return (await settle(found, out, options)).summary;
}

export const nothingFound = (inputs: readonly string[]): string => `no video was found in ${inputs.join(", ")}; name files, folders that hold some, or manifests (.jsonl, .csv, .txt)`;

/** Probes and hashes files, several at a time. */
export async function openSources(files: readonly string[], { workers, progress = silent, signal }: Pick<CurateOptions, "workers" | "progress" | "signal">): Promise<Found> {
  return distinct(await each(files, workers, signal, (path) => openSource(path, signal), (done) => progress({ stage: "opening sources", done, total: files.length, unit: "files" })));
}

/** Measures what is not measured, and decides. Sources that cannot be decoded are set aside. */
export async function judge({ sources, setAside }: Found, out: string, { settings, workers, progress = silent, signal }: CurateOptions): Promise<Judged> {
  const place = paths(out);
  let frames = 0;
  const analysed = await each(sources, workers, signal, async (source): Promise<{ clips: CandidateClip[]; shots: number } | SetAside> => {
    try {
      const path = recordPath(place.analysis, source.sha256);
      let analysis = await loadAnalysis(path);
      if (!analysis) await saveAnalysis(path, (analysis = await analyse(source.info, { signal })));
      frames += analysis.times.length;
      return candidateClips(source, analysis, settings);
    } catch (error) {
      if (!(error instanceof OrreryError) || error.code !== "bad_video") throw error;
      return { path: source.path, reason: error.message };
    }
  }, (done) => progress({ stage: "analysing", done, total: sources.length, unit: "sources", note: `${frames} frames` }));
  progress({ stage: "deciding", done: 0 });
  const candidates = analysed.flatMap((one) => ("clips" in one ? one.clips : []));
  return { sources, analysed, candidates, decisions: decide(candidates, settings), setAside: [...setAside, ...analysed.filter((one): one is SetAside => "reason" in one)] };
}

/** Decides, encodes what stays (unless only scores are wanted), and writes all accounts. */
export async function settle(found: Found, out: string, options: CurateOptions): Promise<{ summary: Summary; decisions: Decisions }> {
  const { settings, scoreOnly } = options;
  const { sources, analysed, candidates, decisions, setAside } = await judge(found, out, options);
  const kept = decisions.clips.filter(({ keep }) => keep);
  const decided = { failed: analysed.filter((one) => "reason" in one).length, clips: candidates.length, kept: kept.map(({ clip }) => clip.id), lost: 0, scoreOnly };
  await saveDecided(out, decided);
  const lost = scoreOnly ? [] : await encodeAll(kept, out, options);
  if (lost.length > 0) await saveDecided(out, { ...decided, lost: lost.length });
  if (!scoreOnly) await removeDropped(out, candidates, new Set(kept.map(({ clip }) => clip.id)));
  const summary = summarise({ sources, analysed, decisions, setAside: [...setAside, ...lost].sort((a, b) => (a.path < b.path ? -1 : 1)), scoreOnly });
  await writeAccounts(out, sources, decisions, summary, settings);
  return { summary, decisions };
}

/** Files with the same bytes are one source; the first name in order stands for them. */
function distinct(opened: readonly (Source | SetAside)[]): Found {
  const seen = new Map<string, Source>();
  const setAside: SetAside[] = [];
  for (const one of opened) {
    const first = "sha256" in one ? seen.get(one.sha256) : undefined;
    if (!("sha256" in one)) setAside.push(one);
    else if (first) setAside.push({ path: one.path, reason: `it is the same file as ${first.path}, byte for byte` });
    else seen.set(one.sha256, one);
  }
  return { sources: [...seen.values()], setAside };
}

async function encodeAll(kept: readonly Decision[], out: string, { settings, workers, progress = silent, signal }: CurateOptions): Promise<SetAside[]> {
  const results = await each(kept, workers, signal, (decision) => encodeOne(decision, out, settings, signal), (done) => progress({ stage: "encoding", done, total: kept.length, unit: "clips" }));
  return results.filter((one): one is SetAside => one !== undefined);
}

/** Writes a clip and its metadata, the metadata last: it says that the clip is whole. */
async function encodeOne(decision: Decision, out: string, settings: CurateSettings, signal: AbortSignal | undefined): Promise<SetAside | undefined> {
  const { clip } = decision;
  const place = paths(out);
  const file = join(place.clips, `${clip.id}.mp4`);
  const { info } = clip.source;
  const { fps = info.fps, maxSide, encoder, crf, preset } = settings.encode;
  try {
    const size = transcodedSize(info, maxSide);
    const meta = join(place.metas, `${clip.id}.json`);
    if (!(await isMade(file, meta, settings))) {
      if ((await stat(clip.source.path).catch((error: unknown) => { throw fromSystemError(error, clip.source.path); })).size !== info.sizeBytes)
        throw new OrreryError("bad_argument", `${clip.source.path} is not the file that was measured; run orrery curate on the sources again`);
      await transcode(info, file, { startS: clip.startS, durationS: clip.endS - clip.startS, fps, maxSide, encoder, crf, preset, signal });
    }
    const made = await probeVideo(file, { signal });
    const encoded: Encoded = { ...size, framerate: Number(made.fps.toFixed(6)), num_frames: made.frameCount ?? Math.round(made.durationS * made.fps), num_bytes: made.sizeBytes };
    await writeJson(meta, clipMeta(decision, encoded, settings));
    return undefined;
  } catch (error) {
    if (!(error instanceof OrreryError) || error.code !== "bad_video") throw error;
    return { path: clip.source.path, reason: error.message };
  }
}

/** Whether a clip is there, whole, and of these settings: its metadata says so, and is written last. */
async function isMade(file: string, meta: string, settings: CurateSettings): Promise<boolean> {
  try {
    const [{ size }, known] = [await stat(file), await readJson(meta)];
    return known["num_bytes"] === size && JSON.stringify(known["orrery_encode"]) === JSON.stringify(settings.encode);
  } catch (error) {
    if (error instanceof OrreryError || (error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

/**
 * Takes away clips that an earlier decision kept and this one does not. Only what is surely ours goes: clips whose metadata was
 * written here, and candidates of this run that a killed one had begun; whatever else lies in the folders stays.
 */
async function removeDropped(out: string, candidates: readonly CandidateClip[], kept: ReadonlySet<string>): Promise<void> {
  const { clips, metas } = paths(out);
  const ours = new Set(candidates.map(({ id }) => id));
  for (const name of (await readdir(metas)).filter((file) => file.endsWith(".json"))) {
    const meta = await readJson(join(metas, name)).catch(() => ({}) as Record<string, unknown>);
    if (meta["span_uuid"] === basename(name, ".json") && meta["orrery_encode"] !== undefined) ours.add(basename(name, ".json"));
  }
  for (const id of ours) {
    if (kept.has(id)) continue;
    await rm(join(metas, `${id}.json`), { force: true });
    await rm(join(clips, `${id}.mp4`), { force: true });
  }
}

async function writeAccounts(out: string, sources: readonly Source[], decisions: Decisions, summary: Summary, settings: CurateSettings): Promise<void> {
  const place = paths(out);
  const lines = (items: readonly unknown[]): string => items.map((item) => `${JSON.stringify(item)}\n`).join("");
  await writeFileAtomic(place.manifest, lines(decisions.clips.map(manifestLine)));
  await writeFileAtomic(place.duplicates, lines(decisions.duplicates));
  for (const { sha256, path, info } of sources) {
    const own = decisions.clips.filter(({ clip }) => clip.source.sha256 === sha256);
    await writeJson(join(place.processed, `${sha256}.json`), {
      video: path, video_uuid: sha256, height: info.height, width: info.width, framerate: info.fps, num_frames: info.frameCount ?? null, duration: info.durationS,
      video_codec: info.codec, pixel_format: info.pixelFormat, num_total_clips: own.length, clips: own.filter(({ keep }) => keep).map(({ clip }) => clip.id), filtered_clips: own.filter(({ keep }) => !keep).map(({ clip }) => clip.id),
    });
  }
  await writeJson(place.settings, settings as unknown as Record<string, unknown>);
  await writeJson(place.summary, summary as unknown as Record<string, unknown>);
  await writeReport(out, decisions, summary, settings);
}

/** Work on items, several at a time; results in the order of the items. The first error ends it. */
async function each<T, R>(items: readonly T[], workers: number, signal: AbortSignal | undefined, work: (item: T) => Promise<R>, onDone: (done: number) => void): Promise<R[]> {
  const results: R[] = [];
  let [next, done] = [0, 0];
  onDone(0);
  const run = async (): Promise<void> => {
    while (next < items.length) {
      throwIfCancelled(signal, "curating");
      const i = next++;
      results[i] = await work(items[i]!);
      onDone(++done);
    }
  };
  await Promise.all(Array.from({ length: Math.min(workers, items.length) }, run));
  return results;
}
