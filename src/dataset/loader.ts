/**
 * Batches by step number. Which windows a step gets depends on the seed and the step alone, so a resumed run sees exactly
 * what an uninterrupted one would; the next steps are decoded while the current one trains.
 */
import { OrreryError } from "../errors.ts";
import { RandomState } from "../tensor/random.ts";
import type { Clip } from "../video/index.ts";
import type { ClipSet } from "./clip-set.ts";

export interface LoaderOptions {
  batch: number;
  /** Frames of a window. */
  frames: number;
  seed: number;
  /** Steps decoded ahead. */
  ahead?: number;
}

export interface Loader {
  /** The windows of one step. */
  at(step: number): Promise<Clip[]>;
}

/** A generator for one purpose at one step, independent of all others. */
export const randomAt = (seed: number, step: number, purpose = 0): RandomState => new RandomState((Math.imul(seed, 0x9e3779b1) ^ Math.imul(step + 1, 0x85ebca6b) ^ Math.imul(purpose, 0xc2b2ae35)) >>> 0);

/** Windows are drawn uniformly over all starting frames of all clips long enough. Throws `bad_video` when none is. */
export function createLoader(set: ClipSet, { batch, frames, seed, ahead = 2 }: LoaderOptions): Loader {
  const starts = set.entries.map((e) => Math.max(0, e.frameCount - frames + 1));
  const total = starts.reduce((a, b) => a + b, 0);
  if (total === 0) {
    const longest = Math.max(...set.entries.map((e) => e.frameCount));
    throw new OrreryError("bad_video", `the longest clip has ${longest} frame(s) at ${set.fps.toFixed(2)} fps, but windows of ${frames} were asked for; give longer clips or ask for fewer frames`);
  }
  const draw = (step: number): Promise<Clip[]> => {
    const random = randomAt(seed, step);
    return Promise.all(
      Array.from({ length: batch }, () => {
        let pick = Math.floor(random.random() * total);
        const entry = starts.findIndex((n) => {
          if (pick < n) return true;
          pick -= n;
          return false;
        });
        return set.window(entry, pick, frames);
      }),
    );
  };
  return lookAhead(draw, ahead);
}

/** Draws for a step and the `ahead` next ones at once, each step once; what is no longer needed is forgotten. */
export function lookAhead<T>(draw: (step: number) => Promise<T>, ahead: number): { at(step: number): Promise<T> } {
  const pending = new Map<number, Promise<T>>();
  const start = (step: number): Promise<T> => {
    let known = pending.get(step);
    if (!known) {
      known = draw(step);
      // A failure is reported by the step that needs the batch, not before.
      known.catch(() => {});
      pending.set(step, known);
    }
    return known;
  };
  return {
    at(step) {
      const now = start(step);
      for (let k = 1; k <= ahead; k++) void start(step + k);
      for (const known of pending.keys()) if (known < step || known > step + ahead) pending.delete(known);
      return now;
    },
  };
}
