import { symlinkSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { contactSheet, encodePng, makeClip, readImage, sideBySide, writePng, type Picture } from "./index.ts";
import { ffmpeg, makeScratch, source, type Scratch } from "./test-clips.cases.ts";

let scratch: Scratch;
beforeAll(() => {
  scratch = makeScratch();
});
afterAll(() => scratch.remove());

const flat = (value: number, width: number, height: number, frames: number) =>
  makeClip(Uint8Array.from({ length: width * height * 3 * frames }, (_, i) => value + Math.floor(i / (width * height * 3))), width, height, 10);
const pixel = (picture: Picture, x: number, y: number) => Array.from(picture.pixels.subarray((y * picture.width + x) * 3, (y * picture.width + x) * 3 + 3));
const has = (picture: Picture, value: number) => picture.pixels.some((byte, i) => byte === value && picture.pixels[i + 1] === value && picture.pixels[i + 2] === value);

describe("pictures", () => {
  it("go through PNG without loss, at any size", async () => {
    const picture = { width: 7, height: 5, pixels: Uint8Array.from({ length: 105 }, (_, i) => (i * 89) % 256) };
    await writePng(scratch.path("100%d.png"), picture);
    expect(await readImage(scratch.path("100%d.png"))).toEqual(picture);
    expect(scratch.names()).toEqual(["100%d.png"]);
    expect(() => encodePng({ ...picture, width: 8 })).toThrow(/8 x 5/);
  });

  it("are read from JPEG, scaled and fitted", async () => {
    ffmpeg(...source("testsrc2=s=60x40:d=1"), "-frames:v", "1", scratch.path("a.jpg"));
    expect(await readImage(scratch.path("a.jpg"))).toMatchObject({ width: 60, height: 40 });
    expect(await readImage(scratch.path("a.jpg"), { width: 30 })).toMatchObject({ width: 30, height: 20 });
    for (const fit of ["cover", "contain", "stretch"] as const) expect((await readImage(scratch.path("a.jpg"), { width: 21, height: 33, fit })).pixels).toHaveLength(21 * 33 * 3);
  });

  it("that are none are refused", async () => {
    writeFileSync(scratch.path("text.png"), "no picture");
    await expect(readImage(scratch.path("text.png"))).rejects.toMatchObject({ code: "bad_video" });
    await expect(readImage(scratch.path("gone.png"))).rejects.toMatchObject({ code: "file_not_found" });
    symlinkSync("/dev/null", scratch.path("nothing.png"));
    await expect(readImage(scratch.path("nothing.png"))).rejects.toMatchObject({ code: "bad_video", message: expect.stringMatching(/empty/) });
  });
});

describe("contactSheet", () => {
  it("shows first and last frame of every clip, and labels", () => {
    const sheet = contactSheet([{ label: "one", clip: flat(40, 32, 16, 9) }, { label: "two", clip: flat(80, 16, 16, 3) }], { columns: 4, zoom: 2 });
    expect(sheet.width).toBe(4 + 4 * (64 + 4));
    for (const value of [40, 48, 80, 81, 82]) expect(has(sheet, value), `frame of grey ${value}`).toBe(true);
    expect(has(sheet, 83)).toBe(false);
    const inked = sheet.pixels.filter((byte, i) => i % 3 === 0 && byte === 236).length;
    expect(inked).toBeGreaterThan(40);
    const other = contactSheet([{ label: "two", clip: flat(40, 32, 16, 9) }, { label: "two", clip: flat(80, 16, 16, 3) }], { columns: 4, zoom: 2 });
    expect(other.pixels).not.toEqual(sheet.pixels);
  });

  it("puts pixels where they belong", () => {
    const sheet = contactSheet([{ label: "", clip: flat(77, 8, 8, 1) }], { zoom: 1 });
    const top = 4 + 8 + 4;
    expect(pixel(sheet, 4, top)).toEqual([77, 77, 77]);
    expect(pixel(sheet, 11, top + 7)).toEqual([77, 77, 77]);
    expect(pixel(sheet, 12, top)).toEqual([20, 22, 26]);
    expect(() => contactSheet([])).toThrow(/at least one/);
  });
});

describe("sideBySide", () => {
  it("holds the last frame of the shorter clip, in even sizes", () => {
    const clip = sideBySide([flat(10, 15, 9, 2), flat(100, 21, 12, 5)], ["a", "b"]);
    expect([clip.width % 2, clip.height % 2, clip.frameCount, clip.fps]).toEqual([0, 0, 5, 10]);
    const last = { pixels: clip.frames.subarray(-clip.width * clip.height * 3), width: clip.width, height: clip.height };
    expect(pixel(last, 5, 20)).toEqual([11, 11, 11]);
    expect(pixel(last, 25, 20)).toEqual([104, 104, 104]);
    expect(() => sideBySide([flat(1, 8, 8, 1), { ...flat(1, 8, 8, 1), fps: 20 }], ["a", "b"])).toThrow(/10, 20/);
    expect(() => sideBySide([flat(1, 8, 8, 1)], [])).toThrow(/labels/);
  });
});
