import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { probeVideo } from "./index.ts";
import { ffmpeg, makeScratch, source, turnClockwise, type Scratch } from "./test-clips.cases.ts";

let scratch: Scratch;
beforeAll(() => {
  scratch = makeScratch();
  ffmpeg(...source("testsrc2=s=64x48:r=25:d=1"), ...source("sine=d=1"), "-c:v", "libx264", "-pix_fmt", "yuv420p", "-shortest", scratch.path("plain.mp4"));
});
afterAll(() => scratch.remove());

describe("probeVideo", () => {
  it("tells size, rate, length and codec", async () => {
    expect(await probeVideo(scratch.path("plain.mp4"))).toMatchObject({
      width: 64, height: 48, codedWidth: 64, codedHeight: 48, rotation: 0, sampleAspectRatio: 1, fps: 25, frameCount: 25, durationS: 1,
      codec: "h264", pixelFormat: "yuv420p", bitDepth: 8, isHdr: false, isVariableFrameRate: false, hasAudio: true, streamIndex: 0,
    });
  });

  it("swaps the sides of a turned picture and counts the turn clockwise", async () => {
    turnClockwise(scratch.path("plain.mp4"), scratch.path("turned.mp4"));
    expect(await probeVideo(scratch.path("turned.mp4"))).toMatchObject({ width: 48, height: 64, codedWidth: 64, codedHeight: 48, rotation: 90 });
  });

  it("widens non-square pixels", async () => {
    ffmpeg(...source("testsrc2=s=64x48:r=25:d=0.2"), "-vf", "setsar=4/3", scratch.path("wide.mp4"));
    expect(await probeVideo(scratch.path("wide.mp4"))).toMatchObject({ width: 85, height: 48, codedWidth: 64 });
  });

  it("sees 10 bits and HDR", async () => {
    ffmpeg(...source("testsrc2=s=64x48:r=25:d=0.2"), "-pix_fmt", "yuv420p10le", "-c:v", "libx264", "-color_trc", "smpte2084", scratch.path("hdr.mp4"));
    expect(await probeVideo(scratch.path("hdr.mp4"))).toMatchObject({ bitDepth: 10, isHdr: true, colorTransfer: "smpte2084" });
  });

  it("tells a variable frame rate, early or late in the file", async () => {
    ffmpeg(...source("testsrc2=s=64x48:r=25:d=4"), "-vf", "select='lt(n,50)+not(mod(n,3))'", "-vsync", "passthrough", scratch.path("late.mp4"));
    ffmpeg(...source("testsrc2=s=64x48:r=25:d=2"), "-vf", "select='not(eq(mod(n,5),3))'", "-vsync", "passthrough", scratch.path("early.mkv"));
    expect((await probeVideo(scratch.path("late.mp4"))).isVariableFrameRate).toBe(true);
    expect((await probeVideo(scratch.path("early.mkv"))).isVariableFrameRate).toBe(true);
    // 30000/1001 in a container that counts milliseconds: uneven steps by rounding only.
    ffmpeg(...source("testsrc2=s=64x48:r=30000/1001:d=2"), scratch.path("even.mkv"));
    expect((await probeVideo(scratch.path("even.mkv"))).isVariableFrameRate).toBe(false);
  });

  it("finds the length of a stream whose header has none, and counts frames when asked", async () => {
    ffmpeg("-i", scratch.path("plain.mp4"), "-c", "copy", "-an", "-f", "matroska", "-live", "1", scratch.path("live.mkv"));
    const info = await probeVideo(scratch.path("live.mkv"));
    expect(info.durationS).toBeCloseTo(1, 1);
    ffmpeg("-i", scratch.path("plain.mp4"), "-c", "copy", "-an", scratch.path("raw.h264"));
    expect(await probeVideo(scratch.path("raw.h264"))).toMatchObject({ durationS: 1, frameCount: 25 });
    expect((await probeVideo(scratch.path("plain.mp4"), { countFrames: true })).frameCount).toBe(25);
  });

  it.each<[name: string, code: string, says: RegExp, make: (path: string) => void]>([
    ["missing.mp4", "file_not_found", /no such file/, () => {}],
    ["empty.mp4", "bad_video", /0 bytes/, (path) => writeFileSync(path, "")],
    ["folder.mp4", "io_failed", /folder/, (path) => mkdirSync(path)],
    ["text.mp4", "bad_video", /not a video/, (path) => writeFileSync(path, "hello world\n".repeat(100))],
    ["noise.mkv", "bad_video", /cannot be opened/, (path) => writeFileSync(path, Buffer.alloc(5000, 7))],
    ["cut.mp4", "bad_video", /truncated/, (path) => writeFileSync(path, readFileSync(scratch.path("plain.mp4")).subarray(0, 6000))],
    ["list.mp4", "bad_video", /playlist/, (path) => writeFileSync(path, "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/etc/passwd\n")],
    ["concat.mp4", "bad_video", /playlist/, (path) => writeFileSync(path, "ffconcat version 1.0\nfile plain.mp4\n")],
    ["sound.mp4", "bad_video", /only: audio/, (path) => ffmpeg(...source("sine=d=1"), path)],
  ])("refuses %s as %s", async (name, code, says, make) => {
    make(scratch.path(name));
    await expect(probeVideo(scratch.path(name))).rejects.toMatchObject({ code, message: expect.stringMatching(says) });
  });

  it("takes names that look like options or protocols as names", async () => {
    for (const name of ["-i.mp4", "http:x.mp4", "a b'[1]:%d.mp4"]) {
      writeFileSync(scratch.path(name), readFileSync(scratch.path("plain.mp4")));
      expect((await probeVideo(scratch.path(name))).width).toBe(64);
    }
    const before = process.cwd();
    process.chdir(scratch.folder);
    try {
      for (const name of ["-i.mp4", "http:x.mp4"]) expect((await probeVideo(name)).frameCount).toBe(25);
    } finally {
      process.chdir(before);
    }
  });
});
