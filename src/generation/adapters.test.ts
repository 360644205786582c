/** Generating with LoRA adapters: the same as with a merged model, stored with the result, and refused where they do not belong. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openGuards, parsePolicy, type Guard } from "../guardrail/index.ts";
import { openComponent, saveAdapter } from "../registry/index.ts";
import { parameters } from "../nn/index.ts";
import { RandomState } from "../tensor/random.ts";
import { openRuntime, type Runtime } from "../tensor/runtime/node.ts";
import { makeDemoClip } from "../video/index.ts";
import { mergeAdapters } from "../world/merge.ts";
import { parametersOf } from "../world/networks.ts";
import { generateVideo, type Door, type Generated } from "./generate.ts";
import { openKeys } from "./marks.ts";
import { openWorldModel } from "./model.ts";
import { readStoredRequest, requireSame, type Plan, type PlannedAdapter } from "./plan.ts";
import { besides } from "./publish.ts";
import { parseRequest } from "./request.ts";
import { saveTinyAutoregressive, saveTinyDiffusion } from "./tiny-models.cases.ts";

const folder = mkdtempSync(join(tmpdir(), "orrery-adapters-"));
const at = (...names: string[]): string => join(folder, ...names);
const guard: Guard = { model: "test", version: "1", strength: "pattern", covers: ["O1"], stages: ["video"], check: async (subject) => ({ findings: [], ...(subject.stage === "video" ? { framesChecked: subject.clip.frameCount } : {}) }) };
const targets = { diffusion: /to_[qv]\.weight$/, autoregressive: /w[qv1]\.weight$/ };
/** Seconds normally; a machine with other work on it takes many times that. */
const patience = 300_000;
let runtime: Runtime;
let rest: Omit<Door, "model">;

/** An adapter of a model's folder, with random numbers. */
async function makeAdapter(family: keyof typeof targets, out: string, seed: number): Promise<void> {
  const [random, all, values] = [new RandomState(seed), parameters(), new Map<string, Float32Array>()];
  for (const { name, shape } of parametersOf(await openComponent(at(family, "transformer")))!.filter((p) => targets[family].test(p.name)))
    for (const [half, sizes] of [["A", [2, shape[1]!]], ["B", [shape[0]!, 2]]] as const) {
      const lora = name.replace(/weight$/, `lora_${half}.weight`);
      all.root.param(lora, [...sizes], { kind: "zeros" });
      values.set(lora, random.standardNormalFloat32(sizes[0] * sizes[1]).map((v) => v * 0.3));
    }
  await saveAdapter(at(out), { rank: 2, alpha: 2, targets: ["q"], base: family }, all.all.values(), values);
}

beforeAll(async () => {
  runtime = await openRuntime({ threads: 1 });
  await Promise.all([saveTinyDiffusion(at("diffusion")), saveTinyAutoregressive(at("autoregressive")), makeDemoClip(at("clip.mp4"), { width: 96, height: 64, frames: 40, fps: 16 })]);
  await Promise.all([makeAdapter("diffusion", "diffusion-a", 1), makeAdapter("diffusion", "diffusion-b", 2), makeAdapter("autoregressive", "autoregressive-a", 3), makeAdapter("autoregressive", "autoregressive-b", 4)]);
  const guards = await openGuards(parsePolicy("policy: t\nversion: 1\nguards: [{name: g, stages: [video]}]\n"), { factories: { g: async () => guard } });
  rest = { guards, keys: await openKeys({ home: at("home"), env: {} }), machine: { device: "cpu", threads: 1 } };
}, patience);
afterAll(async () => {
  await runtime?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function make(model: string, out: string, adapters: { path: string; scale: number }[] = [], request: object = { video: at("clip.mp4"), seed: 5 }, onPlan?: (plan: Plan) => void): Promise<Generated> {
  const opened = await openWorldModel(at(model), runtime, adapters);
  try {
    return await generateVideo(parseRequest(request), { ...rest, model: opened }, besides(at(out)), onPlan ? { onPlan } : {});
  } finally {
    await opened.close();
  }
}
const framesOf = ({ record }: Generated): string => record.outputs[0]!.frames_sha256;

describe.each(["diffusion", "autoregressive"] as const)("a %s model", (family) => {
  const both = [{ path: at(`${family}-a`), scale: 1 }, { path: at(`${family}-b`), scale: -0.5 }];

  test("makes with adapters what it makes with them merged, and again from what was stored", async () => {
    await mergeAdapters(at(family), [at(`${family}-a`), `${at(`${family}-b`)}:-0.5`], at(`${family}-merged`));
    const adapted = await make(family, `${family}-adapted.mp4`, both);
    expect(framesOf(adapted)).toBe(framesOf(await make(`${family}-merged`, `${family}-merged.mp4`)));
    expect(framesOf(adapted)).not.toBe(framesOf(await make(family, `${family}-plain.mp4`)));
    expect(adapted.record.args.adapters).toEqual(both.map((one) => ({ ...one, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string })));

    const stored = await readStoredRequest(at(`${family}-adapted.orrery.json`));
    expect(stored.adapters).toEqual(adapted.record.args.adapters);
    const again = await make(family, `${family}-again.mp4`, [...stored.adapters], stored.request, (plan) => requireSame(plan, stored));
    expect([again.record.args, framesOf(again)]).toEqual([adapted.record.args, framesOf(adapted)]);
    const { args } = again.record;
    const [a, b] = args.adapters as [PlannedAdapter, PlannedAdapter];
    for (const adapters of [[], [a], [a, { ...b, scale: 0.5 }], [b, a], [a, { ...b, sha256: a.sha256 }], [a, b, b]])
      expect(() => requireSame({ ...args, adapters }, stored)).toThrow(expect.objectContaining({ code: "bad_argument", message: expect.stringMatching(/adapters .* are not those that this result was made with/) as string }) as Error);
  }, patience);

  test("refuses one of another network, and a folder that is none", async () => {
    const foreign = at(`${family === "diffusion" ? "autoregressive" : "diffusion"}-a`);
    await expect(openWorldModel(at(family), runtime, [{ path: foreign, scale: 1 }])).rejects.toMatchObject({ code: "bad_checkpoint", message: expect.stringMatching(/does not belong to this network.*trained upon/) as string });
    await expect(openWorldModel(at(family), runtime, [{ path: at("nowhere"), scale: 1 }])).rejects.toMatchObject({ code: "file_not_found", message: expect.stringContaining("nowhere") as string });
  });
});

test("the digest is of what an adapter does, not of where it lies", async () => {
  await makeAdapter("diffusion", "moved/a", 1);
  const digests = await Promise.all(["diffusion-a", "moved/a", "diffusion-b"].map(async (name) => {
    const model = await openWorldModel(at("diffusion"), runtime, [{ path: at(name), scale: 1 }]);
    await model.close();
    return model.adapters[0]!.sha256;
  }));
  expect(digests[1]).toBe(digests[0]);
  expect(digests[2]).not.toBe(digests[0]);
});
