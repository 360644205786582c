/** A worse copy scores worse, whatever was done to it; the cut takes the worst of each class and nobody of a small one. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Detail } from "../../video/index.ts";
import { RandomState } from "../../tensor/random.ts";
import { qualityOf } from "./features.ts";
import { rankQuality } from "./rank.ts";
import { scoreQuality } from "./score.ts";

const [width, height] = [256, 144];

/** Smooth ground, edges and texture, as luma. */
function picture(seed: number): Detail {
  const random = new RandomState(seed);
  const luma = new Float32Array(width * height).fill(110);
  for (let k = 0; k < 40; k++) {
    const [cx, cy, r, v, stripe] = [random.random() * width, random.random() * height, 6 + 30 * random.random(), 220 * random.random() - 100, 2 + 6 * random.random()];
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) if (Math.abs(x - cx) + Math.abs(y - cy) < r) luma[y * width + x] = 115 + v * (0.7 + 0.3 * Math.sin((x + y) / stripe));
  }
  return detail(luma);
}
const detail = (luma: ArrayLike<number>): Detail => ({ index: 0, width, height, luma: Uint8Array.from(luma, (v) => Math.min(235, Math.max(16, Math.round(v)))) });

function blurred({ luma }: Detail, radius: number): Detail {
  const pass = (from: ArrayLike<number>, step: number, line: number): Float32Array =>
    Float32Array.from({ length: width * height }, (_, i) => {
      const position = step === 1 ? i % width : Math.floor(i / width);
      let [sum, n] = [0, 0];
      for (let k = -radius; k <= radius; k++)
        if (position + k >= 0 && position + k < line) {
          sum += from[i + k * step]!;
          n++;
        }
      return sum / n;
    });
  return detail(pass(pass(luma, 1, width), width, height));
}
const noisy = ({ luma }: Detail, sigma: number): Detail => {
  const noise = new RandomState(9).standardNormal(luma.length);
  return detail(Float32Array.from(luma, (v, i) => v + sigma * noise[i]!));
};
/** Every 8 x 8 block on its own brightness, as a starved codec leaves it. */
const blocky = ({ luma }: Detail, strength: number): Detail => {
  const offsets = new RandomState(8).standardNormal((width / 8) * (height / 8));
  return detail(Float32Array.from(luma, (v, i) => v + strength * offsets[Math.floor(Math.floor(i / width) / 8) * (width / 8) + Math.floor((i % width) / 8)]!));
};
const small = { freeze: 0, letterbox: 0, overlay: 0 };
const score = (d: Detail): number => scoreQuality([qualityOf(d)], small).score;

describe("degraded copies", () => {
  const originals = [1, 2, 3, 4].map(picture);
  test.each([
    ["softness", (d: Detail, s: number) => blurred(d, s)],
    ["noise", (d: Detail, s: number) => noisy(d, 4 * s)],
    ["blocks", (d: Detail, s: number) => blocky(d, 3 * s)],
    ["exposure", (d: Detail, s: number) => detail(Float32Array.from(d.luma, (v) => 16 + (v - 16) * (1 - 0.25 * s)))],
  ] as const)("%s: the stronger the worse, and named", (name, degrade) => {
    for (const original of originals) {
      const scores = [score(original), ...[1, 2, 3].map((strength) => score(degrade(original, strength)))];
      expect(scores).toEqual(scores.toSorted((a, b) => b - a));
      expect(new Set(scores).size).toBe(4);
      expect(scoreQuality([qualityOf(degrade(original, 3))], small).worst).toBe(name);
    }
  });

  test("what only a film shows counts as well", () => {
    const features = [qualityOf(originals[0]!)];
    const clean = scoreQuality(features, small).score;
    for (const name of ["freeze", "letterbox", "overlay"] as const) expect(scoreQuality(features, { ...small, [name]: 0.3 }).score).toBeLessThan(clean);
  });

  test("a flat grey picture is soft, and nothing is not a number", () => {
    const features = qualityOf(detail(new Float32Array(width * height).fill(128)));
    expect(Object.values(features).every(Number.isFinite)).toBe(true);
    expect(features.blur).toBe(1);
    expect(scoreQuality([], small).score).toBeGreaterThanOrEqual(0);
  });
});

describe("the cut", () => {
  test("takes the worst share of each class, the same whatever the order", () => {
    const clip = fc.record({ side: fc.constantFrom(360, 720, 1080), score: fc.integer({ min: 0, max: 20 }) });
    fc.assert(fc.property(fc.array(clip, { maxLength: 60 }), fc.double({ min: 0, max: 0.5, noNaN: true }), (list, share) => {
      const clips = list.map((one, i) => ({ ...one, id: `c${i}` }));
      const ranks = rankQuality(clips, share);
      expect(rankQuality(clips.toReversed(), share)).toEqual(ranks);
      for (const side of [360, 720, 1080]) {
        const members = clips.filter((one) => one.side === side);
        const cut = members.filter(({ id }) => ranks.get(id)!.cut);
        expect(cut).toHaveLength(Math.floor(share * members.length + 1e-9));
        const best = Math.max(-1, ...cut.map((one) => one.score));
        expect(members.every((one) => ranks.get(one.id)!.cut || one.score >= best)).toBe(true);
      }
    }));
  });

  test("15 % of six clips is none", () => {
    const clips = Array.from({ length: 6 }, (_, i) => ({ id: `${i}`, side: 720, score: i }));
    expect([...rankQuality(clips, 0.15).values()].some(({ cut }) => cut)).toBe(false);
  });
});
