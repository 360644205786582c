/** What can be asked of a dataset after, before and while it is made: plan, status, another decision, the report anew. */
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeClip, writeClip } from "../video/index.ts";
import { curate, curateSchema, curationStatus, exportPredict, planCuration, redecide, rewriteReport } from "./index.ts";
import { scene, take, type SmallFrame } from "./footage.cases.ts";
import { timing } from "./status.ts";

const fps = 12;
const settings = curateSchema.parse({ minSide: 64, split: { minLengthFrames: 12, minLengthS: 1, cropS: 0.1 }, quality: { cut: 0 }, encode: { preset: "ultrafast" } });
const strict = curateSchema.parse({ ...settings, motion: { ...settings.motion, stillCamera: 10, stillObjects: 10 } });
let [folder, footage, out] = ["", "", ""];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "orrery-redecide-"));
  [footage, out] = [join(folder, "a.mp4"), join(folder, "dataset")];
  const frames: SmallFrame[] = take(scene(21), 30, (t) => ({ x: 170 + (19.2 * t) / fps }));
  await writeClip(footage, makeClip(new Uint8Array(Buffer.concat(frames)), 192, 108, fps), { crf: 12 });
  await writeFile(join(folder, "text.mp4"), "not a video");
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("a dataset is planned, made, and decided again without its inputs", { timeout: 120_000 }, async () => {
  const options = { settings, workers: 2 };
  await expect(curationStatus(out)).rejects.toMatchObject({ code: "file_not_found" });
  const plan = await planCuration([folder], out, options);
  expect(plan).toMatchObject({ files: 2, sources: 1, unmeasured: 1, durationS: 2.5, unmeasuredS: 2.5 });
  expect(plan.measuringS).toBeGreaterThan(0);
  expect(plan.encodingMostS).toBeGreaterThan(0);
  await expect(stat(out)).rejects.toThrow("ENOENT");

  await curate([folder], out, { ...options, scoreOnly: false });
  const clips = await readdir(join(out, "clips"));
  expect(clips).toHaveLength(1);
  expect(await planCuration([folder], out, options)).toMatchObject({ unmeasured: 0, measuringS: 0 });
  const status = await curationStatus(out);
  expect(status.finished).toBe(true);
  expect(status.stages.map(({ stage, done, rejected, left }) => [stage, done, rejected, left])).toEqual([["open", 1, 1, 0], ["measure", 1, 0, 0], ["decide", 1, 0, 0], ["encode", 1, 0, 0]]);

  const id = clips[0]!.replace(".mp4", "");
  expect(await redecide(out, { ...options, settings: strict, encode: false })).toMatchObject({ added: [], removed: [id], summary: { num_clips_kept: 0, score_only: false } });
  expect(await readdir(join(out, "clips"))).toEqual([]);
  expect(await redecide(out, { ...options, encode: false })).toMatchObject({ added: [id], removed: [] });
  expect(await readdir(join(out, "clips"))).toEqual(clips);

  const report = await readFile(join(out, "report.html"), "utf8");
  await rm(join(out, "report.html"));
  await rewriteReport(out, { workers: 1 });
  expect(await readFile(join(out, "report.html"), "utf8")).toBe(report);

  // A run that was killed before the clip was whole.
  await rm(join(out, "metas/v0", `${id}.json`));
  expect(await curationStatus(out)).toMatchObject({ finished: false, stages: [{}, {}, {}, { stage: "encode", done: 0, left: 1 }] });
  // The stored measures are not those of another file in the source's place.
  await rm(join(out, "clips", clips[0]!));
  await writeFile(footage, "something else");
  await expect(redecide(out, { ...options, encode: false })).rejects.toThrow(/not the file that was measured/);
});

test("a dataset of scores stays one until clips are asked for; a list of sources that is not ours is refused", { timeout: 120_000 }, async () => {
  const [film, scores] = [join(folder, "b.mp4"), join(folder, "scores")];
  await writeClip(film, makeClip(new Uint8Array(Buffer.concat(take(scene(22), 30, (t) => ({ x: 170 + (19.2 * t) / fps })))), 192, 108, fps), { crf: 12 });
  await curate([film], scores, { settings, workers: 1, scoreOnly: true });
  expect((await redecide(scores, { settings, workers: 1, encode: false })).summary.score_only).toBe(true);
  expect(await readdir(join(scores, "clips"))).toEqual([]);
  await expect(exportPredict(scores, join(folder, "none"))).rejects.toThrow(/does not hold all/);
  await redecide(scores, { settings, workers: 1, encode: true });
  expect(await readdir(join(scores, "clips"))).toHaveLength(1);
  const target = join(folder, "predict");
  await expect(exportPredict(scores, target, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "cancelled" });
  expect(await readdir(target)).toEqual([]);
  expect(await exportPredict(scores, target)).toEqual({ clips: 1, uncaptioned: 0 });
  const [video] = await readdir(join(target, "videos"));
  expect(await readFile(join(target, "videos", video!))).toEqual(await readFile(join(scores, "clips", video!)));
  expect((await readFile(join(target, "metas", video!.replace("mp4", "txt")), "utf8")).length).toBeGreaterThan(20);
  await expect(exportPredict(scores, target)).rejects.toThrow(/not empty/);
  await writeFile(join(scores, "work/sources.json"), '{"sources": [{"sha256": "../../x", "path": "y"}], "setAside": []}');
  await expect(curationStatus(scores)).rejects.toMatchObject({ code: "bad_config" });
});

test("rates are those of the latest stretch of work", () => {
  expect(timing([0, 10, 20], 4)).toEqual({ rate: 0.1, leftS: 40 });
  // A day's pause is not work.
  expect(timing([0, 10, 86_400, 86_402], 1)).toEqual({ rate: 0.5, leftS: 2 });
  expect(timing([5], 3)).toEqual({ rate: null, leftS: null });
});
