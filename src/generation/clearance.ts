/**
 * What has been allowed. The words that a world model may read, and the frames that may become a file, exist only as
 * clearances, which nothing but this file can make, and which it makes only of what every required guard allowed. So the
 * steps of a generation cannot be run in the wrong order, and a step left out is not a smaller program that works but one that
 * does not: a model takes `ClearedText`, a writer takes `ClearedVideo`.
 *
 * A request without words has no stage of words. Whether that is so is read from the plan here, not said by a caller; a text
 * that is there, or an empty one, is never taken for one that is not.
 */
import { OrreryError } from "../errors.ts";
import { hashSubject, requireAllowed, type Guards, type Verdicts } from "../guardrail/index.ts";
import type { Clip } from "../video/index.ts";
import type { Plan } from "./plan.ts";

/** Rewrites a prompt into the long caption that a model was trained on. Its words are guarded like a stranger's. */
export interface Upsampler {
  /** The model that writes: "llama-3.1-8b". */
  readonly model: string;
  upsample(prompt: string, options: { signal?: AbortSignal | undefined }): Promise<string>;
}

export interface ClearedText {
  /** What the model reads; absent where nobody said anything. */
  readonly prompt?: string;
  readonly negativePrompt?: string;
  /** Digest of the plan that this belongs to. */
  readonly plan: Plan;
}

export interface ClearedVideo {
  readonly clip: Clip;
  readonly verdicts: Verdicts;
}

/** What every guard said, in order, whatever came of it: it goes into the record of a blocked request too. */
export interface Trail {
  readonly verdicts: Verdicts[];
  upsampler: { model: string; prompt: string } | "none";
}

export const newTrail = (): Trail => ({ verdicts: [], upsampler: "none" });

const texts = new WeakSet<ClearedText>();
const videos = new WeakSet<ClearedVideo>();

interface Options {
  signal?: AbortSignal | undefined;
}

type TextStage = "prompt" | "upsampled-prompt" | "negative-prompt";

/** Asks the guards about every word of a plan. @throws `blocked` for what they do not allow. */
export async function clearText(plan: Plan, guards: Guards, trail: Trail, { upsampler, signal }: Options & { upsampler?: Upsampler | undefined } = {}): Promise<ClearedText> {
  const ask = async (stage: TextStage, text: string): Promise<string> => {
    const verdicts = await guards.check({ stage, text }, signal ? { signal } : {});
    trail.verdicts.push(verdicts);
    requireAllowed(verdicts, hashSubject({ stage, text }));
    return text;
  };
  let prompt = plan.prompt === undefined ? undefined : await ask("prompt", plan.prompt);
  const negativePrompt = plan.negative_prompt === undefined ? undefined : await ask("negative-prompt", plan.negative_prompt);
  if (prompt !== undefined && upsampler) {
    prompt = await ask("upsampled-prompt", await upsampler.upsample(prompt, { signal }));
    trail.upsampler = { model: upsampler.model, prompt };
  }
  const cleared: ClearedText = Object.freeze({ plan, ...(prompt === undefined ? {} : { prompt }), ...(negativePrompt === undefined ? {} : { negativePrompt }) });
  texts.add(cleared);
  return cleared;
}

/** Asks the guards about finished frames. @throws `blocked` for what they do not allow. */
export async function clearVideo(clip: Clip, guards: Guards, trail: Trail, { signal }: Options = {}): Promise<ClearedVideo> {
  const verdicts = await guards.check({ stage: "video", clip }, signal ? { signal } : {});
  trail.verdicts.push(verdicts);
  requireAllowed(verdicts, hashSubject({ stage: "video", clip }));
  const cleared: ClearedVideo = Object.freeze({ clip, verdicts });
  videos.add(cleared);
  return cleared;
}

/** @throws `blocked` for words that no guard of this process allowed for this plan. */
export function requireClearedText(text: ClearedText, plan: Plan): void {
  if (!texts.has(text) || text.plan !== plan) throw new OrreryError("blocked", "a world model was asked without the guards having allowed the request");
}

/** @throws `blocked` for frames that no guard of this process allowed, or that have changed since. */
export function requireClearedVideo(video: ClearedVideo): void {
  if (!videos.has(video)) throw new OrreryError("blocked", "a video was to be written that no guard has allowed");
  requireAllowed(video.verdicts, hashSubject({ stage: "video", clip: video.clip }));
}
