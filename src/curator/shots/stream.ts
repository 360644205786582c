/**
 * The detector over a video of any length: it looks at blocks of frames that overlap by more than the longest transition, so
 * memory does not grow and nothing at a seam is lost.
 */
import { findTransitions, type Transition } from "./detector.ts";
import type { ShotFeatures } from "./features.ts";

const blockFrames = 4096;
/** More than the longest fade with its ramps, or the longest dissolve that is tried. */
const overlapFrames = 256;

export interface ShotDetector {
  push(features: ShotFeatures): void;
  /** Everything found; nothing may be pushed afterwards. */
  finish(): Transition[];
}

export function shotDetector(): ShotDetector {
  let block: ShotFeatures[] = [];
  /** Number of the block's first frame. */
  let offset = 0;
  /** Transitions before this frame have been taken from an earlier block. */
  let settled = 0;
  const found: Transition[] = [];
  const settle = (until: number): void => {
    for (const { frame, firstFrame, lastFrame, ...rest } of findTransitions(block)) {
      const at = offset + frame;
      if (at >= settled && at < until) found.push({ ...rest, frame: at, firstFrame: offset + firstFrame, lastFrame: offset + lastFrame });
    }
    settled = until;
  };
  return {
    push(features) {
      block.push(features);
      if (block.length < blockFrames) return;
      settle(offset + block.length - overlapFrames);
      const keep = 2 * overlapFrames;
      offset += block.length - keep;
      block = block.slice(-keep);
    },
    finish() {
      settle(Infinity);
      return found;
    },
  };
}
