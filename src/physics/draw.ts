/** Chances of a scenario: NumPy's generator, asked in the words that scenarios use. */
import { RandomState } from "../tensor/random.ts";

export interface Draw {
  between(low: number, high: number): number;
  /** A whole number, both ends included. */
  whole(low: number, high: number): number;
  one<T>(list: readonly T[]): T;
  /** Different ones. */
  some<T>(list: readonly T[], count: number): T[];
  chance(probability: number): boolean;
  /** -1 or 1. */
  side(): -1 | 1;
}

export function makeDraw(seed: number): Draw {
  const random = new RandomState(seed);
  const between = (low: number, high: number) => random.uniform(low, high);
  const whole = (low: number, high: number) => random.randint(low, high + 1);
  return {
    between,
    whole,
    one: (list) => list[whole(0, list.length - 1)]!,
    some: (list, count) => random.permutation(list.length).slice(0, count).map((i) => list[i]!),
    chance: (probability) => random.random() < probability,
    side: () => (random.random() < 0.5 ? -1 : 1),
  };
}
