/** The settings that say what a training run sees, and the clips opened by them: one set to train on, one held back. */
import { z } from "zod";
import type { Progress } from "../progress.ts";
import { openClips, type ClipSet } from "./clip-set.ts";
import { heldPart, holdoutSchema, trainingPart } from "./holdout.ts";

const count = z.int().positive();

/** `defaults` are those of a model: its picture size and window. */
export const dataSettings = (defaults: { width: number; height: number; frames: number }) =>
  z.strictObject({
    /** Pixels; clips are scaled to cover this and cropped at the middle. */
    width: count.max(8192).default(defaults.width),
    height: count.max(8192).default(defaults.height),
    /** Frames of a window. */
    frames: count.max(4096).default(defaults.frames),
    /** Frames a second; left out, the first clip's own. Clips of other or uneven rates are converted. */
    fps: z.number().positive().max(1000).optional(),
    holdout: holdoutSchema.prefault({}),
    /** Decoded frames to keep in memory; clips beyond it are decoded again for every window. */
    memoryMb: z.number().nonnegative().default(1024),
  });

export type DataSettings = z.output<ReturnType<typeof dataSettings>>;

export interface TrainingData {
  training: ClipSet;
  /** What is held back; where nothing is, the same as `training`. */
  held: ClipSet;
  /** Whether `held` was kept from training. */
  isHeld: boolean;
  /** Ends what makes the clips, where something has to be ended. */
  close?(): Promise<void>;
}

/** Opens what a run's `data` names: `openTrainingData`, or one that knows more kinds of sources than files. */
export type OpenData = (paths: readonly string[], settings: DataSettings, options?: { progress?: Progress | undefined; signal?: AbortSignal | undefined }) => Promise<TrainingData>;

/** Opens clips for training. Errors as `openClips`. */
export const openTrainingData: OpenData = async (paths, { width, height, fps, holdout, memoryMb }, { progress, signal } = {}) => {
  const common = { width, height, memoryBytes: memoryMb * 2 ** 20, signal, ...(progress ? { progress } : {}) };
  const isHeld = holdout.seconds > 0;
  const training = await openClips(paths, { ...common, fps, ...(isHeld ? { part: trainingPart(holdout) } : {}) });
  if (!isHeld) return { training, held: training, isHeld };
  return { training, held: await openClips(paths, { ...common, fps: training.fps, part: heldPart(holdout) }), isHeld };
};
