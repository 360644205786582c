/** Hiding: the mosaic against OpenCV 4.6's, by checksum, and what every method must do to a face. */
import { readFileSync } from "node:fs";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Box } from "./face.ts";
import { hideBox, hidingMethods, isLargeEnough, widen } from "./hide.ts";

const goldens = JSON.parse(readFileSync(new URL("./testdata/mosaic.json", import.meta.url), "utf8")) as { box: Box; crc: number }[];

function picture(width: number, height: number): { pixels: Uint8Array; width: number; height: number } {
  const pixels = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) pixels.set([(x * 7 + y * 13 + ((x * y) % 31)) % 256, (x * x + 3 * y) % 251, (5 * x + y * y * 2 + 17) % 241], (y * width + x) * 3);
  return { pixels, width, height };
}

/** Colours in a part of a picture. */
function colours({ pixels, width }: { pixels: Uint8Array; width: number }, [left, top, right, bottom]: Box): Set<string> {
  const out = new Set<string>();
  for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) out.add(pixels.subarray((y * width + x) * 3, (y * width + x) * 3 + 3).join());
  return out;
}

describe("hiding", () => {
  test.each(goldens)("the mosaic of $box is OpenCV's", ({ box, crc }) => {
    const p = picture(97, 83);
    hideBox(p, box, "pixelate");
    expect(crc32(p.pixels)).toBe(crc);
  });

  test("five by five blocks, however large", () => {
    const p = picture(97, 83);
    hideBox(p, [10, 12, 60, 72], "pixelate");
    expect(colours(p, [10, 12, 60, 72]).size).toBeLessThanOrEqual(25);
  });

  test("solid leaves one colour, blur leaves little of the contrast", () => {
    const [solid, blurred] = [picture(97, 83), picture(97, 83)];
    hideBox(solid, [10, 12, 60, 72], "solid");
    expect(colours(solid, [10, 12, 60, 72]).size).toBe(1);
    hideBox(blurred, [10, 12, 60, 72], "blur");
    const spread = (p: typeof solid): number => {
      const values: number[] = [];
      for (let y = 20; y < 64; y++) for (let x = 18; x < 52; x++) values.push(p.pixels[(y * 97 + x) * 3]!);
      const mean = values.reduce((a, b) => a + b) / values.length;
      return Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length);
    };
    expect(spread(blurred)).toBeLessThan(0.1 * spread(picture(97, 83)));
  });

  test("nothing outside the box changes, and boxes beyond the picture do no harm", () => {
    const edge = fc.integer({ min: -60, max: 150 });
    fc.assert(
      fc.property(edge, edge, edge, edge, fc.constantFrom(...hidingMethods), (left, top, right, bottom, method) => {
        const [before, after] = [picture(97, 83), picture(97, 83)];
        hideBox(after, [left, top, right, bottom], method);
        for (let y = 0; y < 83; y++)
          for (let x = 0; x < 97; x++) {
            if (x >= left && x < right && y >= top && y < bottom) continue;
            for (let c = 0; c < 3; c++) if (after.pixels[(y * 97 + x) * 3 + c] !== before.pixels[(y * 97 + x) * 3 + c]) return false;
          }
        return true;
      }),
      { seed: 1, numRuns: 60 },
    );
  });

  test("exactly 20 x 20 is hidden, 19 x 40 is not, as published", () => {
    expect(isLargeEnough([5, 5, 25, 25], 20)).toBe(true);
    expect(isLargeEnough([5, 5, 24, 45], 20)).toBe(false);
    expect(widen([10, 10, 30, 50], 0.1)).toEqual([8, 6, 32, 54]);
  });
});
