/** The parts of the demo: what footage it takes, how it reckons its progress, what it compares, and what its page is made of. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ProgressEvent } from "../../progress.ts";
import { makeClip, type Clip } from "../../video/index.ts";
import { ffmpeg, source, turnClockwise } from "../../video/test-clips.cases.ts";
import { lineChart, smoothed, ticks } from "./chart.ts";
import { compare, latentsPicture, sideBySideOf, standstill } from "./compare.ts";
import { chooseFootage, filmThrows } from "./footage.ts";
import { escapeHtml } from "../../html.ts";
import { figure } from "./html.ts";
import { overallProgress } from "./overall.ts";
import { sizeFor, standardRecipe as recipe } from "./recipe.ts";

const folder = mkdtempSync(join(tmpdir(), "orrery-demo-"));
const at = (name: string): string => join(folder, name);
const quiet = (): void => {};
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("footage", () => {
  beforeAll(() => {
    ffmpeg(...source("testsrc2=s=64x48:r=24:d=4"), at("plain.mp4"));
    ffmpeg(...source("testsrc2=s=48x96:r=30:d=4"), "-pix_fmt", "yuv420p10le", "-c:v", "ffv1", at("deep.mkv"));
    turnClockwise(at("plain.mp4"), at("turned.mp4"));
    ffmpeg(...source("testsrc2=s=64x48:r=30:d=1.5"), at("short.mp4"));
    ffmpeg(...source("testsrc2=s=64x48:r=30:d=0.4"), at("moment.mp4"));
    writeFileSync(at("text.mp4"), "not a video");
  });

  test("takes any size, rate, rotation and depth, and says what it does to each", async () => {
    const plain = await chooseFootage([at("plain.mp4"), at("turned.mp4"), at("deep.mkv"), at("text.mp4")], recipe, false, quiet);
    expect(plain).toMatchObject({ width: 64, height: 48, fps: 12, heldS: recipe.shown / 12 });
    expect(plain.clips.map(({ notes }) => notes.join("; "))).toEqual(["", expect.stringMatching(/turned upright by 90.*cropped/), expect.stringMatching(/10 bits.*cropped/)]);
    expect(plain.rejected).toMatchObject([{ reason: expect.stringMatching(/text\.mp4/) as string }]);
    expect(await chooseFootage([at("turned.mp4")], recipe, false, quiet)).toMatchObject({ width: 48, height: 64 });
  });

  test("goes faster for a short clip, leaves out what is too short, and says so when nothing is left", async () => {
    expect((await chooseFootage([at("short.mp4")], recipe, false, quiet)).fps).toBe(24);
    const mixed = await chooseFootage([at("plain.mp4"), at("short.mp4")], recipe, false, quiet);
    expect([mixed.clips.map(({ name }) => name), mixed.rejected[0]?.reason]).toEqual([["plain.mp4"], expect.stringMatching(/lasts 1\.50 s, 45 frames; the demo needs 34 frames at 12 a second/)]);
    await expect(chooseFootage([at("moment.mp4")], recipe, false, quiet)).rejects.toMatchObject({ code: "bad_video", message: expect.stringMatching(/none of the 1 clip.*12 frames; the demo needs 34 frames: 17 to hold back/) as string });
    await expect(chooseFootage([at("nothing.mp4")], recipe, false, quiet)).rejects.toMatchObject({ code: "file_not_found" });
  });

  test("films what is not there yet", async () => {
    const film = { throws: 2, width: 32, height: 32, fps: 8, seconds: 1 };
    const paths = await filmThrows(at("film"), quiet, undefined, film);
    expect(readdirSync(at("film"))).toEqual(["throw-01.mp4", "throw-02.mp4"]);
    writeFileSync(paths[0]!, "kept");
    rmSync(paths[1]!);
    await filmThrows(at("film"), quiet, undefined, film);
    expect(readdirSync(at("film"))).toHaveLength(2);
    await expect(filmThrows(at("film2"), quiet, AbortSignal.abort(), film)).rejects.toMatchObject({ code: "cancelled" });
  });

  test("sizes keep the footage's shape and about its area", () => {
    fc.assert(
      fc.property(fc.integer({ min: 16, max: 8000 }), fc.integer({ min: 16, max: 8000 }), (width, height) => {
        const size = sizeFor(recipe, { width, height });
        expect([size.width % recipe.sideMultiple, size.height % recipe.sideMultiple]).toEqual([0, 0]);
        expect(size.width * size.height).toBeGreaterThan(recipe.area / 2);
        expect(size.width * size.height).toBeLessThan(recipe.area * 2);
      }),
    );
  });
});

describe("progress of the whole", () => {
  test("stages are numbered, shares add up, and what was there already does not make the rest seem quick", async () => {
    const events: ProgressEvent[] = [];
    let now = 0;
    const overall = overallProgress([["one", 10], ["two", 30]], (event) => void events.push(event), () => now);
    await overall.stage("one", async (report) => {
      report({ stage: "preparing", done: 0 });
      now = 5000;
      report({ stage: "working", done: 5, total: 10, unit: "steps", note: "loss 1" });
      now = 10_000;
    });
    await overall.stage("two", async (report) => report({ stage: "more", done: 1, total: 2, unit: "steps" }));
    expect(events.map(({ stage }) => stage)).toEqual(["1/2 preparing", "1/2 working", "2/2 more"]);
    expect(events.map(({ note }) => note)).toEqual(["demo 0%", "loss 1  demo 12%, about 0:35 left", "demo 62%, about 0:06 left"]);
    expect(overall.seconds).toEqual({ one: 10, two: 0 });
  });
});

describe("comparison", () => {
  /** Grey frames of 8 x 8. */
  const greys = (...values: number[]): Clip => makeClip(Uint8Array.from(values.flatMap((v) => new Array<number>(192).fill(v))), 8, 8, 12);

  test("counts predicted frames only, beside a standstill and the tokenizer's limit", () => {
    const truth = greys(10, 20, 30, 40);
    const result = compare(truth, greys(0, 0, 30, 50), greys(10, 20, 31, 41), 2);
    expect(result.continuation.perFrame.map((v) => Math.round(v))).toEqual([187, 28]);
    expect(result.continuation.psnr).toBeCloseTo(20 * Math.log10(255 / Math.sqrt(50)), 3);
    expect(result.repeat.psnr).toBeCloseTo(20 * Math.log10(255 / Math.sqrt(250)), 3);
    expect(result.tokenizer.psnr).toBeCloseTo(20 * Math.log10(255), 3);
    expect(standstill(truth, 2).frames.filter((_, i) => i % 192 === 0)).toEqual(Uint8Array.of(10, 20, 20, 20));
  });

  test("side by side has every frame once, in even sizes", () => {
    const clip = sideBySideOf(greys(1, 2, 3, 4, 5), greys(1, 2, 6, 7, 8), 2);
    expect([clip.frameCount, clip.width % 2, clip.height % 2]).toEqual([5, 0, 0]);
  });

  test("latents as a picture: the channels that vary most, stretched to the whole range", () => {
    const picture = latentsPicture([0, 0, 5, 9, 1, 1], [1, 3, 1, 1, 2], 2);
    expect([picture.width, picture.height, picture.frameCount]).toEqual([4, 2, 1]);
    expect(picture.frames.slice(0, 3)).toEqual(Uint8Array.of(0, 0, 0));
    expect(picture.frames.slice(6, 9)).toEqual(Uint8Array.of(255, 0, 0));
  });
});

