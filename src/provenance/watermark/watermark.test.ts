import { rmSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { frameAt, makeDemoClip, readClip, renderDemoClip, writeClip, type Clip, type Picture } from "../../video/index.ts";
import { ffmpeg } from "../../video/test-clips.cases.ts";
import { strengths, strengthNames } from "./embed.ts";
import { fourier, newGrid } from "./fft.ts";
import { chipSize, layoutOf, renderPattern, syncChips, tileOf } from "./pattern.ts";
import { boxMean } from "./residual.ts";
import { carriesWatermark, detectWatermark, detectWatermarkInFile, embedWatermark, markClip, newWatermarkId, payloadOf } from "./watermark.ts";
import { upperTail } from "./detect.ts";

const folder = mkdtempSync(join(tmpdir(), "orrery-watermark-"));
const at = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const key = Buffer.alloc(32, 7);
const otherKey = Buffer.alloc(32, 8);
const id = "0123456789abcdef";

function* framesOf(clip: Clip): Generator<Picture> {
  for (let i = 0; i < clip.frameCount; i++) yield frameAt(clip, i);
}

function psnr(a: Uint8Array, b: Uint8Array): number {
  let squares = 0;
  for (let i = 0; i < a.length; i++) squares += (a[i]! - b[i]!) ** 2;
  return 10 * Math.log10(255 ** 2 / (squares / a.length));
}

const clip = renderDemoClip({ width: 384, height: 216, frames: 24, fps: 24, seed: 4 });
const marked = markClip(clip, { key, id });

describe("marking", () => {
  test.each(strengthNames)("%s keeps its PSNR in every frame, and leaves the given frames alone", (strength) => {
    const before = clip.frames.slice(0, 1000);
    const result = markClip({ ...clip, frames: clip.frames.subarray(0, 3 * clip.width * clip.height * 3), frameCount: 3 }, { key, id, strength });
    for (let i = 0; i < 3; i++) expect(psnr(frameAt(clip, i).pixels, frameAt(result, i).pixels)).toBeGreaterThan(strengths[strength].psnrDb - 0.2);
    expect(clip.frames.subarray(0, 1000)).toEqual(before);
  });

  test("changes brightness and not colour, by the same for the same key and id only", async () => {
    const grey = { pixels: new Uint8Array(64 * 64 * 3).fill(128), width: 64, height: 64 };
    const one = async (options: { key: Uint8Array; id: string }): Promise<Uint8Array> => {
      for await (const frame of embedWatermark([{ ...grey, pixels: grey.pixels.slice() }], options)) return frame.pixels;
      throw new Error("no frame");
    };
    const first = await one({ key, id });
    for (let i = 0; i < first.length; i += 3) expect([first[i + 1], first[i + 2]]).toEqual([first[i], first[i]]);
    expect(await one({ key, id })).toEqual(first);
    expect(await one({ key, id: "0123456789abcdee" })).not.toEqual(first);
    expect(await one({ key: otherKey, id })).not.toEqual(first);
  });

  test("refuses what cannot be carried", async () => {
    expect(() => payloadOf("12")).toThrow(/16 hexadecimal digits/);
    expect(() => markClip(clip, { key, id, strength: "loud" as never })).toThrow(/expected one of crf-23, crf-28, crf-33/);
    const two = embedWatermark([frameAt(clip, 0), { pixels: new Uint8Array(12), width: 2, height: 2 }], { key, id });
    await two.next();
    await expect(two.next()).rejects.toThrow(/a frame of 12 bytes/);
    expect(newWatermarkId()).toMatch(/^[0-9a-f]{16}$/);
    expect([carriesWatermark(1280, 720), carriesWatermark(640, 360), carriesWatermark(64, 64)]).toEqual(["well", "weakly", "hardly"]);
  });
});

describe("reading", () => {
  beforeAll(async () => writeClip(at("marked.mp4"), marked, { crf: 18 }));

  test("gives the number back, and nothing with another key or without a mark", async () => {
    expect(await detectWatermark(framesOf(marked), key)).toMatchObject({ found: "payload", id, geometry: { chipX: 4, chipY: 4, mirrored: false } });
    expect(await detectWatermark(framesOf(marked), otherKey)).toMatchObject({ found: "nothing" });
    expect(await detectWatermark(framesOf(clip), key)).toMatchObject({ found: "nothing" });
  });

  test.each([
    ["H.264 at CRF 28", ["-c:v", "libx264", "-crf", "28"]],
    ["VP9", ["-c:v", "libvpx-vp9", "-crf", "32", "-b:v", "0", "-cpu-used", "8", "-deadline", "realtime"]],
    ["one and a half times the size", ["-vf", "scale=576:324", "-crf", "20"]],
    ["a corner of 84 % x 84 %", ["-vf", "crop=322:180:40:20", "-crf", "18"]],
    ["a mirror", ["-vf", "hflip", "-crf", "18"]],
    ["another frame rate", ["-r", "15", "-crf", "18"]],
    ["brightness and contrast", ["-vf", "eq=brightness=0.06:contrast=1.2", "-crf", "18"]],
  ])("through %s", async (name, words) => {
    const path = at(name === "VP9" ? "changed.webm" : "changed.mp4");
    ffmpeg("-i", at("marked.mp4"), "-threads", "2", ...words, path);
    const report = await detectWatermarkInFile(path, key);
    expect([report.found, report.id]).toEqual(["payload", id]);
    expect(report.geometry.mirrored).toBe(name === "a mirror");
    expect(report.falseAlarm).toBeLessThan(2e-5);
  });

  test("from one still frame of a large picture", async () => {
    const still = renderDemoClip({ width: 640, height: 360, frames: 1 });
    expect(await detectWatermark(framesOf(markClip(still, { key, id })), key)).toMatchObject({ found: "payload", id });
  });

  test("needs a frame", async () => {
    await expect(detectWatermark([], key)).rejects.toThrow(/no frame/);
    await makeDemoClip(at("plain.mp4"), { width: 64, height: 64, frames: 5 });
    expect((await detectWatermarkInFile(at("plain.mp4"), key)).found).toBe("nothing");
    expect((await readClip(at("plain.mp4"))).frameCount).toBe(5);
  });
});

describe("the parts", () => {
  test("a layout is a permutation that follows from the key", () => {
    const layout = layoutOf(key);
    expect([...layout.syncAt, ...layout.dataAt].toSorted((a, b) => a - b)).toEqual(Array.from({ length: 729 }, (_, i) => i));
    expect(layout.syncAt).toHaveLength(syncChips);
    expect(layoutOf(otherKey).syncAt).not.toEqual(layout.syncAt);
    expect(new Set(tileOf(layout, 5n))).toEqual(new Set([-1, 1]));
  });

  test("the pattern repeats after 27 chips", () => {
    const pattern = renderPattern(tileOf(layoutOf(key), 5n), 250, 120, 4);
    for (let y = 0; y < 12; y++) for (let x = 0; x < 100; x++) expect(pattern[(y + 108) * 250 + x + 108]).toBeCloseTo(pattern[y * 250 + x]!, 5);
    expect([chipSize(1280, 720), chipSize(720, 1280), chipSize(64, 64), chipSize(3840, 2160), chipSize(640, 360), chipSize(854, 480)]).toEqual([8, 8, 4, 24, 6, 8]);
  });

  test("the transform has its inverse, and Parseval's sum", () => {
    const grid = newGrid(16);
    for (let i = 0; i < 256; i++) grid.re[i] = Math.sin(i * i);
    const before = grid.re.slice();
    const transform = fourier(16);
    transform.forward(grid);
    const power = grid.re.reduce((sum, re, i) => sum + re * re + grid.im[i]! ** 2, 0);
    expect(power / 256).toBeCloseTo(before.reduce((sum, one) => sum + one * one, 0), 8);
    transform.inverse(grid);
    for (let i = 0; i < 256; i++) expect(grid.re[i]).toBeCloseTo(before[i]!, 10);
  });

  test("a local mean is what it says, at the borders as well", () => {
    const [width, height] = [9, 5];
    const from = Float32Array.from({ length: width * height }, (_, i) => (i * 7) % 11);
    const to = new Float32Array(width * height);
    boxMean(from, to, new Float32Array(width * height), width, height, 2);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const near: number[] = [];
        for (let v = Math.max(0, y - 2); v <= Math.min(height - 1, y + 2); v++) for (let u = Math.max(0, x - 2); u <= Math.min(width - 1, x + 2); u++) near.push(from[v * width + u]!);
        expect(to[y * width + x]).toBeCloseTo(near.reduce((a, b) => a + b) / near.length, 4);
      }
    }
  });

  test("the tail of the normal distribution is bounded from above", () => {
    for (const [z, exact] of [[2, 0.02275], [4, 3.167e-5], [6, 9.866e-10]] as const) {
      expect(upperTail(z)).toBeGreaterThan(exact);
      expect(upperTail(z)).toBeLessThan(exact * 1.3);
    }
  });
});
