/**
 * The settings that every training run has: how long, how fast, how often it saves and shows. One schema, so that they are
 * called and checked alike whatever is trained.
 */
import { z } from "zod";
import type { TrainOptions } from "./trainer.ts";

const count = z.int().positive();
const fraction = z.number().min(0).max(1);

export interface LoopDefaults {
  steps: number;
  batch: number;
  lr: number;
  warmupSteps: number;
  betas: [number, number];
  weightDecay: number;
}

export const loopSettings = (d: LoopDefaults) => ({
  seed: z.int().min(0).max(0xffffffff).default(0),
  /** Updates in all. */
  steps: count.default(d.steps),
  /** Windows in a micro-batch. */
  batch: count.max(65_536).default(d.batch),
  optimizer: z
    .strictObject({
      /** Peak learning rate. */
      lr: z.number().positive().default(d.lr),
      warmupSteps: z.int().nonnegative().default(d.warmupSteps),
      /** What the cosine falls to, as a fraction of `lr`. */
      floor: fraction.default(0.05),
      betas: z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]).default(d.betas),
      eps: z.number().positive().default(1e-8),
      weightDecay: z.number().nonnegative().default(d.weightDecay),
      /** Gradients are scaled down to this global norm; null leaves them alone. */
      clipNorm: z.number().positive().nullable().default(1),
      /** Decay of the averaged weights, which are the ones that are saved and shown; null for none. */
      emaDecay: z.number().min(0).lt(1).nullable().default(0.999),
      /** Micro-batches per update. */
      accumulate: count.default(1),
    })
    .prefault({}),
  /** Steps between checkpoints, which are what a stopped run continues from. */
  saveEvery: count.default(200),
  keepCheckpoints: count.default(2),
  logEvery: count.default(10),
  /** Steps between sheets of samples and their figures. */
  sampleEvery: count.default(500),
});

export type LoopSettings = z.output<z.ZodObject<ReturnType<typeof loopSettings>>>;

/** What `train` takes, from such settings. */
export function loopOptions(settings: LoopSettings): Omit<TrainOptions, "out" | "settings"> {
  const { seed, steps, optimizer, saveEvery, keepCheckpoints, logEvery, sampleEvery } = settings;
  const { lr, warmupSteps, floor, clipNorm, ...adamw } = optimizer;
  return { seed, schedule: { lr, warmupSteps, steps, floor }, optimizer: { ...adamw, clipNorm: clipNorm ?? Infinity }, saveEvery, keepCheckpoints, logEvery, sampleEvery };
}
