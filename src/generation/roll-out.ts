/**
 * A video longer than a model makes at once: chunk after chunk, each continuing the last frames of the one before
 * (cosmos-predict1 `extend_model.py`). The frames that two chunks share are shown once. There they fade from the earlier
 * chunk's pixels to the later one's, which are the same frames once more through the tokenizer, so that what the tokenizer
 * loses does not come at a stroke.
 */
import { throwIfCancelled } from "../progress.ts";
import { RandomState } from "../tensor/random.ts";
import { makeClip, sliceClip, type Clip } from "../video/index.ts";
import type { ClearedText } from "./clearance.ts";
import type { ChunkOptions, WorldModel } from "./model.ts";
import { chunksOf, overlapOf, type Plan } from "./plan.ts";

/** All frames of a plan. `given` are the frames to begin with, if any. */
export async function rollOut(model: WorldModel, plan: Plan, text: ClearedText, given: Clip | undefined, options: Omit<ChunkOptions, "label">): Promise<Clip> {
  const chunks = chunksOf(model.generation, plan.num_frames);
  const overlap = overlapOf(model.generation);
  const random = new RandomState(plan.seed);
  let whole: Clip | undefined;
  for (let i = 0; i < chunks; i++) {
    throwIfCancelled(options.signal, "the generation");
    const label = chunks === 1 ? "the video" : `chunk ${i + 1} of ${chunks}`;
    const opening = whole ? sliceClip(whole, whole.frameCount - overlap, whole.frameCount - 1) : given;
    const chunk = await model.chunk(plan, text, opening, random, { ...options, label });
    whole = whole ? joinClips(whole, chunk, overlap) : chunk;
  }
  return plan.num_frames < whole!.frameCount ? copyOf(sliceClip(whole!, 0, plan.num_frames - 1)) : whole!;
}

/** `a` and then `b`, whose first `overlap` frames are the last ones of `a` again: these fade from one to the other. */
export function joinClips(a: Clip, b: Clip, overlap: number): Clip {
  const size = a.width * a.height * 3;
  const frames = new Uint8Array((a.frameCount + b.frameCount - overlap) * size);
  frames.set(a.frames);
  const start = (a.frameCount - overlap) * size;
  for (let f = 0; f < overlap; f++) {
    const weight = (f + 1) / (overlap + 1);
    for (let i = f * size; i < (f + 1) * size; i++) frames[start + i] = Math.round((1 - weight) * a.frames[start + i]! + weight * b.frames[i]!);
  }
  frames.set(b.frames.subarray(overlap * size), a.frames.length);
  return makeClip(frames, a.width, a.height, a.fps);
}

/** Memory of its own: what is hashed and written must not be part of something larger. */
const copyOf = (clip: Clip): Clip => ({ ...clip, frames: clip.frames.slice() });
