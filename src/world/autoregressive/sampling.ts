/**
 * How the next token is drawn from logits (cosmos-predict1 `autoregressive/utils/sampling.py`): the likeliest, or at random
 * from the nucleus (top-p, Holtzman et al. 2020) or the k likeliest. Published models use temperature 1 and a top-p of 0.7
 * to 0.9.
 */
import { OrreryError } from "../../errors.ts";
import type { RandomState } from "../../tensor/random.ts";

export interface SamplingOptions {
  /** 0 takes the likeliest token; below 1 sharpens, above 1 flattens. Default 1. */
  temperature?: number | undefined;
  /** Draw from the smallest set of likeliest tokens whose probabilities exceed this. */
  topP?: number | undefined;
  /** Draw from the `topK` likeliest tokens. Not together with `topP`. */
  topK?: number | undefined;
}

/** Throws `bad_argument` for options that make no sense. */
export function checkSampling({ temperature = 1, topP, topK }: SamplingOptions): void {
  const wrong = (message: string): never => {
    throw new OrreryError("bad_argument", message);
  };
  if (!(temperature >= 0 && Number.isFinite(temperature))) wrong(`temperature must be 0 or more, not ${temperature}`);
  if (topP !== undefined && !(topP >= 0 && topP <= 1)) wrong(`top-p must be from 0 to 1, not ${topP}`);
  if (topK !== undefined && !(Number.isInteger(topK) && topK >= 1)) wrong(`top-k must be a whole number of at least 1, not ${topK}`);
  if (topP !== undefined && topK !== undefined) wrong("give top-p or top-k, not both");
}

/** Index of the largest logit; of equal ones the first. */
export function greedy(logits: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i;
  return best;
}

/** softmax(logits / temperature). */
export function probabilities(logits: ArrayLike<number>, temperature: number): Float64Array {
  const top = logits[greedy(logits)]!;
  const p = Float64Array.from(logits, (v) => Math.exp((v - top) / temperature));
  const total = p.reduce((a, b) => a + b, 0);
  return p.map((v) => v / total);
}

/** Indices from likeliest to least. */
function byLikelihood(p: Float64Array): Uint32Array {
  return Uint32Array.from(p.keys()).sort((a, b) => p[b]! - p[a]! || a - b);
}

/** The probabilities with everything outside the nucleus at zero: a token stays when those likelier than it sum to at most `topP`. */
export function nucleus(p: Float64Array, topP: number): Float64Array {
  const kept = new Float64Array(p.length);
  let before = 0;
  for (const i of byLikelihood(p)) {
    if (before > topP) break;
    kept[i] = p[i]!;
    before += p[i]!;
  }
  return kept;
}

/** The probabilities with everything below the k-th largest at zero. Tokens that tie with it stay. */
export function likeliest(p: Float64Array, k: number): Float64Array {
  if (k >= p.length) return p;
  const limit = p.slice().sort()[p.length - k]!;
  return p.map((v) => (v < limit ? 0 : v));
}

/**
 * An index drawn with the given weights, by the exponential race: of independent waiting times Exp(1) / weight the shortest
 * wins, as the reference does it. Weights need not sum to one.
 */
export function draw(weights: Float64Array, random: RandomState): number {
  let winner = greedy(weights);
  let best = -Infinity;
  for (let i = 0; i < weights.length; i++) {
    if (!(weights[i]! > 0)) continue;
    // 1 - u lies in (0, 1], so the logarithm is finite.
    const pace = weights[i]! / -Math.log(1 - random.random());
    if (pace > best) [winner, best] = [i, pace];
  }
  return winner;
}

/** The next token for one row of logits. */
export function sampleToken(logits: ArrayLike<number>, { temperature = 1, topP, topK }: SamplingOptions, random: RandomState): number {
  if (temperature === 0) return greedy(logits);
  // The reference divides by no less in top-k sampling; in top-p sampling it would divide by anything.
  const p = probabilities(logits, Math.max(temperature, 1e-5));
  if (topP !== undefined) return draw(nucleus(p, topP), random);
  return draw(topK === undefined ? p : likeliest(p, topK), random);
}
