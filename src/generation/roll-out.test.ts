/** Joining chunks: no frame twice, no jump where they meet. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Generation } from "../registry/index.ts";
import { makeClip, type Clip } from "../video/index.ts";
import { chunksOf, framesOf } from "./plan.ts";
import { joinClips } from "./roll-out.ts";

/** Frames of one pixel, of these greys. */
const greys = (values: readonly number[]): Clip => makeClip(Uint8Array.from(values.flatMap((v) => [v, v, v])), 1, 1, 8);
const valuesOf = ({ frames }: Clip): number[] => Array.from(frames).filter((_, i) => i % 3 === 0);

test("shared frames fade from one chunk to the next", () => {
  expect(valuesOf(joinClips(greys([0, 10, 20, 30]), greys([26, 36, 46, 56]), 2))).toEqual([0, 10, 22, 34, 46, 56]);
  expect(valuesOf(joinClips(greys([5, 5]), greys([5, 9]), 1))).toEqual([5, 5, 9]);
});

test("an even motion that the second chunk sees with an error stays without a jump", () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 9 }), fc.integer({ min: -20, max: 20 }), fc.integer({ min: 1, max: 3 }), (overlap, error, speed) => {
      const first = Array.from({ length: 17 }, (_, t) => 60 + speed * t);
      const second = Array.from({ length: 17 }, (_, t) => first.at(-1)! + speed * (t - overlap + 1) + error);
      const joined = valuesOf(joinClips(greys(first), greys(second), overlap));
      expect(joined).toHaveLength(34 - overlap);
      const jumps = joined.slice(1).map((v, t) => Math.abs(v - joined[t]! - speed));
      expect(Math.max(...jumps)).toBeLessThanOrEqual(Math.ceil(Math.abs(error) / (overlap + 1)) + 1);
    }),
  );
});

test("frames of chunks, and chunks for frames", () => {
  const generation = { frames: 17, conditionFrames: [1, 9] } as Generation;
  expect([0, 1, 2].map((extend) => framesOf(generation, extend))).toEqual([17, 25, 33]);
  expect([1, 17, 18, 25, 26, 33, 34].map((frames) => chunksOf(generation, frames))).toEqual([1, 1, 2, 2, 3, 3, 4]);
});
