/** The pipeline on small films with known answers: what stays, why the rest goes, and that stopping and repeating change nothing. */
import { createHash } from "node:crypto";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeClip, writeClip } from "../video/index.ts";
import { curate, curateSchema } from "./index.ts";
import { scene, take, type SmallFrame } from "./footage.cases.ts";
import { findDuplicates, type DuplicateClip } from "./dedup/duplicates.ts";
import { descriptorMeter } from "./dedup/descriptor.ts";
import { captionWindows } from "./windows.ts";

const fps = 12;
const settings = curateSchema.parse({ minSide: 64, split: { minLengthFrames: 12, minLengthS: 1, cropS: 0.1 }, quality: { cut: 0 }, encode: { preset: "ultrafast" } });
let folder: string;

const film = (path: string, frames: readonly SmallFrame[]): Promise<void> => writeClip(path, makeClip(new Uint8Array(Buffer.concat(frames)), 192, 108, fps), { crf: 12 });
const pan = (speed: number) => (t: number) => ({ x: 170 + (speed * 192 * t) / fps });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "orrery-curate-"));
  const [a, b, c] = [scene(21), scene(22), scene(23)];
  const two = [...take(a, 24, pan(0.1)), ...take(b, 24, pan(-0.1))];
  await film(join(folder, "two-shots.mp4"), two);
  await film(join(folder, "copy.mp4"), two.map((f) => f.map((v) => Math.min(255, v + 6))));
  await film(join(folder, "still.mp4"), take(c, 24, undefined, 4));
  await writeFile(join(folder, "text.mp4"), "not a video");
  await writeFile(join(folder, "empty.mp4"), "");
  await cp(join(folder, "still.mp4"), join(folder, "still-again.mp4"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function digests(root: string): Promise<Record<string, string>> {
  const names = (await readdir(root, { recursive: true, withFileTypes: true })).filter((e) => e.isFile()).map((e) => join(e.parentPath, e.name)).sort();
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name.slice(root.length), createHash("sha256").update(await readFile(name)).digest("hex")])));
}

