/**
 * Evaluation on laboratory clips: several contestants (a model, its rivals, baselines) continue the same held-out clips from
 * the same given frames, and each is held against the truth. Who makes the videos is handed in as a function, so that this
 * room needs to know no model.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fromSystemError, OrreryError } from "../errors.ts";
import { silent, throwIfCancelled, type Progress } from "../progress.ts";
import type { LabTruth } from "../physics/index.ts";
import { makeClip, sideBySide, sliceClip, writeClip, type Clip } from "../video/index.ts";
import { alignClip, mean, type ClipAlignment } from "./alignment.ts";
import { alignWords, wordsFigures, type WordsAlignment, type WordsFigures } from "./words-alignment.ts";

/** A clip to be continued, with what is known about it. */
export interface Trial {
  id: string;
  clip: Clip;
  truth: LabTruth;
}

export interface Contestant {
  name: string;
  /** Continues the given frames to a whole clip of `trial.clip.frameCount` frames; undefined when it has none for this trial. */
  continue(given: Clip, trial: Trial): Promise<Clip | undefined> | Clip;
}

export interface Figures {
  clips: number;
  psnr: number;
  ssim?: number;
  iou?: number;
  position?: number;
  presence?: number;
  /** Share of hidden objects that are found again. */
  permanence?: number;
  energyGain?: number;
  sunk?: number;
  /** Mean score and share that passes. */
  hallucination: number;
  hallucinationPasses: number;
}

export interface EvaluationReport {
  format: "orrery-evaluation-v1";
  given: number;
  trials: number;
  /** Videos of captions alone, and the true clips judged like them. */
  words?: { name: string; figures: WordsFigures; clips: (WordsAlignment & { id: string })[] }[];
  contestants: {
    name: string;
    overall: Figures;
    scenarios: Record<string, Figures>;
    /** By frame after the given ones. */
    curves: { frame: number; psnr: number; ssim?: number; iou?: number; position?: number }[];
    clips: (ClipAlignment & { id: string; caption: string; video?: string })[];
  }[];
}

export interface EvaluateOptions {
  /** Frames that a contestant may see. */
  given: number;
  /** Folder for side-by-side videos; none are written without it. */
  videos?: string;
  progress?: Progress;
  signal?: AbortSignal | undefined;
}

/** Runs all contestants over all trials. @throws `bad_argument`, what a contestant throws, `cancelled`. */
export async function evaluateLab(trials: readonly Trial[], contestants: readonly Contestant[], { given, videos, progress = silent, signal }: EvaluateOptions): Promise<EvaluationReport> {
  if (trials.length === 0) throw new OrreryError("bad_argument", "no clips to evaluate on were given");
  for (const { id, clip } of trials) if (given < 1 || given >= clip.frameCount) throw new OrreryError("bad_argument", `${given} given frames were asked for; clip ${id} has ${clip.frameCount}, so 1 to ${clip.frameCount - 1} can be given`);
  if (videos !== undefined) await mkdir(videos, { recursive: true }).catch((error: unknown) => {
    throw fromSystemError(error, videos);
  });
  const results = contestants.map((): EvaluationReport["contestants"][number]["clips"] => []);
  for (const [n, trial] of trials.entries()) {
    const shown: { name: string; clip: Clip }[] = [{ name: "truth", clip: trial.clip }];
    for (const [c, contestant] of contestants.entries()) {
      throwIfCancelled(signal, "evaluating");
      const made = await contestant.continue(sliceClip(trial.clip, 0, given - 1), trial);
      if (made === undefined) continue;
      const alignment = alignClip(made, trial.clip, trial.truth, given);
      shown.push({ name: contestant.name, clip: made });
      results[c]!.push({ id: trial.id, caption: trial.truth.captionShort, ...alignment });
    }
    if (videos !== undefined) await writeSideBySide(join(videos, `${trial.id}.mp4`), shown, signal);
    progress({ stage: "evaluating", done: n + 1, total: trials.length, unit: "clips" });
  }
  return {
    format: "orrery-evaluation-v1",
    given,
    trials: trials.length,
    contestants: contestants.flatMap(({ name }, c) => {
      const clips = results[c]!;
      if (clips.length === 0) return [];
      const names = [...new Set(clips.map(({ scenario }) => scenario))];
      return [{
        name,
        overall: figuresOf(clips),
        scenarios: Object.fromEntries(names.map((scenario) => [scenario, figuresOf(clips.filter((clip) => clip.scenario === scenario))])),
        curves: curvesOf(clips),
        clips,
      }];
    }),
  };
}

