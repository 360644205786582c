/** A diffusion model that reads text and answers with the change against the last given frame: what words and guidance do to what it makes. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openGuards, parsePolicy, type Guard } from "../guardrail/index.ts";
import { openRuntime, type Runtime } from "../tensor/runtime/node.ts";
import { makeDemoClip } from "../video/index.ts";
import { generateVideo, type Door } from "./generate.ts";
import { openKeys } from "./marks.ts";
import { openWorldModel } from "./model.ts";
import { besides } from "./publish.ts";
import { parseRequest } from "./request.ts";
import { saveTinyDiffusion, tinyTextDiffusion } from "./tiny-models.cases.ts";

const folder = mkdtempSync(join(tmpdir(), "orrery-text-"));
const at = (...names: string[]): string => join(folder, ...names);
const asked: string[] = [];
const guard: Guard = {
  model: "test", version: "1", strength: "pattern", covers: ["O1"], stages: ["prompt", "negative-prompt", "video"],
  check: async (subject) => (subject.stage === "video" ? { findings: [], framesChecked: subject.clip.frameCount } : (asked.push(`${subject.stage}: ${subject.text}`), { findings: [] })),
};
const policy = parsePolicy("policy: test\nversion: 1\nguards: [{name: all, stages: [prompt, negative-prompt, video]}]\npostprocess: []\n");

let runtime: Runtime;
let door: Door;
beforeAll(async () => {
  runtime = await openRuntime({ threads: 1 });
  await Promise.all([saveTinyDiffusion(at("model"), tinyTextDiffusion), makeDemoClip(at("clip.mp4"), { width: 96, height: 64, frames: 40, fps: 16 })]);
  door = { model: await openWorldModel(at("model"), runtime), guards: await openGuards(policy, { factories: { all: async () => guard }, processors: {} }), keys: await openKeys({ home: at("home"), env: {} }), machine: { device: "cpu", threads: 1 } };
});
afterAll(async () => {
  await door?.model.close();
  await runtime?.close();
  rmSync(folder, { recursive: true, force: true });
});

const farthest = (a: Uint8Array, b: Uint8Array): number => a.reduce((most, v, i) => Math.max(most, Math.abs(v - b[i]!)), 0);

let made = 0;
const frames = async (request: Record<string, unknown>): Promise<{ sha256: string; unknown: string[]; pixels: Uint8Array }> => {
  const { record, clip, unknownWords } = await generateVideo(parseRequest({ seed: 3, ...request }), door, besides(at(`${made++}.mp4`)));
  return { sha256: record.outputs[0]!.frames_sha256, unknown: unknownWords, pixels: clip.frames };
};

describe("a model that reads text", () => {
  test("makes a video of words alone; other words, other guidance and words to keep away from make another", async () => {
    const base = await frames({ prompt: "a red ball falls" });
    expect((await frames({ prompt: "a red ball falls" })).sha256).toBe(base.sha256);
    const others = [{ prompt: "a blue cube slides" }, { prompt: "a red ball falls", guidance_scale: 0 }, { prompt: "a red ball falls", negative_prompt: "a blue cube" }];
    const seen = new Set([base.sha256]);
    for (const other of others) seen.add((await frames(other)).sha256);
    expect(seen.size).toBe(4);
    expect(asked).toContain("negative-prompt: a blue cube");
  });

  test("says which words it never met", async () => {
    expect((await frames({ prompt: "a red elephant falls" })).unknown).toEqual(["elephant"]);
  });

  test("continues a clip with words or without, and wants one of the two", async () => {
    const silent = await frames({ video: at("clip.mp4") });
    const led = await frames({ video: at("clip.mp4"), prompt: "a red ball falls" });
    expect(led.sha256).not.toBe(silent.sha256);
    await expect(frames({})).rejects.toThrow(/--prompt what it shall show, or give it a --video/);
  });
});

test("a deviation of next to nothing repeats the last given frame: the change is counted from it", async () => {
  await saveTinyDiffusion(at("still"), { ...tinyTextDiffusion, change: { std: [1e-6, 1e-6, 1e-6, 1e-6] } });
  const moving = door.model;
  const still = await openWorldModel(at("still"), runtime);
  door = { ...door, model: still };
  try {
    // Whatever the network says, nothing changes, so the noise does not matter; watermarks differ by a little.
    const [one, two] = [await frames({ video: at("clip.mp4"), seed: 1 }), await frames({ video: at("clip.mp4"), seed: 2 })];
    expect(farthest(one.pixels, two.pixels)).toBeLessThan(16);
  } finally {
    await still.close();
    door = { ...door, model: moving };
  }
  const [one, two] = [await frames({ video: at("clip.mp4"), seed: 1 }), await frames({ video: at("clip.mp4"), seed: 2 })];
  expect(farthest(one.pixels, two.pixels)).toBeGreaterThan(32);
});
