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
import { hashSubject, requireAllowed, requireDeliverable, standardRules, upsamplePrompt, type Guards, type OpenedUpsampler, type Processed, type RecordedUpsampling, type Verdicts } from "../guardrail/index.ts";
import type { Clip } from "../video/index.ts";
import type { Plan } from "./plan.ts";

export interface ClearedText {
  /** What the model reads; absent where nobody said anything. */
  readonly prompt?: string;
  readonly negativePrompt?: string;
  /** What this was allowed for. */
  readonly plan: Plan;
}

export interface ClearedVideo {
  /** The frames as they may be delivered: allowed, and then what the policy does to every video, such as blurring faces. */
  readonly clip: Clip;
  readonly verdicts: Verdicts;
  readonly processed: Processed;
}

/** What happened on the way, in order, whatever came of it: it goes into the record of a blocked request too. */
export interface Trail {
  readonly verdicts: Verdicts[];
  upsampling?: RecordedUpsampling;
  /** What the upsampler wrote and the model read. */
  upsampledPrompt?: string;
}

export const newTrail = (): Trail => ({ verdicts: [] });

/** Whether a request has no words of any kind. */
export const isWithoutWords = (plan: Plan): boolean => plan.prompt === undefined && plan.negative_prompt === undefined;

const texts = new WeakSet<ClearedText>();
const videos = new WeakSet<ClearedVideo>();

interface Options {
  signal?: AbortSignal | undefined;
}

type TextStage = "prompt" | "upsampled-prompt" | "negative-prompt";

/** Asks the guards about every word of a plan. @throws `blocked` for what they do not allow. */
export async function clearText(plan: Plan, guards: Guards, trail: Trail, { upsampler, signal }: Options & { upsampler?: Partial<OpenedUpsampler> | undefined } = {}): Promise<ClearedText> {
  const ask = async (stage: TextStage, text: string): Promise<string> => {
    const verdicts = await guards.check({ stage, text }, signal ? { signal } : {});
    trail.verdicts.push(verdicts);
    requireAllowed(verdicts, hashSubject({ stage, text }));
    return text;
  };
  let prompt = plan.prompt === undefined ? undefined : await ask("prompt", plan.prompt);
  const negativePrompt = plan.negative_prompt === undefined ? undefined : await ask("negative-prompt", plan.negative_prompt);
  if (prompt !== undefined && upsampler?.upsampler) {
    const longer = await upsamplePrompt(prompt, upsampler.upsampler, async (text) => {
      const verdicts = await guards.check({ stage: "upsampled-prompt", text }, signal ? { signal } : {});
      trail.verdicts.push(verdicts);
      return verdicts;
    }, upsampler.rules ?? standardRules, signal);
    trail.upsampling = longer.record;
    if (longer.record.outcome === "upsampled") trail.upsampledPrompt = longer.prompt;
    prompt = longer.prompt;
  }
  const cleared: ClearedText = Object.freeze({ plan, ...(prompt === undefined ? {} : { prompt }), ...(negativePrompt === undefined ? {} : { negativePrompt }) });
  texts.add(cleared);
  return cleared;
}

/** Asks the guards about finished frames, and does to them what the policy demands. @throws `blocked` for what they do not allow. */
export async function clearVideo(clip: Clip, guards: Guards, trail: Trail, { signal }: Options = {}): Promise<ClearedVideo> {
  const options = signal ? { signal } : {};
  const verdicts = await guards.check({ stage: "video", clip }, options);
  trail.verdicts.push(verdicts);
  const processed = await guards.process(clip, verdicts, options);
  requireDeliverable(verdicts, processed, processed.clip);
  const cleared: ClearedVideo = Object.freeze({ clip: processed.clip, verdicts, processed });
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
  requireDeliverable(video.verdicts, video.processed, video.clip);
}
