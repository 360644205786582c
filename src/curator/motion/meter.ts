/** The camera's steps through a video, at about eight a second: enough for a hand's shake, cheap enough for every clip. */
import { lumaOf } from "../small.ts";
import { matchBlocks } from "./blocks.ts";
import { fitCamera, type CameraStep } from "./camera.ts";

export interface MotionStep extends CameraStep {
  /** The two frames compared, by number. */
  fromFrame: number;
  toFrame: number;
  durationS: number;
}

export const stepsPerS = 8;

/**
 * A meter for one video. Takes every frame (192 x 108 RGB) with its number and time; gives a step when one is complete. A cut
 * between the two frames makes a step mean nothing: whoever knows the cuts leaves those steps out.
 */
export function motionMeter(aspect: number): (small: Uint8Array, index: number, timeS: number) => MotionStep | undefined {
  let before: { luma: Uint8Array; index: number; timeS: number } | undefined;
  return (small, index, timeS) => {
    // A little early is better than a frame late: times of containers are rounded.
    if (before && timeS - before.timeS < 1 / stepsPerS - 0.01) return undefined;
    const luma = lumaOf(small);
    const step = before && timeS > before.timeS
      ? { ...fitCamera(matchBlocks(before.luma, luma), aspect), fromFrame: before.index, toFrame: index, durationS: timeS - before.timeS }
      : undefined;
    before = { luma, index, timeS };
    return step;
  };
}