describe("the page", () => {
  test("ticks are round and inside", () => {
    fc.assert(
      fc.property(fc.double({ min: -1e4, max: 1e4, noNaN: true }), fc.double({ min: 1e-3, max: 1e4, noNaN: true }), (low, span) => {
        const all = ticks(low, low + span, 5);
        expect(all.length).toBeLessThanOrEqual(8);
        for (const v of all) expect(v >= low - span * 1e-6 && v <= low + span * (1 + 1e-6)).toBe(true);
      }),
    );
    expect(ticks(0, 3, 6, true)).toEqual([0, 1, 2, 3]);
  });

  test("charts hold every line, take what is not finite out, and are nothing without points", () => {
    const svg = lineChart([{ label: "<loss>", colour: 1, points: [[0, 1], [1, Number.NaN], [2, 3]] }], { title: "t", x: "step", y: "loss" });
    expect(svg).toContain("&#60;loss&#62;");
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
    expect(lineChart([], { title: "t", x: "x", y: "y" })).toBe("");
    expect(smoothed([[0, 0], [1, 3], [2, 6]], 1)).toEqual([[0, 1.5], [1, 3], [2, 4.5]]);
  });

  test("names from files are text, and pictures are in the page", () => {
    expect(escapeHtml(`<img onerror="x">&'`)).toBe("&#60;img onerror=&#34;x&#34;&#62;&#38;&#39;");
    expect(figure({ pixels: new Uint8Array(12), width: 2, height: 2 }, "<b>")).toMatch(/^<figure class="picture"><img src="data:image\/png;base64,[\w+/=]+" width="2" height="2" alt="&#60;b&#62;">/);
  });
});
