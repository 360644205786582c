import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { psnr } from "../evaluation/metrics.ts";
import { frameAt, openVideoWriter, probeVideo, readClip, renderDemoClip, sliceClip, writeClip } from "./index.ts";
import { makeScratch, type Scratch } from "./test-clips.cases.ts";

const clip = renderDemoClip({ width: 64, height: 48, frames: 12 });
let scratch: Scratch;
beforeEach(() => {
  scratch = makeScratch();
});
afterEach(() => scratch.remove());

describe("writeClip", () => {
  it("keeps the picture, the count and the rate, and leaves one file", async () => {
    await writeClip(scratch.path("a.mp4"), clip);
    const back = await readClip(scratch.path("a.mp4"));
    expect(back).toMatchObject({ width: 64, height: 48, frameCount: 12, fps: 30 });
    expect(psnr(clip, back)).toBeGreaterThan(32);
    expect(await probeVideo(scratch.path("a.mp4"))).toMatchObject({ codec: "h264", pixelFormat: "yuv420p", colorSpace: "bt709" });
    expect(scratch.names()).toEqual(["a.mp4"]);
  });

  it.each(["libx264", "libsvtav1"] as const)("writes the same bytes each time (%s), with the index in front and no tags", async (encoder) => {
    const square = renderDemoClip({ width: 64, height: 64, frames: 8 });
    await writeClip(scratch.path("a.mp4"), square, { encoder });
    await writeClip(scratch.path("b.mp4"), square, { encoder });
    const bytes = readFileSync(scratch.path("a.mp4"));
    expect(bytes.equals(readFileSync(scratch.path("b.mp4")))).toBe(true);
    expect(bytes.indexOf("moov")).toBeLessThan(bytes.indexOf("mdat"));
    expect(bytes.includes("Lavf")).toBe(false);
  });

  it("copies the edge of odd sizes and writes a single frame", async () => {
    const odd = sliceClip(renderDemoClip({ width: 35, height: 27, frames: 1 }), 0, 0);
    await writeClip(scratch.path("odd.mp4"), odd, { crf: 1 });
    const back = await readClip(scratch.path("odd.mp4"));
    expect(back).toMatchObject({ width: 36, height: 28, frameCount: 1 });
    const row = (y: number) => back.frames.subarray(y * 36 * 3, y * 36 * 3 + 35 * 3);
    const difference = row(26).reduce((sum, byte, i) => sum + Math.abs(byte - row(27)[i]!), 0) / row(26).length;
    expect(difference).toBeLessThan(4);
  });

  it("means the exact television rate", async () => {
    await writeClip(scratch.path("ntsc.mp4"), { ...clip, fps: 29.97 });
    expect((await probeVideo(scratch.path("ntsc.mp4"))).fps).toBe(30000 / 1001);
  });

  it("replaces a file only when the new one is whole", async () => {
    writeFileSync(scratch.path("a.mp4"), "old");
    const writer = await openVideoWriter(scratch.path("a.mp4"), clip);
    await writer.write(frameAt(clip, 0).pixels);
    expect(readFileSync(scratch.path("a.mp4"), "utf8")).toBe("old");
    await writer.abort();
    expect(readFileSync(scratch.path("a.mp4"), "utf8")).toBe("old");
    expect(scratch.names()).toEqual(["a.mp4"]);
    await expect(writer.write(frameAt(clip, 0).pixels)).rejects.toMatchObject({ code: "bad_argument" });
  });

  it("leaves nothing behind when cancelled, with or without a caller", async () => {
    const stop = new AbortController();
    const writer = await openVideoWriter(scratch.path("a.mp4"), { ...clip, signal: stop.signal });
    await writer.write(frameAt(clip, 0).pixels);
    stop.abort();
    await expect(writer.write(frameAt(clip, 1).pixels)).rejects.toMatchObject({ code: "cancelled" });
    await writer.abort();
    expect(scratch.names()).toEqual([]);

    const again = new AbortController();
    const idle = await openVideoWriter(scratch.path("b.mp4"), { ...clip, signal: again.signal });
    await idle.write(frameAt(clip, 0).pixels);
    again.abort();
    await expect.poll(() => scratch.names()).toEqual([]);
  });

  it("says that the disk is full", async () => {
    // Every byte written to this device is refused with ENOSPC, for any user.
    symlinkSync("/dev/full", scratch.path("full"));
    await expect(writeClip(scratch.path("a.mp4"), clip, { temporaryPath: scratch.path("full") })).rejects.toMatchObject({ code: "disk_full", message: expect.stringMatching(/a\.mp4/) });
    expect(scratch.names()).toEqual([]);
  });

  it("says what is wrong with the request", async () => {
    const open = (name: string, options: object) => openVideoWriter(scratch.path(name), { width: 64, height: 48, fps: 30, ...options });
    await expect(open("a.avi", {})).rejects.toMatchObject({ code: "bad_argument", message: expect.stringMatching(/\.mp4/) });
    await expect(open("a.mp4", { width: 1.5 })).rejects.toMatchObject({ code: "bad_argument" });
    await expect(open("a.mp4", { fps: 0 })).rejects.toMatchObject({ code: "bad_argument" });
    await expect(open("a.mp4", { crf: 52 })).rejects.toMatchObject({ code: "bad_argument" });
    await expect(open("a.mp4", { encoder: "libsvtav1" })).rejects.toMatchObject({ code: "bad_argument", message: expect.stringMatching(/below 64/) });
    await expect(open("a.mp4", { encoder: "toString" })).rejects.toMatchObject({ code: "bad_argument" });
    await expect(open("none/a.mp4", {})).rejects.toMatchObject({ code: "file_not_found" });
    const writer = await open("a.mp4", {});
    await expect(writer.write(new Uint8Array(5))).rejects.toMatchObject({ code: "bad_argument", message: expect.stringMatching(/9216/) });
    await expect(writer.close()).rejects.toMatchObject({ code: expect.stringMatching(/bad_argument|io_failed/) });
    expect(scratch.names()).toEqual([]);
  });
});
