/**
 * What is held back: the beginning or the end of every clip, which training never sees, so that what a model makes of it can be
 * believed. The part to train on and the part held back do not share a frame.
 */
import { z } from "zod";
import type { VideoInfo } from "../video/index.ts";
import type { Part } from "./clip-set.ts";

export const holdoutSchema = z.strictObject({
  at: z.enum(["start", "end"]).default("end"),
  /** Seconds of every clip; 0 holds nothing back. */
  seconds: z.number().nonnegative().default(0),
});

export type Holdout = z.output<typeof holdoutSchema>;

/** The seconds of a clip that training sees. */
export const trainingPart =
  ({ at, seconds }: Holdout) =>
  ({ durationS }: Pick<VideoInfo, "durationS">): Part =>
    at === "start" ? { startS: Math.min(seconds, durationS), endS: durationS } : { startS: 0, endS: Math.max(0, durationS - seconds) };

/** The seconds of a clip that are held back. */
export const heldPart =
  ({ at, seconds }: Holdout) =>
  ({ durationS }: Pick<VideoInfo, "durationS">): Part =>
    at === "start" ? { startS: 0, endS: Math.min(seconds, durationS) } : { startS: Math.max(0, durationS - seconds), endS: durationS };