describe("a folder of films", () => {
  test("is cut, judged, encoded and accounted for; again, with other workers, or after a loss: the same to the byte", { timeout: 180_000 }, async () => {
    const out = join(folder, "dataset");
    const summary = await curate([folder], out, { settings, workers: 2, scoreOnly: false });
    expect(summary).toMatchObject({ num_input_videos: 6, num_clips: 5, num_clips_kept: 2, dropped: { still: 1, duplicate: 2 } });
    expect(summary.set_aside.map(({ path }) => path.slice(folder.length + 1))).toEqual(["empty.mp4", "still.mp4", "text.mp4"]);
    const first = await digests(out);
    expect(Object.keys(first).filter((name) => name.startsWith("/clips/"))).toHaveLength(2);
    const meta = JSON.parse(await readFile(join(out, "metas/v0", (await readdir(join(out, "metas/v0")))[0]!), "utf8")) as Record<string, unknown>;
    expect(meta).toMatchObject({ width: 192, height: 108, framerate: fps, valid: true, captioner: "orrery-measured-v1" });

    await curate([folder], out, { settings, workers: 1, scoreOnly: false });
    expect(await digests(out)).toEqual(first);

    // What a killed run may leave: an analysis, a clip and a metadata file that are not there.
    for (const part of ["work/analysis", "clips", "metas/v0"]) await rm(join(out, part, (await readdir(join(out, part)))[0]!));
    await curate([folder], out, { settings, workers: 3, scoreOnly: false });
    expect(await digests(out)).toEqual(first);
  });

  test("other settings decide anew without measuring again, and take away what no longer stays", async () => {
    const out = join(folder, "dataset");
    const before = await digests(out);
    const strict = curateSchema.parse({ ...settings, motion: { ...settings.motion, stillCamera: 10, stillObjects: 10 } });
    await writeFile(join(out, "clips", "mine.mp4"), "somebody's");
    await writeFile(join(out, "metas/v0", "mine.json"), "{}");
    const summary = await curate([folder], out, { settings: strict, workers: 2, scoreOnly: false });
    expect(summary).toMatchObject({ num_clips_kept: 0, dropped: { still: 5 } });
    const after = await digests(out);
    // Only our own clips are taken away.
    expect(Object.keys(after).filter((name) => /^\/(clips|metas)\//.test(name))).toEqual(["/clips/mine.mp4", "/metas/v0/mine.json"]);
    const analyses = (all: Record<string, string>): [string, string][] => Object.entries(all).filter(([name]) => name.startsWith("/work/analysis/"));
    expect(analyses(after)).toEqual(analyses(before));
  });

  test("score only encodes nothing; nothing to read is an error that says so; stopping says how to go on", async () => {
    const out = join(folder, "scores");
    expect(await curate([join(folder, "still.mp4")], out, { settings, workers: 1, scoreOnly: true })).toMatchObject({ num_clips: 1, score_only: true });
    expect(await readdir(join(out, "clips"))).toEqual([]);
    await expect(curate(["https://example.org/a.mp4"], out, { settings, workers: 1, scoreOnly: true })).rejects.toMatchObject({ code: "bad_argument" });
    await writeFile(join(folder, "list.jsonl"), '{"video": "still.mp4"}\n{"nothing": 1}\n');
    await expect(curate([join(folder, "list.jsonl")], out, { settings, workers: 1, scoreOnly: true })).rejects.toThrow(/line 2.*names no video/);
    await expect(curate([folder], join(folder, "stopped"), { settings, workers: 1, scoreOnly: true, signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "cancelled" });
  });
});

describe("duplicates", () => {
  const bars = { top: 0, bottom: 0, left: 0, right: 0 };
  const clipOf = (id: string, frames: readonly SmallFrame[], more: Partial<DuplicateClip> = {}): DuplicateClip => {
    const meter = descriptorMeter();
    return { id, bars, frames: frames.flatMap((f, i) => meter(f, i, i / fps) ?? []), pixels: 921_600, blur: 0.3, quality: 0.8, durationS: frames.length / fps, ...more };
  };
  const walk = take(scene(31), 60, pan(0.3));

  test("the higher resolution stays, unless it is enlarged; then the better, and it does not matter who is asked first", () => {
    const large = clipOf("b", walk, { pixels: 2_000_000 });
    const small = clipOf("a", walk.map((f) => f.map((v) => v * 0.9)));
    for (const list of [[large, small], [small, large]]) expect(findDuplicates(list)).toMatchObject([{ kept: "b", dropped: "a", reason: "copy", because: "resolution" }]);
    expect(findDuplicates([{ ...large, blur: 0.45, quality: 0.6 }, small])).toMatchObject([{ kept: "a", dropped: "b", because: "quality" }]);
  });

  test("an excerpt goes, and the same place at another moment stays", () => {
    expect(findDuplicates([clipOf("whole", walk), clipOf("excerpt", walk.slice(12, 48))])).toMatchObject([{ kept: "whole", dropped: "excerpt", reason: "contained" }]);
    const wall = scene(32);
    const acted = (seed: number): SmallFrame[] => take(wall, 60).map((f, t) => f.map((v, i) => {
      const [x, y] = [Math.floor(i / 3) % 192, Math.floor(i / 576)];
      return Math.hypot(x - 96 - 50 * Math.sin((t * (1 + seed)) / 9 + seed), y - 54 - 25 * Math.cos((t * (2 - seed)) / 7)) < 22 ? 230 : v;
    }));
    expect(findDuplicates([clipOf("one", acted(0)), clipOf("other", acted(0.9))])).toEqual([]);
    expect(findDuplicates([clipOf("one", acted(0)), clipOf("same", acted(0))])).toHaveLength(1);
  });
});

test("windows of captions are the reference's", () => {
  expect(captionWindows(3, 256, 128)).toEqual([]);
  expect(captionWindows(200, 256, 128)).toEqual([{ start_frame: 0, end_frame: 199 }]);
  expect(captionWindows(600, 256, 128)).toEqual([{ start_frame: 0, end_frame: 255 }, { start_frame: 256, end_frame: 599 }]);
  expect(captionWindows(700, 256, 128)).toEqual([{ start_frame: 0, end_frame: 255 }, { start_frame: 256, end_frame: 511 }, { start_frame: 512, end_frame: 699 }]);
});
