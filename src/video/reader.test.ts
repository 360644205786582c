import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { frameAt, readClip, readFrames, type Clip, type Frame, type ReadOptions, type ReadWarning } from "./index.ts";
import { ffmpeg, makeScratch, source, turnClockwise, type Scratch } from "./test-clips.cases.ts";

let scratch: Scratch;
beforeAll(() => {
  scratch = makeScratch();
  ffmpeg(...source("testsrc2=s=64x48:r=25:d=2"), "-c:v", "libx264", "-g", "10", "-pix_fmt", "yuv420p", "-movflags", "+faststart", scratch.path("plain.mp4"));
});
afterAll(() => scratch.remove());

async function collect(path: string, options: ReadOptions = {}): Promise<Frame[]> {
  const frames: Frame[] = [];
  for await (const frame of readFrames(path, options)) frames.push(frame);
  return frames;
}

/** Mean colour of a rectangle. */
function colourAt(clip: Clip, x: number, y: number, size = 4): number[] {
  const { pixels } = frameAt(clip, 0);
  return [0, 1, 2].map((c) => {
    let sum = 0;
    for (let dy = 0; dy < size; dy++) for (let dx = 0; dx < size; dx++) sum += pixels[((y + dy) * clip.width + x + dx) * 3 + c]!;
    return Math.round(sum / size ** 2);
  });
}

/** A picture of two flat halves, left red and right blue. */
const halves = (width: number, height: number) => source(`color=red:s=${width}x${height}:r=25:d=0.2,drawbox=x=iw/2:w=iw/2:h=ih:color=blue:t=fill`);

