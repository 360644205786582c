/** Resampling against Pillow 9.4's results, by checksum: they must be equal bit for bit. */
import { readFileSync } from "node:fs";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { resample, type Filter } from "./resample.ts";

interface Golden {
  width: number;
  height: number;
  filter: Filter;
  region: [left: number, top: number, right: number, bottom: number] | null;
  crc: number;
}

const goldens = JSON.parse(readFileSync(new URL("./testdata/resample.json", import.meta.url), "utf8")) as Golden[];

function picture(width: number, height: number): { pixels: Uint8Array; width: number; height: number } {
  const pixels = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) pixels.set([(x * 7 + y * 13 + ((x * y) % 31)) % 256, (x * x + 3 * y) % 251, (5 * x + y * y * 2 + 17) % 241], (y * width + x) * 3);
  return { pixels, width, height };
}

describe("resampling", () => {
  test.each(goldens)("$filter to $width x $height of $region is Pillow's", ({ width, height, filter, region, crc }) => {
    const [left, top, right, bottom] = region ?? [0, 0, 97, 83];
    const result = resample(picture(97, 83), width, height, { filter, region: { left, top, width: right - left, height: bottom - top } });
    expect([result.width, result.height, crc32(result.pixels)]).toEqual([width, height, crc]);
  });

  test("an even colour stays what it is, whatever the sizes", () => {
    const side = fc.integer({ min: 1, max: 40 });
    fc.assert(
      fc.property(side, side, side, side, fc.constantFrom<Filter>("bilinear", "bicubic"), fc.integer({ min: 0, max: 255 }), (w, h, width, height, filter, value) => {
        const { pixels } = resample({ pixels: new Uint8Array(w * h * 3).fill(value), width: w, height: h }, width, height, { filter });
        return pixels.length === width * height * 3 && pixels.every((v) => v === value);
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  test("a region outside the picture, and a size that is none, are refused", () => {
    expect(() => resample(picture(8, 8), 4, 4, { region: { left: 5, top: 0, width: 4, height: 4 } })).toThrow(/does not lie inside/);
    expect(() => resample(picture(8, 8), 0, 4)).toThrow(/whole numbers above 0/);
  });
});
