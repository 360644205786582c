/** Real files of every awkward kind as training material: what is used, what is set aside and why, what a window holds. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ffmpeg, makeScratch, source, turnClockwise } from "../video/test-clips.cases.ts";
import { createLoader, findVideos, heldPart, openClips, randomAt, trainingPart } from "./index.ts";

const scratch = makeScratch();
const at = scratch.path;
const size = { width: 32, height: 24, fps: 10 };

beforeAll(() => {
  // Grey that brightens by 10 a frame: a window's frames say where they come from.
  const ramp = (seconds: number, rate = 10): string[] => ["-f", "lavfi", "-i", `color=c=black:s=64x48:r=${rate}:d=${seconds},format=gray,geq=lum='mod(N*10,250)'`];
  mkdirSync(at("clips/deep"), { recursive: true });
  ffmpeg(...ramp(2), at("clips/b.mp4"));
  ffmpeg(...ramp(1), at("clips/deep/A.MKV"));
  writeFileSync(at("clips/notes.txt"), "not a clip");
  ffmpeg(...ramp(0.1), "-frames:v", "1", at("one.mp4"));
  ffmpeg(...source("testsrc2=s=63x47:r=10:d=0.5"), "-pix_fmt", "yuv444p", "-c:v", "ffv1", at("odd.mkv"));
  ffmpeg(...source("testsrc2=s=64x48:r=10:d=0.5"), "-pix_fmt", "yuv420p10le", "-c:v", "libx264", "-color_trc", "smpte2084", at("hdr.mp4"));
  ffmpeg(...source("testsrc2=s=64x48:r=25:d=2"), "-vf", "select='not(eq(mod(n,5),3))'", "-vsync", "passthrough", at("uneven.mkv"));
  turnClockwise(at("clips/b.mp4"), at("turned.mp4"));
  writeFileSync(at("text.mp4"), "hello world\n".repeat(100));
  writeFileSync(at("empty.mp4"), "");
  writeFileSync(at("cut.mp4"), readFileSync(at("hdr.mp4")).subarray(0, 2000));
});
afterAll(() => scratch.remove());

/** The brightness of each frame's middle. */
const greys = ({ frames, frameCount, width, height }: { frames: Uint8Array; frameCount: number; width: number; height: number }): number[] =>
  Array.from({ length: frameCount }, (_, t) => frames[(t * width * height + (height >> 1) * width + (width >> 1)) * 3]!);

describe("finding", () => {
  test("files as they are, folders by extension in a stable order, each once", async () => {
    expect(await findVideos([at("clips"), at("clips/b.mp4"), at("text.mp4")])).toEqual([at("clips/b.mp4"), at("clips/deep/A.MKV"), at("text.mp4")]);
  });

  test("nothing found and nothing there are errors that name the place", async () => {
    mkdirSync(at("bare"));
    await expect(findVideos([at("bare")])).rejects.toMatchObject({ code: "bad_argument", message: expect.stringContaining(at("bare")) as string });
    await expect(findVideos([])).rejects.toMatchObject({ code: "bad_argument" });
    await expect(findVideos([at("nowhere.mp4")])).rejects.toMatchObject({ code: "file_not_found", message: expect.stringContaining("nowhere.mp4") as string });
  });
});

describe("opening", () => {
  test("what cannot be used is set aside with its reason, the rest is used", async () => {
    const set = await openClips([at("clips"), at("text.mp4"), at("empty.mp4"), at("cut.mp4")], size);
    expect(set.entries.map((e) => e.frameCount)).toEqual([20, 10]);
    expect(set.rejected.map((r) => r.path)).toEqual([at("text.mp4"), at("empty.mp4"), at("cut.mp4")]);
    for (const { path, reason } of set.rejected) expect(reason).toContain(path);
  });

  test("with nothing left all reasons are told", async () => {
    await expect(openClips([at("text.mp4"), at("empty.mp4")], size)).rejects.toMatchObject({ code: "bad_video", message: expect.stringMatching(/none of the 2.*not a video.*0 bytes/) as string });
  });

  test("Ctrl-C stops it", async () => {
    await expect(openClips([at("clips")], { ...size, signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "cancelled" });
  });

  test.each(["one.mp4", "odd.mkv", "hdr.mp4", "uneven.mkv", "turned.mp4"])("%s gives windows of the size asked for", async (name) => {
    const set = await openClips([at(name)], size);
    const clip = await set.window(0, 0, 3);
    expect([clip.width, clip.height, clip.frameCount, clip.frames.length]).toEqual([32, 24, 3, 32 * 24 * 9]);
  });
});

describe("windows", () => {
  test("are the frames asked for, kept in memory or not, and end by repeating", async () => {
    for (const memoryBytes of [2 ** 20, 0]) {
      const set = await openClips([at("clips/b.mp4")], { ...size, memoryBytes });
      const near = (got: number[], want: number[]): void => got.forEach((v, i) => expect(Math.abs(v - want[i]!), `${memoryBytes}: ${got.join()}`).toBeLessThan(8));
      near(greys(await set.window(0, 5, 3)), [50, 60, 70].map((v) => ((v - 16) * 255) / 219));
      const end = greys(await set.window(0, 18, 4));
      expect(end.slice(2)).toEqual([end[1], end[1]]);
    }
  });

  test("the part trained on and the part held back share no frame and leave none out", async () => {
    for (const where of ["start", "end"] as const) {
      const holdout = { at: where, seconds: 0.7 };
      const [trained, held] = await Promise.all([trainingPart(holdout), heldPart(holdout)].map((part) => openClips([at("clips/b.mp4")], { ...size, part })));
      expect([trained!.entries[0]!.frameCount, held!.entries[0]!.frameCount]).toEqual([13, 7]);
      expect([trained!.entries[0]!.startS, held!.entries[0]!.startS]).toEqual(where === "start" ? [0.7, 0] : [0, 1.3]);
    }
    // More than there is holds everything back.
    expect((await openClips([at("clips/b.mp4")], { ...size, part: trainingPart({ at: "end", seconds: 9 }) })).entries[0]!.frameCount).toBe(0);
  });
});

describe("the loader", () => {
  test("a step's windows depend on seed and step alone", async () => {
    const set = await openClips([at("clips")], size);
    const steps = async (seed: number, order: readonly number[]): Promise<Map<number, string>> => {
      const loader = createLoader(set, { batch: 2, frames: 3, seed });
      const seen = new Map<number, string>();
      for (const step of order) seen.set(step, (await loader.at(step)).map((c) => greys(c).join()).join(" "));
      return seen;
    };
    const forwards = await steps(1, [0, 1, 2, 3]);
    expect(await steps(1, [3, 1, 0, 2])).toEqual(new Map([...forwards].sort(([a], [b]) => [3, 1, 0, 2].indexOf(a) - [3, 1, 0, 2].indexOf(b))));
    expect([...(await steps(2, [0, 1, 2, 3])).values()]).not.toEqual([...forwards.values()]);
    expect(new Set([0, 1].map((purpose) => randomAt(5, 7, purpose).random())).size).toBe(2);
  });

  test("windows longer than every clip are refused with both lengths", async () => {
    const set = await openClips([at("clips/deep")], size);
    expect(() => createLoader(set, { batch: 1, frames: 17, seed: 0 })).toThrow(expect.objectContaining({ code: "bad_video", message: expect.stringMatching(/10 frame.*17/) as string }) as Error);
  });
});