/** Judges videos that are made of the trials' captions alone. `make` is asked once for each trial. @throws what it throws, `cancelled`. */
export async function evaluateWords(trials: readonly Trial[], make: (trial: Trial) => Promise<Clip>, { progress = silent, signal }: Pick<EvaluateOptions, "progress" | "signal"> = {}): Promise<NonNullable<EvaluationReport["words"]>> {
  const rows = [{ name: "model", clips: [] as (WordsAlignment & { id: string })[] }, { name: "truth", clips: [] as (WordsAlignment & { id: string })[] }];
  for (const [n, trial] of trials.entries()) {
    throwIfCancelled(signal, "evaluating");
    const truth = alignWords(trial.clip, trial.truth);
    if (truth) {
      rows[0]!.clips.push({ id: trial.id, ...alignWords(await make(trial), trial.truth)! });
      rows[1]!.clips.push({ id: trial.id, ...truth });
    }
    progress({ stage: "making videos of captions", done: n + 1, total: trials.length, unit: "clips" });
  }
  return rows.map(({ name, clips }) => ({ name, figures: wordsFigures(clips), clips }));
}

/** PSNR of the mean squared error: where some clips stand still, a mean of decibels would be about those alone. */
const pooled = (all: readonly { psnr: number }[]): number => -10 * Math.log10(mean(all.map(({ psnr }) => 10 ** (-psnr / 10))));

function figuresOf(clips: readonly ClipAlignment[]): Figures {
  const average = (key: "ssim" | "iou" | "position" | "presence" | "energyGain" | "sunk") => {
    const values = clips.flatMap((clip) => clip[key] ?? []);
    return values.length === 0 ? {} : { [key]: mean(values) };
  };
  const hidden = clips.flatMap(({ permanence }) => permanence ?? []);
  const expected = hidden.reduce((sum, one) => sum + one.expected, 0);
  return {
    clips: clips.length,
    psnr: pooled(clips),
    ...average("ssim"),
    ...average("iou"),
    ...average("position"),
    ...average("presence"),
    ...(expected > 0 ? { permanence: hidden.reduce((sum, one) => sum + one.kept, 0) / expected } : {}),
    ...average("energyGain"),
    ...average("sunk"),
    hallucination: mean(clips.map((clip) => clip.hallucination.score)),
    hallucinationPasses: mean(clips.map((clip) => (clip.hallucination.passes ? 1 : 0))),
  };
}

function curvesOf(clips: readonly ClipAlignment[]): EvaluationReport["contestants"][number]["curves"] {
  const last = Math.max(...clips.map(({ frames }) => frames.at(-1)!.frame));
  const curves: EvaluationReport["contestants"][number]["curves"] = [];
  for (let frame = Math.min(...clips.map(({ given }) => given)); frame <= last; frame++) {
    const at = clips.flatMap(({ frames }) => frames.find((one) => one.frame === frame) ?? []);
    const average = (key: "ssim" | "iou" | "position") => {
      const values = at.flatMap((one) => one[key] ?? []);
      return values.length === 0 ? {} : { [key]: mean(values) };
    };
    curves.push({ frame, psnr: pooled(at), ...average("ssim"), ...average("iou"), ...average("position") });
  }
  return curves;
}

async function writeSideBySide(path: string, shown: readonly { name: string; clip: Clip }[], signal: AbortSignal | undefined): Promise<void> {
  const { fps, width } = shown[0]!.clip;
  const clips = shown.map(({ clip }) => makeClip(clip.frames, clip.width, clip.height, fps));
  await writeClip(path, sideBySide(clips, shown.map(({ name }) => name), { zoom: Math.max(1, Math.floor(160 / width)) }), { signal });
}
