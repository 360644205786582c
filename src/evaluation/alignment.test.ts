import { beforeAll, describe, expect, it } from "vitest";
import { decodeMask, type ColourName } from "../physics/index.ts";
import { frameAt, makeClip, sliceClip, type Clip } from "../video/index.ts";
import { alignClip, checkHallucination, detectObjects, evaluateLab, goOn, labTrials, repeatLast, reportPage, type Trial } from "./index.ts";

let trials: Trial[];
beforeAll(async () => {
  trials = await labTrials(["fall", "collision", "occlusion", "slide", "pusher"], 15);
});

/** A dark picture with one bright square at x. */
const square = (x: number, y = 20): Uint8Array => Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => {
  const [u, v] = [Math.floor(i / 3) % 64, Math.floor(i / 192)];
  return u >= x && u < x + 12 && v >= y && v < y + 12 ? 220 : 30;
});
const film = (...frames: Uint8Array[]): Clip => makeClip(Uint8Array.from(frames.flatMap((frame) => [...frame])), 64, 64, 10);

describe("the laboratory's detector, on clips that nothing was fitted to", () => {
  it("finds what can be seen where it is, and nothing else, without being told what to look for", () => {
    let [wanted, found, extra, overlap] = [0, 0, 0, 0];
    for (const { clip, truth } of trials) {
      for (const t of [0, 8, 16]) {
        const seen = detectObjects(frameAt(clip, t));
        const visible = truth.objects.filter(({ role, track, masks }) => role === "object" && track[t]!.visibility > 0.5 && decodeMask(masks![t]!).reduce((sum, one) => sum + one, 0) >= 12);
        extra += seen.filter(({ colour }) => !truth.objects.some((object) => object.colour === colour)).length;
        for (const object of visible) {
          wanted += 1;
          const mask = decodeMask(object.masks![t]!);
          const best = seen.find(({ colour }) => colour === object.colour);
          if (!best) continue;
          found += 1;
          const common = best.pixels.reduce((sum, pixel) => sum + mask[pixel]!, 0);
          overlap += common / (best.area + mask.reduce((sum, one) => sum + one, 0) - common);
        }
      }
    }
    expect(wanted).toBeGreaterThan(45);
    expect(found / wanted).toBeGreaterThan(0.95);
    expect(overlap / found).toBeGreaterThan(0.75);
    expect(extra / wanted).toBeLessThan(0.1);
  });

  it("knows a red square from a blue one", () => {
    const picture = (colour: readonly [number, number, number]) => ({ width: 32, height: 32, pixels: Uint8Array.from({ length: 32 * 32 * 3 }, (_, i) => (Math.floor(i / 3) % 32 < 10 && Math.floor(i / 96) < 10 ? colour[i % 3]! : 140)) });
    const named = (colour: readonly [number, number, number]): ColourName[] => detectObjects(picture(colour)).map((object) => object.colour);
    expect(named([190, 30, 32])).toEqual(["red"]);
    expect(named([34, 66, 190])).toEqual(["blue"]);
    expect(named([140, 142, 141])).toEqual([]);
  });
});

describe("alignment", () => {
  it("of the truth with itself is as good as the detector is, and better than repeating the last frame", async () => {
    const report = await evaluateLab(trials, [
      { name: "repeat", continue: (given, trial) => repeatLast(given, trial.clip.frameCount) },
      { name: "truth", continue: (_, trial) => trial.clip },
      { name: "none", continue: async () => undefined },
    ], { given: 4 });
    const [repeat, truth] = report.contestants;
    expect(report.contestants.map(({ name }) => name)).toEqual(["repeat", "truth"]);
    expect(truth!.overall.iou).toBeGreaterThan(0.75);
    expect(truth!.overall.presence).toBeGreaterThan(0.95);
    expect(truth!.overall.position).toBeLessThan(0.02);
    expect(truth!.overall.permanence).toBe(1);
    expect(truth!.overall.hallucination).toBe(1);
    expect(repeat!.overall.iou).toBeLessThan(truth!.overall.iou! - 0.2);
    expect(repeat!.overall.position).toBeGreaterThan(0.05);
    expect(repeat!.curves).toHaveLength(13);
    const page = reportPage(report, false);
    expect(page).toContain("<polyline");
    expect(page).toContain(trials[0]!.truth.captionShort.slice(0, 12));
  });

  it("sees an object that is gone, and one that is elsewhere", () => {
    const { clip, truth } = trials.find(({ truth: { scenario } }) => scenario === "slide")!;
    const empty = makeClip(clip.frames.map((byte, i) => (i < 4 * 64 * 64 * 3 ? byte : 140)), 64, 64, 10);
    expect(alignClip(empty, clip, truth, 4)).toMatchObject({ presence: 0, iou: 0 });
    const shifted = makeClip(Uint8Array.from(clip.frames, (_, i) => clip.frames[Math.floor(i / 192) * 192 + ((i % 192) + 180) % 192]!), 64, 64, 10);
    const moved = alignClip(shifted, clip, truth, 4);
    expect(moved.position).toBeGreaterThan(0.04);
    expect(moved.position).toBeLessThan(0.09);
  });

  it("refuses another size, and more given frames than there are", async () => {
    const { clip, truth } = trials[0]!;
    expect(() => alignClip(makeClip(new Uint8Array(32 * 32 * 3 * 17), 32, 32, 10), clip, truth, 4)).toThrow(/was expected/);
    await expect(evaluateLab(trials, [], { given: 17 })).rejects.toMatchObject({ code: "bad_argument" });
  });
});

describe("baselines", () => {
  it("repeat the last given frame", () => {
    const clip = repeatLast(film(square(4), square(8)), 4);
    expect(frameAt(clip, 3).pixels).toEqual(square(8));
  });

  it("or let everything go on as it moved", () => {
    const clip = goOn(film(square(4), square(8)), 4);
    const bright = [...frameAt(clip, 3).pixels.keys()].filter((i) => i % 3 === 0 && frameAt(clip, 3).pixels[i]! > 200).map((i) => Math.floor(i / 3) % 64);
    expect(Math.max(...bright)).toBeGreaterThanOrEqual(8 + 2 * 4 + 8);
    expect(sliceClip(goOn(film(square(4)), 3), 2, 2).frames).toEqual(square(4));
  });
});

describe("the hallucination check", () => {
  it("scores 1 for the original itself and for stillness, and fails what moves elsewhere", () => {
    const original = film(square(4), square(12), square(20));
    expect(checkHallucination(original, original)).toMatchObject({ score: 1, passes: true });
    expect(checkHallucination(original, film(square(4), square(4), square(4)))).toMatchObject({ score: 1, passes: true });
    const elsewhere = checkHallucination(film(square(4), square(4), square(4)), original);
    expect(elsewhere).toMatchObject({ score: 0, passes: false });
    // Within seven pixels of what truly moves nothing is held against it.
    expect(checkHallucination(original, film(square(4, 24), square(12, 24), square(20, 24))).score).toBe(1);
    expect(checkHallucination(original, film(square(4, 44), square(12, 44), square(20, 44))).score).toBeLessThan(0.2);
  });
});
