/**
 * Continues sequences of tokens: prompt in, video tokens out, one at a time (cosmos-predict1 `autoregressive/model.py`,
 * `generate`). What the tokens mean is the tokenizer's business.
 */
import { OrreryError } from "../../errors.ts";
import { silent, throwIfCancelled, type Progress } from "../../progress.ts";
import { RandomState } from "../../tensor/random.ts";
import { longestSequence, type AutoregressiveConfig } from "./config.ts";
import { openDecoder, type DecoderOptions } from "./decoder.ts";
import { checkSampling, sampleToken, type SamplingOptions } from "./sampling.ts";

export interface GenerateOptions extends SamplingOptions, Omit<DecoderOptions, "capacity"> {
  /** Sequences of equal length. To draw several continuations of one prompt, repeat it. */
  prompts: readonly (readonly number[])[];
  newTokens: number;
  /** The same seed gives the same tokens. */
  seed?: number | undefined;
  /** Where chance comes from, instead of `seed`: for one that goes on from an earlier call. */
  random?: RandomState | undefined;
  /** Only tokens below this are drawn: where the tokenizer has fewer codes than the model has words. */
  vocabulary?: number | undefined;
  /** Generation ends once every sequence has met one of these; they end a sequence but are not part of it. */
  stopTokens?: readonly number[] | undefined;
  /** Called with all new tokens so far after each; generation waits for it. */
  onToken?: ((soFar: readonly (readonly number[])[]) => void | Promise<void>) | undefined;
  progress?: Progress | undefined;
  signal?: AbortSignal | undefined;
}

/** The new tokens of each sequence: `newTokens` of them, or fewer before a stop token. */
export async function generate({ prompts, newTokens, seed = 0, random = new RandomState(seed), vocabulary = Infinity, stopTokens = [], onToken, progress = silent, signal, temperature, topP, topK, ...model }: GenerateOptions): Promise<number[][]> {
  const sampling = { temperature, topP, topK };
  checkSampling(sampling);
  const shape = promptShape(prompts, newTokens, model.config);
  const stops = new Set(stopTokens);
  const done = prompts.map(() => false);
  const out: number[][] = prompts.map(() => []);
  const report = (count: number): void => progress({ stage: "generating tokens", done: count, total: newTokens, unit: "tokens" });
  throwIfCancelled(signal, "generation");
  report(0);
  // The last token is drawn and never read, so it needs no place.
  const opened = await openDecoder(prompts.flat(), shape, { ...model, capacity: shape[1] + Math.max(newTokens - 1, 0) });
  const { decoder } = opened;
  try {
    let { logits } = opened;
    for (let count = 1; ; count++) {
      throwIfCancelled(signal, "generation");
      const width = logits.length / decoder.batch;
      const chosen = prompts.map((_, i) => sampleToken(logits.subarray(i * width, i * width + Math.min(width, vocabulary)), sampling, random));
      chosen.forEach((token, i) => {
        done[i] ||= stops.has(token);
        if (!done[i]) out[i]!.push(token);
      });
      report(count);
      await onToken?.(out);
      if (count >= newTokens || done.every(Boolean)) return out;
      logits = await decoder.step(chosen);
    }
  } finally {
    await decoder.release();
  }
}

function promptShape(prompts: readonly (readonly number[])[], newTokens: number, config: AutoregressiveConfig): [number, number] {
  const length = prompts[0]?.length ?? 0;
  if (length === 0 || prompts.some((p) => p.length !== length)) throw new OrreryError("bad_argument", "generation needs at least one prompt, all of the same length and none empty");
  if (!Number.isInteger(newTokens) || newTokens < 1) throw new OrreryError("bad_argument", `newTokens must be a whole number of at least 1, not ${newTokens}`);
  const limit = longestSequence(config);
  if (length + newTokens > limit) throw new OrreryError("bad_argument", `${length} prompt tokens and ${newTokens} new ones are more than the ${limit} that this model takes; ask for at most ${Math.max(0, limit - length)}`);
  return [prompts.length, length];
}
