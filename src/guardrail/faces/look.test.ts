/** Which frames the detector is shown: few where nothing happens, all around what comes, goes or jumps. */
import { describe, expect, test } from "vitest";
import type { Picture } from "../../video/index.ts";
import { areaOf, sharedArea, type Box, type FaceBox } from "./face.ts";
import { widen } from "./hide.ts";
import { frameLooker, type KnownFrame } from "./look.ts";
import { trackFaces, type SeenFrame } from "./tracks.ts";

const options = { every: 4, threshold: 0.5, keep: 0.25 };
const at = (x: number, size = 40): FaceBox => ({ score: 0.9, box: [x, 50, x + size, 50 + size] });
/** A grey picture whose first pixel is its number, so that a detector can tell which one it is shown. */
const picture = (index: number, grey = 100): Picture => ({ pixels: new Uint8Array(32 * 32 * 3).fill(grey).fill(index, 0, 1), width: 32, height: 32 });

async function watch(truth: readonly (readonly FaceBox[])[], { every = 4, grey = () => 100, known = () => ({}) }: { every?: number; grey?: (i: number) => number; known?: (i: number) => KnownFrame } = {}): Promise<{ seen: SeenFrame[]; looked: number[] }> {
  const looked: number[] = [];
  const looker = frameLooker({ detect: ({ pixels }) => Promise.resolve([...truth[looked[looked.push(pixels[0]!) - 1]!]!]) }, { ...options, every });
  const seen: SeenFrame[] = [];
  const shown = picture(0);
  for (let i = 0; i < truth.length; i++) {
    // One buffer for all frames, as a reader of videos may have.
    shown.pixels.set(picture(i, grey(i)).pixels);
    seen.push(...(await looker.next(shown, known(i))));
  }
  seen.push(...(await looker.end()));
  return { seen, looked: looked.toSorted((a, b) => a - b) };
}

describe("frames that are looked at", () => {
  test("one of every n, the first and the last, where a face stands still or there is none", async () => {
    for (const faces of [[], [at(10)]]) {
      const { seen, looked } = await watch(Array.from({ length: 15 }, () => faces));
      expect(looked).toEqual([0, 4, 8, 12, 14]);
      expect(seen.map((frame) => frame.looked)).toEqual(Array.from({ length: 15 }, (_, i) => [0, 4, 8, 12, 14].includes(i)));
    }
  });

  test("all, with every: 1", async () => {
    expect((await watch(Array.from({ length: 6 }, () => [at(10)]), { every: 1 })).looked).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test("the frame in which a face comes or goes is found", async () => {
    for (let from = 0; from < 12; from++)
      for (let to = from + 4; to < 14; to++) {
        const { seen } = await watch(Array.from({ length: 15 }, (_, i) => (i >= from && i <= to ? [at(10 + i)] : [])));
        expect(seen[from]!.faces, `from ${from} to ${to}`).toHaveLength(1);
        expect(seen[to]!.faces, `from ${from} to ${to}`).toHaveLength(1);
      }
  });

  test("two faces where one was are noticed", async () => {
    const { seen } = await watch(Array.from({ length: 9 }, (_, i) => (i < 6 ? [at(10)] : [at(8), at(14)])));
    expect(seen[6]).toMatchObject({ looked: true, faces: [at(8), at(14)] });
  });

  test("both sides of a cut, whatever is on them", async () => {
    const { seen, looked } = await watch(Array.from({ length: 12 }, (_, i) => (i < 6 ? [at(10)] : [at(12)])), { grey: (i) => (i < 6 ? 40 : 200) });
    expect(seen.map(({ cut }) => cut).indexOf(true)).toBe(6);
    expect(looked).toEqual([0, 4, 5, 6, 10, 11]);
  });

  test("what is known is not asked again, and the same frame is not looked at twice", async () => {
    const truth = Array.from({ length: 9 }, () => [at(10)]);
    expect((await watch(truth, { known: (i) => (i < 6 ? { faces: [at(10)] } : {}) })).looked).toEqual([8]);
    expect((await watch(truth, { known: () => ({ sum: 7 }) })).looked).toEqual([0]);
  });

  test("a face that moves as it likes is covered in every frame, seen or not", async () => {
    for (const speed of [0, 1, 3, 7, 15, 30]) {
      const truth = Array.from({ length: 60 }, (_, i): Box => at(200 + (speed === 0 ? 0 : speed * 8 * Math.sin(i / 8))).box);
      const { seen } = await watch(truth.map((box) => [{ score: 0.9, box }]));
      const { boxes } = trackFaces(seen, { threshold: 0.5, keep: 0.25, gap: 12, hold: 5 });
      truth.forEach((box, i) => expect(Math.max(...boxes[i]!.map((b) => sharedArea(widen(b.box, 0.1), box) / areaOf(box))), `speed ${speed}, frame ${i}`).toBeGreaterThan(0.97));
    }
  });
});
