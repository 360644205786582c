/**
 * A short prompt made longer, without letting the guards' decision slip: the original was allowed, the result is checked for
 * faithfulness and by the guards again, and if no attempt passes, the original is used and the record says why. What the
 * guards found in a longer prompt is not held against the person, who did not write it; a guard that could not say blocks,
 * as everywhere.
 */
import { createHash } from "node:crypto";
import { throwIfCancelled } from "../../progress.ts";
import { hashSubject } from "../hash.ts";
import type { RecordedUpsampling } from "../record.ts";
import { requireAllowed, type Verdicts } from "../verdict.ts";
import { countWords, unfaithfulness, type FaithRules } from "./faithful.ts";

/** Something that makes prompts longer. Its words are guarded like a stranger's. */
export interface PromptUpsampler {
  /** The model that writes: "llama-3.1-8b-instruct"; "orrery-grammar" for the built-in one. */
  readonly model: string;
  readonly version: string;
  /** Writes a longer prompt. `attempt` counts from 0; later ones should be more careful. Throws when it cannot. */
  rewrite(prompt: string, options: { attempt: number; signal?: AbortSignal | undefined }): Promise<string>;
  close(): Promise<void>;
}

export interface UpsampleRules extends FaithRules {
  /** A prompt of more words than this is left alone; 250 is the reference's limit. */
  skipAbove: number;
  attempts: number;
}

export const standardRules: UpsampleRules = { skipAbove: 250, attempts: 3, maxWords: 300, minKept: 0.7 };

export interface Upsampled {
  /** The words to use: the longer prompt, or the original. */
  prompt: string;
  original: string;
  record: RecordedUpsampling;
  /** The guards' outcomes on what was written, in order; a blocked one belongs to words that are not used. */
  verdicts: readonly Verdicts[];
}

const digestOf = (text: string): string => createHash("sha256").update(text, "utf8").digest("hex");

/**
 * Makes an allowed prompt longer. `check` asks the guards about an `upsampled-prompt`.
 * @throws `blocked` when a guard that is required could not say; what the upsampler throws; `cancelled`.
 */
export async function upsamplePrompt(original: string, upsampler: PromptUpsampler, check: (text: string) => Promise<Verdicts>, rules: UpsampleRules = standardRules, signal?: AbortSignal): Promise<Upsampled> {
  const verdicts: Verdicts[] = [];
  const done = (prompt: string, outcome: RecordedUpsampling["outcome"], attempts: number, reason?: string): Upsampled => ({
    prompt, original, verdicts,
    record: { upsampler: upsampler.model, version: upsampler.version, outcome, ...(reason === undefined ? {} : { reason }), attempts, originalSha256: digestOf(original), resultSha256: digestOf(prompt) },
  });
  const length = countWords(original);
  if (length > rules.skipAbove) return done(original, "left-alone", 0, `the prompt has ${length} words, more than ${rules.skipAbove}`);
  let reason = "";
  for (let attempt = 0; attempt < rules.attempts; attempt++) {
    throwIfCancelled(signal, "making the prompt longer");
    const result = (await upsampler.rewrite(original, { attempt, signal })).trim();
    if (result === original.trim()) return done(original, "left-alone", attempt + 1, "there was nothing to add");
    const unfaithful = unfaithfulness(original, result, rules);
    if (unfaithful !== undefined) {
      reason = `what was written was refused: ${unfaithful}`;
      continue;
    }
    const outcome = await check(result);
    verdicts.push(outcome);
    if (outcome.decision === "allow") {
      requireAllowed(outcome, hashSubject({ stage: "upsampled-prompt", text: result }));
      return done(result, "upsampled", attempt + 1);
    }
    if (outcome.blockedBy === "failure") requireAllowed(outcome, outcome.subjectSha256);
    reason = `what was written was blocked: ${outcome.message}`;
  }
  return done(original, "fell-back", rules.attempts, reason);
}
