/** Boundaries of footage whose boundaries are known, things that look like boundaries and are none, and what becomes of shots. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { dark, mix, scene, take, type SmallFrame } from "../footage.cases.ts";
import type { Transition } from "./detector.ts";
import { shotMeter } from "./features.ts";
import { clipRanges, defaultSpanRules, shotsOf, strideOf } from "./spans.ts";
import { shotDetector } from "./stream.ts";

function detect(frames: Iterable<SmallFrame>): Transition[] {
  const meter = shotMeter();
  const detector = shotDetector();
  for (const frame of frames) detector.push(meter(frame));
  return detector.finish();
}

const [street, sea, wood] = [scene(1), scene(2), scene(3)];
const drift = (t: number) => ({ x: 200 + t });

describe("boundaries", () => {
  test("hard cuts to the frame, also 8 frames apart and in dark footage", () => {
    expect(detect([...take(street, 40, drift), ...take(sea, 8), ...take(wood, 40)]).map(({ frame, type }) => [frame, type])).toEqual([[40, "hard"], [48, "hard"]]);
    const [night, cellar] = [scene(4), scene(5)].map((world) => world.map((v) => v * 0.25));
    expect(detect([...take(night!, 30), ...take(cellar!, 30)]).map(({ frame }) => frame)).toEqual([30]);
  });

  test.each([10, 24, 40])("a fade of %i frames through black is one transition, with its ramps", (ramp) => {
    const [a, b] = [take(street, 40 + ramp, drift), take(sea, 40 + ramp)];
    const out = a.slice(40).map((frame, i) => dark(1 - (i + 1) / ramp, frame));
    const into = b.slice(0, ramp).map((frame, i) => dark(i / ramp, frame));
    const found = detect([...a.slice(0, 40), ...out, ...into, ...b.slice(ramp)]);
    expect(found).toHaveLength(1);
    expect(found[0]!.type).toBe("fade");
    expect(found[0]!.frame).toBeGreaterThanOrEqual(40 + ramp - 2);
    expect(found[0]!.frame).toBeLessThanOrEqual(40 + ramp + 2 + ramp / 4);
    // Neither side's dark frames are left in a shot.
    expect(Math.abs(found[0]!.firstFrame - 40)).toBeLessThanOrEqual(3);
    expect(Math.abs(found[0]!.lastFrame - (40 + 2 * ramp))).toBeLessThanOrEqual(4);
  });

  test("a cut to black is a cut, and black at either end bounds nothing", () => {
    const black = Array.from({ length: 12 }, () => new Uint8Array(192 * 108 * 3));
    const found = detect([...black, ...take(street, 30), ...black, ...take(sea, 30), ...black]);
    expect(found.map(({ type, frame, firstFrame, lastFrame }) => [type, frame, firstFrame, lastFrame])).toEqual([["hard", 54, 42, 53]]);
  });

  test.each([8, 16, 32, 50])("a dissolve of %i frames", (length) => {
    const [a, b] = [take(street, 40 + length, drift), take(sea, 40 + length)];
    const mixed = a.slice(40).map((frame, i) => mix(frame, b[i]!, (i + 1) / (length + 1)));
    const found = detect([...a.slice(0, 40), ...mixed, ...b.slice(length)]);
    expect(found.map(({ type }) => type)).toEqual(["dissolve"]);
    expect(found[0]!.frame).toBeGreaterThanOrEqual(38);
    expect(found[0]!.frame).toBeLessThan(40 + length / 2);
  });
});

describe("no boundaries", () => {
  const still = take(street, 30);
  test.each([
    ["a flash", [...still, ...take(street, 3).map((f) => f.map((v) => Math.min(255, v + 120))), ...still]],
    ["one damaged frame", [...still, take(wood, 1)[0]!, ...still]],
    ["a whip pan", take(street, 60, (t) => ({ x: 120 + 240 / (1 + Math.exp(-(t - 30) / 2)) }))],
    ["a zoom", take(street, 60, (t) => ({ zoom: 1 + t / 60 }))],
    ["a light that goes on", [...take(street, 30).map((f) => f.map((v) => v * 0.5)), ...still]],
    ["something that flies past", take(sea, 60).map((f, t) => f.map((v, i) => (Math.abs((Math.floor(i / 3) % 192) - (t - 25) * 20) < 22 ? 250 - v / 4 : v)))],
    ["one frame", still.slice(0, 1)],
    ["noise alone", take(street, 60, () => ({}), 25)],
  ])("%s", (_, frames) => {
    expect(detect(frames)).toEqual([]);
  });
});

test("over a long video nothing is lost or found twice at the seams of blocks", () => {
  const scenes = [street, sea, wood].map((world) => take(world, 30));
  const lengths = Array.from({ length: 260 }, (_, k) => 20 + ((k * 7) % 30));
  let at = 0;
  const cuts: number[] = [];
  function* frames(): Generator<SmallFrame> {
    for (const [k, length] of lengths.entries()) {
      if (k > 0) cuts.push(at);
      for (let t = 0; t < length; t++) yield scenes[k % 3]![t % 30]!;
      at += length;
    }
  }
  const found = detect(frames());
  expect(at).toBeGreaterThan(8192);
  expect(found.map(({ frame }) => frame)).toEqual(cuts);
});

describe("shots and clips", () => {
  const cut = (frame: number): Transition => ({ type: "hard", frame, firstFrame: frame, lastFrame: frame - 1, score: 1 });
  const fade: Transition = { type: "fade", frame: 60, firstFrame: 50, lastFrame: 70, score: 1 };

  test("frames of a transition belong to no shot", () => {
    expect(shotsOf([cut(20), fade], 100)).toEqual([{ firstFrame: 0, lastFrame: 19 }, { firstFrame: 20, lastFrame: 49 }, { firstFrame: 71, lastFrame: 99 }]);
    expect(shotsOf([], 10)).toEqual([{ firstFrame: 0, lastFrame: 9 }]);
  });

  test("the reference's rules: maximum, crop, minimum, in this order", () => {
    const rules = { ...defaultSpanRules, maxLengthS: 10 };
    expect(clipRanges([{ firstFrame: 0, lastFrame: 29 }, { firstFrame: 30, lastFrame: 629 }], 24, rules)).toEqual([
      { firstFrame: 42, lastFrame: 257 }, { firstFrame: 282, lastFrame: 497 }, { firstFrame: 522, lastFrame: 617 },
    ]);
    expect(clipRanges([{ firstFrame: 0, lastFrame: 99 }], 24, rules)).toEqual([{ firstFrame: 0, lastFrame: 99 }]);
    expect(clipRanges([{ firstFrame: 0, lastFrame: 599 }], 24, { ...rules, maxLengthMode: "truncate" })).toEqual([{ firstFrame: 0, lastFrame: 239 }]);
    expect(clipRanges([{ firstFrame: 0, lastFrame: 46 }], 24, rules)).toEqual([]);
  });

  test("clips lie in order inside their shots, do not overlap, and have the lengths that were asked", () => {
    fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 12 }), fc.constantFrom(12.5, 24, 29.97, 60), fc.constantFrom("stride" as const, "truncate" as const), (lengths, fps, maxLengthMode) => {
      let at = 0;
      const shots = lengths.map((length) => ({ firstFrame: at, lastFrame: (at += length) - 1 }));
      const clips = clipRanges(shots, fps, { ...defaultSpanRules, maxLengthS: 20, maxLengthMode });
      for (const [k, { firstFrame, lastFrame }] of clips.entries()) {
        const length = lastFrame - firstFrame + 1;
        expect(length).toBeGreaterThanOrEqual(48);
        expect(length).toBeLessThanOrEqual(20 * fps);
        expect(shots.some((shot) => shot.firstFrame <= firstFrame && lastFrame <= shot.lastFrame)).toBe(true);
        if (k > 0) expect(firstFrame).toBeGreaterThan(clips[k - 1]!.lastFrame);
      }
    }));
    expect(strideOf(25, 10, 1)).toEqual([{ firstFrame: 0, lastFrame: 9 }, { firstFrame: 10, lastFrame: 19 }, { firstFrame: 20, lastFrame: 24 }]);
  });
});
