/** Batches: what is finished stays, what fails or is blocked is said and stops nobody else; and what a line may hold. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openGuards, parsePolicy, type Guard } from "../guardrail/index.ts";
import { openRuntime, type Runtime } from "../tensor/runtime/node.ts";
import { makeDemoClip } from "../video/index.ts";
import { generateBatch } from "./batch.ts";
import type { Door } from "./generate.ts";
import { openKeys } from "./marks.ts";
import { openWorldModel } from "./model.ts";
import type { GenerationRecord } from "./publish.ts";
import { parseRequest, readBatch } from "./request.ts";
import { saveTinyDiffusion } from "./tiny-models.cases.ts";

const folder = mkdtempSync(join(tmpdir(), "orrery-batch-"));
const at = (...names: string[]): string => join(folder, ...names);
let runtime: Runtime;
let door: Door;
let checked = 0;
let blockAll = false;
const guard: Guard = {
  model: "test", version: "1", strength: "pattern", covers: ["O1"], stages: ["video"],
  check: async (subject) => {
    checked++;
    return { findings: blockAll ? [{ category: "O1", confidence: 1, evidence: [] }] : [], ...(subject.stage === "video" ? { framesChecked: subject.clip.frameCount } : {}) };
  },
};

beforeAll(async () => {
  runtime = await openRuntime({ threads: 2 });
  await Promise.all([saveTinyDiffusion(at("model")), makeDemoClip(at("clip.mp4"), { width: 96, height: 64, frames: 20, fps: 16 })]);
  const guards = await openGuards(parsePolicy("policy: t\nversion: 1\nguards: [{name: g, stages: [video]}]\n"), { factories: { g: async () => guard } });
  door = { model: await openWorldModel(at("model"), runtime), guards, keys: await openKeys({ home: at("home"), env: {} }), machine: { device: "cpu", threads: 2 } };
});
afterAll(async () => {
  await door?.model.close();
  await runtime?.close();
  rmSync(folder, { recursive: true, force: true });
});

const lines = (...all: unknown[]): string => {
  writeFileSync(at("batch.jsonl"), all.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n"));
  return at("batch.jsonl");
};

test("a folder a sample; run again, only what is missing, changed or damaged is made", async () => {
  const path = lines({ name: "first", video: "clip.mp4", num_inference_steps: 2 }, "", "# a remark", { video: "clip.mp4", num_inference_steps: 2, seed: 1 }, { name: "lost", video: "none.mp4" });
  const requests = await readBatch(path, folder);
  expect(requests.map(({ name, video }) => [name, video])).toEqual([["first", at("clip.mp4")], ["sample_1", at("clip.mp4")], ["lost", at("none.mp4")]]);
  const statuses = async (): Promise<string[]> => (await generateBatch(requests, door, at("out"))).map(({ status }) => status);
  expect(await statuses()).toEqual(["success", "success", "error"]);
  expect(JSON.parse(readFileSync(at("out/first/sample_args.json"), "utf8"))).toMatchObject({ seed: 0, num_inference_steps: 2, sampler: "res2ab", size: "48x32", model_sha256: door.model.sha256 });
  expect(JSON.parse(readFileSync(at("out/lost/sample_outputs.json"), "utf8"))).toMatchObject({ status: "error", code: "file_not_found" });
  const framesOf = (name: string): unknown => (JSON.parse(readFileSync(at("out", name, "sample_outputs.json"), "utf8")) as GenerationRecord).outputs[0]!.frames_sha256;
  const [made, bytes, frames] = [statSync(at("out/first/vision.mp4")).mtimeMs, readFileSync(at("out/sample_1/vision.mp4")), framesOf("sample_1")];
  checked = 0;
  expect(await statuses()).toEqual(["kept", "kept", "error"]);
  expect(checked).toBe(0);
  writeFileSync(at("out/sample_1/vision.mp4"), bytes.subarray(0, 100));
  expect(await statuses()).toEqual(["kept", "success", "error"]);
  expect(framesOf("sample_1")).toBe(frames);
  expect(statSync(at("out/first/vision.mp4")).mtimeMs).toBe(made);
  requests[0]!.seed = 4;
  expect(await statuses()).toEqual(["success", "kept", "error"]);
});

test("what is blocked leaves its records and no video, and is asked again", async () => {
  const requests = await readBatch(lines({ name: "one", video: "clip.mp4", num_inference_steps: 1 }), folder);
  blockAll = true;
  expect(await generateBatch(requests, door, at("guarded"))).toMatchObject([{ status: "blocked", code: "blocked" }]);
  expect([existsSync(at("guarded/one/vision.mp4")), existsSync(at("guarded/one/safety_record.json"))]).toEqual([false, true]);
  expect(JSON.parse(readFileSync(at("guarded/one/sample_outputs.json"), "utf8"))).toMatchObject({ status: "blocked" });
  blockAll = false;
  expect(await generateBatch(requests, door, at("guarded"))).toMatchObject([{ status: "success" }]);
});

test("stopping keeps what is finished", async () => {
  const requests = await readBatch(lines(...[0, 1, 2].map((seed) => ({ video: "clip.mp4", num_inference_steps: 1, seed }))), folder);
  const stop = new AbortController();
  await expect(generateBatch(requests, door, at("stopped"), { signal: stop.signal, onSample: () => stop.abort() })).rejects.toMatchObject({ code: "cancelled" });
  expect((await generateBatch(requests, door, at("stopped"))).map(({ status }) => status)).toEqual(["kept", "success", "success"]);
});

describe("what a line may hold", () => {
  test.each([
    ["not json", /line 1 is not JSON/],
    ["[1]", /must be a JSON object/],
    [{ steps: 3 }, /steps is not known \(known are prompt/],
    [{ video: "a.mp4", image: "b.png" }, /give one of them/],
    [{ video: "a.mp4", num_frames: 3, extend: 1 }, /chunks after the first/],
    [{ prompt: "  " }, /prompt is empty/],
    [{ seed: -1 }, /seed/],
    [{ size: "big" }, /WIDTHxHEIGHT/],
    [{ name: "../up" }, /cannot be that of a folder/],
    [{ negative_prompt: "x" }, /needs a prompt/],
  ])("%j is refused with its place", async (line, message) => {
    await expect(readBatch(lines(line), folder)).rejects.toMatchObject({ code: "bad_argument", message: expect.stringMatching(message) as string });
  });

  test("two samples of one name, and a batch of nothing", async () => {
    await expect(readBatch(lines({ name: "a" }, { name: "a" }), folder)).rejects.toThrow(/line 2: the name "a" is that of .*line 1/);
    await expect(readBatch(lines("", "# only a remark"), folder)).rejects.toThrow(/holds no request/);
    expect(() => parseRequest({ __proto__: null, prompt: "x", constructor: 1 })).toThrow(/constructor is not known/);
  });
});
