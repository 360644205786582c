/** Tracks: that no frame between two sightings goes free, whatever the detector drops. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sharedArea, areaOf, type Box, type FaceBox } from "./face.ts";
import { trackFaces, type SeenFrame, type TrackOptions } from "./tracks.ts";

const options: TrackOptions = { threshold: 0.5, keep: 0.25, gap: 12, hold: 5 };
const at = (x: number, y: number, size = 40): Box => [x, y, x + size, y + size * 1.2];
const face = (box: Box, score = 0.9): FaceBox => ({ box, score });
const frames = (list: (FaceBox[] | "cut")[]): SeenFrame[] => list.map((faces) => (faces === "cut" ? { faces: [], cut: true, looked: true } : { faces, cut: false, looked: true }));
/** How much of a face the boxes of a frame cover. */
const covered = (truth: Box, boxes: readonly { box: Box }[]): number => Math.max(0, ...boxes.map(({ box }) => sharedArea(truth, box) / areaOf(truth)));

describe("tracks", () => {
  test("with every third detection dropped no frame is free", () => {
    // Faster than the face is wide from sighting to sighting would be another matter; this one crosses the picture in 4 s.
    const truth = Array.from({ length: 100 }, (_, i) => at(20 + 9 * i, 100 + 30 * Math.sin(i / 8)));
    const seen = frames(truth.map((box, i) => (i % 3 === 2 ? [] : [face(box)])));
    const { boxes, tracks } = trackFaces(seen, options);
    expect(tracks).toBe(1);
    truth.forEach((box, i) => expect(covered(box, boxes[i]!), `frame ${i}`).toBeGreaterThan(0.9));
    expect(boxes.flat().filter(({ origin }) => origin === "filled")).toHaveLength(33);
  });

  test("two faces that pass each other keep their tracks, and both stay hidden", () => {
    const [a, b] = [0, 1].map((k) => Array.from({ length: 60 }, (_, i) => (k ? at(400 - 6 * i, 140) : at(40 + 6 * i, 100)))) as [Box[], Box[]];
    const { boxes } = trackFaces(frames(a.map((box, i) => (i % 3 === 0 ? [face(b[i]!)] : i % 3 === 1 ? [face(box)] : [face(box), face(b[i]!)]))), options);
    for (let i = 0; i < 60; i++) for (const box of [a[i]!, b[i]!]) expect(covered(box, boxes[i]!), `frame ${i}`).toBeGreaterThan(0.8);
  });

  test("whatever is dropped, up to the longest gap: every frame between first and last sighting is covered", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: options.gap }), { minLength: 2, maxLength: 12 }), fc.integer({ min: -5, max: 5 }), fc.integer({ min: -3, max: 3 }), (gaps, vx, vy) => {
        const sightings = gaps.reduce<number[]>((list, gap) => [...list, list.at(-1)! + gap], [4]);
        const truth = Array.from({ length: sightings.at(-1)! + 5 }, (_, i) => at(500 + vx * i, 300 + vy * i));
        const { boxes } = trackFaces(frames(truth.map((box, i) => (sightings.includes(i) ? [face(box)] : []))), options);
        return truth.every((box, i) => i < sightings[0]! || i > sightings.at(-1)! || covered(box, boxes[i]!) > 0.95);
      }),
      { seed: 2, numRuns: 300 },
    );
  });

  test("a doubtful detection continues a track and begins none", () => {
    const { boxes } = trackFaces(frames([[face(at(0, 0), 0.3)], [face(at(10, 10))], [face(at(12, 10), 0.3)], [face(at(14, 10), 0.2)]]), { ...options, hold: 0 });
    expect(boxes.map((b) => b.map(({ origin }) => origin))).toEqual([[], ["seen"], ["seen"], []]);
  });

  test("a face is held before it is first and after it is last seen, still or moving on", () => {
    const { boxes } = trackFaces(frames(Array.from({ length: 20 }, (_, i) => (i >= 8 && i < 12 ? [face(at(100 + 10 * i, 50))] : []))), options);
    expect(boxes.map((b) => b[0]?.origin ?? "-").join(" ")).toBe("- - - held held held held held seen seen seen seen held held held held held - - -");
    for (const i of [4, 5, 6, 7, 12, 13, 14, 15]) expect(covered(at(100 + 10 * i, 50), boxes[i]!)).toBeGreaterThan(0.95);
    expect(covered(at(180, 50), boxes[5]!)).toBeGreaterThan(0.95);
  });

  test("at a cut every track ends: nothing is filled or held across it", () => {
    const seen = frames([[face(at(10, 10))], [face(at(10, 10))], "cut", [], [face(at(12, 10))]]);
    const { boxes, tracks } = trackFaces(seen, options);
    expect(tracks).toBe(2);
    expect(boxes.map((b) => b.map(({ track, origin }) => `${track} ${origin}`))).toEqual([["0 seen"], ["0 seen"], ["1 held"], ["1 held"], ["1 seen"]]);
  });

  test("a gap that is too long is not filled", () => {
    const { boxes, tracks } = trackFaces(frames(Array.from({ length: 30 }, (_, i) => (i === 0 || i === 20 ? [face(at(10, 10))] : []))), { ...options, hold: 2 });
    expect(tracks).toBe(2);
    expect(boxes.flatMap((b, i) => (b.length > 0 ? [i] : []))).toEqual([0, 1, 2, 18, 19, 20, 21, 22]);
  });
});
