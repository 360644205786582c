/** A part of a file as a file: the right part, of any container, the same bytes each time, and nothing left behind by failure. */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeClip, probeVideo, readAnalysis, readClip, transcode, transcodedSize, writeClip } from "./index.ts";
import { runTool } from "./ffmpeg.ts";

const [width, height, fps, count] = [64, 48, 10, 40];
const options = { fps, maxSide: 1280, encoder: "libx264", crf: 12, preset: "ultrafast" } as const;
let folder: string;

/** Frame t is grey of 20 + 5 t, so that a frame tells its number. */
const numberOf = (frames: Uint8Array, t: number): number => Math.round((frames.subarray(t * width * height * 3, (t + 1) * width * height * 3).reduce((a, b) => a + b, 0) / (width * height * 3) - 20) / 5);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "orrery-transcode-"));
  const frames = new Uint8Array(count * width * height * 3);
  for (let t = 0; t < count; t++) frames.fill(20 + 5 * t, t * width * height * 3, (t + 1) * width * height * 3);
  await writeClip(join(folder, "counted.mp4"), makeClip(frames, width, height, fps), { crf: 5 });
  // A transport stream has no index, and its times begin where its broadcaster's clock stood.
  for (const [name, more] of [["counted.mkv", []], ["counted.ts", ["-output_ts_offset", "7"]]] as const)
    expect((await runTool("ffmpeg", ["-i", join(folder, "counted.mp4"), "-c", "copy", ...more, "-y", join(folder, name)], { what: "copying" })).code).toBe(0);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe.each(["counted.mp4", "counted.mkv", "counted.ts"])("%s", (name) => {
  test("gives the frames that its analysis counted, and the same bytes twice", async () => {
    const info = await probeVideo(join(folder, name));
    const times: number[] = [];
    for await (const { timeS } of readAnalysis(info, { small: { width: 16, height: 12 } })) times.push(timeS);
    expect(times).toHaveLength(count);
    const part = { ...options, startS: times[15]!, durationS: times[25]! - times[15]! };
    await transcode(info, join(folder, "a.mp4"), part);
    await transcode(info, join(folder, "b.mp4"), part);
    expect(await readFile(join(folder, "a.mp4"))).toEqual(await readFile(join(folder, "b.mp4")));
    const { frames, frameCount } = await readClip(join(folder, "a.mp4"));
    expect(Array.from({ length: frameCount }, (_, t) => numberOf(frames, t))).toEqual([15, 16, 17, 18, 19, 20, 21, 22, 23, 24]);
  });
});

test("sizes are even, and scaled down only", () => {
  expect(transcodedSize({ width: 1921, height: 1081 }, 1280)).toEqual({ width: 1280, height: 720 });
  expect(transcodedSize({ width: 101, height: 57 }, 1280)).toEqual({ width: 102, height: 58 });
});

test("a part that holds nothing, and stopping, leave no file", async () => {
  const info = await probeVideo(join(folder, "counted.mp4"));
  const before = await readdir(folder);
  await expect(transcode(info, join(folder, "none.mp4"), { ...options, startS: 1, durationS: 1, signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "cancelled" });
  await expect(transcode({ ...info, path: join(folder, "gone.mp4") }, join(folder, "none.mp4"), { ...options, startS: 0, durationS: 1 })).rejects.toMatchObject({ code: "bad_video" });
  expect(await readdir(folder)).toEqual(before);
});
