/** How often each token is drawn. */
import { describe, expect, test } from "vitest";
import { RandomState } from "../../tensor/random.ts";
import { checkSampling, draw, greedy, likeliest, nucleus, probabilities, sampleToken } from "./sampling.ts";

const p = Float64Array.of(0.1, 0.4, 0.05, 0.3, 0.15);
const logits = Float32Array.from(p, Math.log);

/** Relative frequencies of many draws. */
function frequencies(once: (random: RandomState) => number, draws = 40_000): number[] {
  const random = new RandomState(7);
  const counts = new Array<number>(p.length).fill(0);
  for (let i = 0; i < draws; i++) counts[once(random)]!++;
  return counts.map((c) => c / draws);
}

/** Four standard deviations of a frequency. */
const expectNear = (got: number[], wanted: ArrayLike<number>, draws = 40_000): void =>
  got.forEach((f, i) => expect(Math.abs(f - wanted[i]!), `token ${i}: ${f}`).toBeLessThanOrEqual(4 * Math.sqrt((wanted[i]! * (1 - wanted[i]!)) / draws)));

const normal = (values: ArrayLike<number>): number[] => {
  const total = Array.from(values).reduce((a, b) => a + b, 0);
  return Array.from(values, (v) => v / total);
};

describe("draws follow", () => {
  test("the weights of the race", () => expectNear(frequencies((r) => draw(p, r)), p));
  test("the softmax", () => expectNear(frequencies((r) => sampleToken(logits, {}, r)), p));
  test("the temperature", () => expectNear(frequencies((r) => sampleToken(logits, { temperature: 0.5 }, r)), normal(p.map((v) => v * v))));
  test("the nucleus", () => expectNear(frequencies((r) => sampleToken(logits, { topP: 0.6 }, r)), normal([0, 0.4, 0, 0.3, 0])));
  test("the k likeliest", () => expectNear(frequencies((r) => sampleToken(logits, { topK: 3 }, r)), normal([0, 0.4, 0, 0.3, 0.15])));
});

test("the nucleus holds a token when those before it do not exceed p", () => {
  expect([...nucleus(p, 0.4)]).toEqual([0, 0.4, 0, 0.3, 0]);
  expect([...nucleus(p, 0.39)]).toEqual([0, 0.4, 0, 0, 0]);
  expect([...nucleus(p, 0)]).toEqual([0, 0.4, 0, 0, 0]);
  expect([...nucleus(p, 1)]).toEqual([...p]);
});

test("top-k keeps ties, and everything when k is large", () => {
  expect([...likeliest(Float64Array.of(0.2, 0.3, 0.2, 0.3), 3)]).toEqual([0.2, 0.3, 0.2, 0.3]);
  expect([...likeliest(Float64Array.of(0.1, 0.2, 0.7), 1)]).toEqual([0, 0, 0.7]);
  expect(likeliest(p, 9)).toBe(p);
});

test("the likeliest token is the first of equal ones; extreme logits do not overflow", () => {
  expect(greedy([1, 5, 5, 2])).toBe(1);
  expect(sampleToken([1, 5, 5, 2], { temperature: 0, topP: 0.9 }, new RandomState(0))).toBe(1);
  expect([...probabilities([1000, 0, -1000], 1)]).toEqual([1, 0, 0]);
  expect(sampleToken([1000, 999, -1000], { temperature: 1e-9 }, new RandomState(0))).toBe(0);
});

test.each([{ temperature: -1 }, { temperature: NaN }, { topP: 1.1 }, { topP: -0.1 }, { topK: 0 }, { topK: 1.5 }, { topP: 0.5, topK: 2 }])("%j is refused", (options) => {
  expect(() => checkSampling(options)).toThrow(expect.objectContaining({ code: "bad_argument" }) as Error);
});
