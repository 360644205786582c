/** Captions where data sets put them, and files that are none. */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { afterAll, expect, test } from "vitest";
import { ffmpeg, makeScratch, source } from "../video/test-clips.cases.ts";
import { captionOfFile } from "./captions.ts";
import { dataSettings, openTrainingData } from "./index.ts";

const scratch = makeScratch();
const at = scratch.path;
afterAll(() => scratch.remove());

function put(path: string, content: unknown): void {
  mkdirSync(dirname(at(path)), { recursive: true });
  writeFileSync(at(path), typeof content === "string" || Buffer.isBuffer(content) ? content : JSON.stringify(content));
}

test.each<[string, string, Record<string, unknown>, string | undefined]>([
  ["cosmos-curator", "clips/a.mp4", { "metas/v0/a.json": { windows: [{ start_frame: 0, qwen_caption: " A ball falls. ", qwen_prompt_tokens: 3 }, { qwen_caption: "It lies." }] } }, "A ball falls."],
  ["the laboratory, whichever comes first", "clips/a.mp4", { "metas/v0/a.json": { windows: [{ orrery_lab_short_caption: "Short.", orrery_lab_caption: "Long." }] } }, "Long."],
  ["a short caption where there is no other", "clips/a.mp4", { "metas/v0/a.json": { windows: [{ lab_caption: "", lab_short_caption: "Short." }] } }, "Short."],
  ["Cosmos-Predict's text", "videos/a.b.mp4", { "metas/a.b.txt": "A robot pours.\n" }, "A robot pours."],
  ["Cosmos-Predict's JSON before its text", "videos/a.mp4", { "captions/a.json": { model: { short: "S", long: "L" }, other: { long: "no" } }, "metas/a.txt": "T" }, "L"],
  ["a file beside the video", "footage/a.mov", { "footage/a.txt": "Rain." }, "Rain."],
  ["a file beside a clip without metadata", "clips/a.mp4", { "clips/a.txt": "Snow." }, "Snow."],
  ["nothing", "clips/a.mp4", {}, undefined],
  ["another clip's", "clips/a.mp4", { "metas/v0/b.json": { windows: [{ x_caption: "B" }] } }, undefined],
  ["broken JSON", "clips/a.mp4", { "metas/v0/a.json": '{"windows": [' }, undefined],
  ["a clip without windows", "clips/a.mp4", { "metas/v0/a.json": { windows: [] } }, undefined],
  ["captions that are no text", "clips/a.mp4", { "metas/v0/a.json": { windows: [{ x_caption: 7, y_caption: null }] } }, undefined],
  ["a list", "videos/a.mp4", { "captions/a.json": ["L"] }, undefined],
  ["a file that is too large", "a.mp4", { "a.txt": "x".repeat(65_537) }, undefined],
  ["the largest file", "a.mp4", { "a.txt": "x".repeat(65_536) }, "x".repeat(65_536)],
  ["bytes that are no text", "a.mp4", { "a.txt": Buffer.from([0xff, 0xfe, 0x80]) }, undefined],
  ["a folder", "a.mp4", { "a.txt/b": "" }, undefined],
])("%s", async (name, video, files, caption) => {
  const root = name.replaceAll(/\W/g, "-");
  for (const [path, content] of Object.entries(files)) put(`${root}/${path}`, content);
  expect(await captionOfFile(at(`${root}/${video}`))).toBe(caption);
});

test.skipIf(process.platform === "win32")("a pipe that nobody writes to is not waited for", async () => {
  execFileSync("mkfifo", [at("pipe.txt")]);
  expect(await captionOfFile(at("pipe.mp4"))).toBeUndefined();
});

test("a set of clips gives each its own", async () => {
  for (const name of ["a", "b"]) {
    put(`set/videos/${name}.txt`, "");
    ffmpeg(...source("testsrc2=s=32x32:r=10:d=0.5"), at(`set/videos/${name}.mp4`));
  }
  put("set/metas/b.txt", "The second.");
  const { training, held } = await openTrainingData([at("set")], dataSettings({ width: 32, height: 32, frames: 2 }).parse({ holdout: { seconds: 0.2 } }));
  expect([await training.caption!(0), await training.caption!(1), await held.caption!(1)]).toEqual([undefined, "The second.", "The second."]);
});