describe("readFrames", () => {
  it("gives every frame with its time, and memory of its own", async () => {
    const frames = await collect(scratch.path("plain.mp4"));
    expect(frames).toHaveLength(50);
    expect(frames.map(({ index }) => index)).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(frames[49]!.timeS).toBeCloseTo(49 / 25, 6);
    expect(frames[0]!.pixels).toHaveLength(64 * 48 * 3);
    expect(frames[0]!.pixels).not.toEqual(frames[25]!.pixels);
  });

  it("keeps the frames of a variable rate, or makes it even", async () => {
    ffmpeg(...source("testsrc2=s=64x48:r=25:d=2"), "-vf", "select='lt(n,20)+gt(n,40)'", "-vsync", "passthrough", scratch.path("vfr.mp4"));
    const own = await collect(scratch.path("vfr.mp4"));
    expect(own).toHaveLength(29);
    expect(own[20]!.timeS - own[19]!.timeS).toBeCloseTo(22 / 25, 5);
    const even = await collect(scratch.path("vfr.mp4"), { fps: 10 });
    expect(even).toHaveLength(20);
    expect(even.map((frame, i) => frame.timeS - i / 10).every((error) => Math.abs(error) < 1e-6)).toBe(true);
  });

  it("reads a part: startS, durationS, maxFrames", async () => {
    const all = await collect(scratch.path("plain.mp4"));
    const part = await collect(scratch.path("plain.mp4"), { startS: 0.6, durationS: 0.4 });
    expect(part).toHaveLength(10);
    expect(part[0]!.timeS).toBeCloseTo(0.6, 6);
    expect(part[0]!.pixels).toEqual(all[15]!.pixels);
    // A transport stream has no index, and this one a single key frame and a clock that starts at 100 s.
    ffmpeg(...source("testsrc2=s=64x48:r=25:d=2"), "-c:v", "libx264", "-g", "500", "-output_ts_offset", "100", scratch.path("plain.ts"));
    const late = await collect(scratch.path("plain.ts"), { startS: 1.2, durationS: 0.4 });
    expect(late).toHaveLength(10);
    expect(late[0]!.timeS).toBeCloseTo(1.2, 2);
    expect(await collect(scratch.path("plain.mp4"), { maxFrames: 3 })).toHaveLength(3);
    await expect(collect(scratch.path("plain.mp4"), { startS: 2.5 })).rejects.toMatchObject({ code: "bad_argument", message: expect.stringMatching(/2\.5.*2\.000 s/) });
    await expect(collect(scratch.path("plain.mp4"), { maxFrames: 0 })).rejects.toMatchObject({ code: "bad_argument" });
  });

  it("ends the decoder when the loop is left or the work is cancelled", async () => {
    for await (const frame of readFrames(scratch.path("plain.mp4"))) if (frame.index === 2) break;
    const stop = new AbortController();
    let seen = 0;
    const reading = (async () => {
      for await (const _ of readFrames(scratch.path("plain.mp4"), { signal: stop.signal, width: 1280, height: 960 })) if (++seen === 3) stop.abort();
    })();
    await expect(reading).rejects.toMatchObject({ code: "cancelled" });
    expect(seen).toBe(3);
    await expect(collect(scratch.path("plain.mp4"), { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "cancelled" });
    const waiting = new AbortController();
    setTimeout(() => waiting.abort(), 150);
    await expect(collect(scratch.path("plain.mp4"), { signal: waiting.signal, width: 4000, height: 4000 })).rejects.toMatchObject({ code: "cancelled" });
  });

  it("gives the frames of a truncated file and warns", async () => {
    const bytes = readFileSync(scratch.path("plain.mp4"));
    writeFileSync(scratch.path("cut.mp4"), bytes.subarray(0, bytes.length * 0.7));
    const warnings: ReadWarning[] = [];
    const frames = await collect(scratch.path("cut.mp4"), { onWarning: (warning) => warnings.push(warning) });
    expect(frames.length).toBeGreaterThan(10);
    expect(frames.length).toBeLessThan(50);
    expect(warnings).toMatchObject([{ kind: "truncated", message: expect.stringMatching(/of 50/) }]);
    expect((await readClip(scratch.path("cut.mp4"))).truncated).toBe(true);
    expect(await readClip(scratch.path("plain.mp4"))).not.toHaveProperty("truncated");
    // The header is whole, the first frame is not.
    writeFileSync(scratch.path("headless.mp4"), bytes.subarray(0, bytes.indexOf("mdat") + 24));
    await expect(readClip(scratch.path("headless.mp4"))).rejects.toMatchObject({ code: "bad_video" });
  });
});

describe("readClip", () => {
  it("meets a size by cover, contain and stretch", async () => {
    ffmpeg(...halves(96, 48), "-c:v", "libx264", "-qp", "1", "-pix_fmt", "yuv444p", scratch.path("halves.mp4"));
    const read = (options: ReadOptions) => readClip(scratch.path("halves.mp4"), { maxFrames: 1, ...options });
    const near = (colour: number[], wanted: number[]) => expect(colour.every((c, i) => Math.abs(c - wanted[i]!) < 12), JSON.stringify(colour)).toBe(true);
    expect(await read({ width: 32 })).toMatchObject({ width: 32, height: 16 });
    expect(await read({ height: 33 })).toMatchObject({ width: 66, height: 33 });
    const cover = await read({ width: 48, height: 48, fit: "cover" });
    near(colourAt(cover, 1, 1), [254, 0, 0]);
    near(colourAt(cover, 43, 43), [0, 0, 254]);
    const contain = await read({ width: 48, height: 48, fit: "contain" });
    near(colourAt(contain, 1, 1), [0, 0, 0]);
    near(colourAt(contain, 1, 22), [254, 0, 0]);
    const stretch = await read({ width: 20, height: 60, fit: "stretch" });
    near(colourAt(stretch, 1, 1), [254, 0, 0]);
    near(colourAt(stretch, 15, 55), [0, 0, 254]);
    await expect(read({ width: 0 })).rejects.toMatchObject({ code: "bad_argument" });
    await expect(read({ width: 8, height: 8, fit: "fill" as "cover" })).rejects.toMatchObject({ code: "bad_argument" });
  });

  it("turns a rotated picture upright", async () => {
    ffmpeg(...halves(96, 48), "-c:v", "libx264", "-pix_fmt", "yuv420p", scratch.path("flat.mp4"));
    turnClockwise(scratch.path("flat.mp4"), scratch.path("turned.mp4"));
    const clip = await readClip(scratch.path("turned.mp4"));
    expect(clip).toMatchObject({ width: 48, height: 96 });
    // A quarter clockwise: what was left (red) is on top.
    expect(colourAt(clip, 20, 5)[0]).toBeGreaterThan(200);
    expect(colourAt(clip, 20, 90)[2]).toBeGreaterThan(200);
  });

  it("reads odd sizes, 10 bits and a single frame", async () => {
    ffmpeg(...source("testsrc=s=35x27:r=25:d=0.2"), "-c:v", "libx264", "-pix_fmt", "yuv444p10le", scratch.path("odd.mp4"));
    expect(await readClip(scratch.path("odd.mp4"))).toMatchObject({ width: 35, height: 27, frameCount: 5 });
    ffmpeg(...source("color=0x40a0e0:s=32x32:r=25"), "-frames:v", "1", "-pix_fmt", "yuv444p10le", "-colorspace", "bt709", "-vf", "scale=out_color_matrix=bt709", scratch.path("one.mp4"));
    const one = await readClip(scratch.path("one.mp4"));
    expect(one.frameCount).toBe(1);
    expect(colourAt(one, 8, 8).every((c, i) => Math.abs(c - [0x40, 0xa0, 0xe0][i]!) <= 2)).toBe(true);
  });

  it.each(["smpte2084", "arib-std-b67"])("brings HDR (%s) to the range of a display", async (transfer) => {
    // Grey steps of the signal; odd width, and only the transfer is tagged, as bad files are.
    ffmpeg(...source("nullsrc=s=65x17:r=25:d=0.04,format=yuv444p10le,geq=lum='64+876*X/64':cb=512:cr=512"), "-c:v", "libx264", "-qp", "0", "-pix_fmt", "yuv444p10le", "-color_trc", transfer, scratch.path(`${transfer}.mp4`));
    const clip = await readClip(scratch.path(`${transfer}.mp4`));
    expect(clip).toMatchObject({ width: 65, height: 17, frameCount: 1 });
    const greys = Array.from({ length: 13 }, (_, i) => colourAt(clip, Math.min(i * 5, 61), 8, 1));
    expect(greys[0]![0]).toBeLessThan(6);
    for (let i = 1; i < greys.length; i++) {
      expect(greys[i]![0]).toBeGreaterThanOrEqual(greys[i - 1]![0]!);
      expect(Math.max(...greys[i]!) - Math.min(...greys[i]!)).toBeLessThanOrEqual(2);
    }
    // White paper in HDR video is 203 nits: 58 % of a PQ signal, 75 % of an HLG one. It must look white, with room above.
    const white = colourAt(clip, Math.round(64 * (transfer === "smpte2084" ? 0.58 : 0.75)), 8, 1)[0]!;
    expect(white).toBeGreaterThan(165);
    expect(white).toBeLessThan(235);
  });

  it("refuses more memory than allowed, before decoding and while", async () => {
    await expect(readClip(scratch.path("plain.mp4"), { maxBytes: 100_000 })).rejects.toMatchObject({ code: "bad_argument", message: expect.stringMatching(/50 frames of 64 x 48.*maxFrames/) });
    expect((await readClip(scratch.path("plain.mp4"), { maxBytes: 100_000, maxFrames: 10 })).frames).toHaveLength(10 * 64 * 48 * 3);
  });
});
