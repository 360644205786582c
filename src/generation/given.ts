/**
 * The frames that a generation begins with: a picture, or the frames of a video that end where it shall go on. They are
 * brought to the model's rate on a grid that begins with the file, and to its size by filling it and cutting off the rest.
 */
import { OrreryError } from "../errors.ts";
import type { Generation } from "../registry/index.ts";
import { makeClip, probeVideo, readClip, readImage, sliceClip, type Clip } from "../video/index.ts";
import { sizeOf, type Plan } from "./plan.ts";

/** Steps of the grid that an end may be rounded by: times in files are. */
const slack = 1e-6;

/** @throws `bad_video` when the input has too few frames, and as `readClip` and `readImage`. */
export async function readGiven(plan: Plan, { conditionFrames }: Generation, signal?: AbortSignal): Promise<Clip | undefined> {
  const { width, height } = sizeOf(plan.size);
  if (plan.image !== undefined) {
    const { pixels } = await readImage(plan.image, { width, height, fit: "cover", signal });
    return makeClip(pixels, width, height, plan.fps);
  }
  if (plan.video === undefined) return undefined;
  const info = await probeVideo(plan.video, { signal });
  if (plan.video_end_s !== undefined && plan.video_end_s > info.durationS + 1 / plan.fps)
    throw new OrreryError("bad_argument", `${plan.video} lasts ${info.durationS.toFixed(3)} s; it cannot be continued at ${plan.video_end_s} s`);
  const end = Math.max(1, Math.floor((plan.video_end_s ?? info.durationS) * plan.fps + slack));
  const takes = conditionFrames.filter((n) => n > 0 && n <= plan.condition_frames);
  const wanted = takes.findLast((n) => n <= end) ?? takes[0]!;
  // A file's end is a little before or after what its header says, so a few frames more are read than are wanted.
  const first = Math.max(0, end - wanted - 4);
  const clip = await readClip(plan.video, { info, width, height, fit: "cover", fps: plan.fps, startS: first / plan.fps, maxFrames: end - first, signal });
  const count = takes.findLast((n) => n <= clip.frameCount);
  if (count === undefined)
    throw new OrreryError("bad_video", `${plan.video} has ${clip.frameCount} frame(s) at ${plan.fps} frames per second before ${(end / plan.fps).toFixed(2)} s; this model continues at least ${takes[0]}. Give a longer clip${plan.video_end_s === undefined ? "" : " or a later --at"}`);
  const given = sliceClip(clip, clip.frameCount - count, clip.frameCount - 1);
  return makeClip(given.frames.slice(), width, height, plan.fps);
}
