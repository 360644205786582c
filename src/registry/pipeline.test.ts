/** Pipeline folders: written and read again, official classes, and what is refused. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { componentOf, isPipeline, openPipeline, parseGeneration, readJson, savePipeline, type DiffusionGeneration } from "./index.ts";

const root = mkdtempSync(join(tmpdir(), "orrery-pipeline-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const small: DiffusionGeneration = {
  family: "diffusion", version: 1, width: 64, height: 48, frames: 17, fps: 15, conditionFrames: [1, 5, 9], text: null, formulation: "edm-velocity", sigmaData: 1, conditionSigma: 1e-4,
  sampler: { name: "res2ab", steps: 12, sigmaMin: 0.01, sigmaMax: 80 }, guidance: 0, latents: { mean: [0, 1], std: [1, 2] },
};

test("what is saved is what is opened, with diffusers' index and scheduler beside it", async () => {
  const folder = join(root, "small");
  await savePipeline(folder, { vae: ["diffusers", "AutoencoderKLCosmos"], transformer: ["diffusers", "CosmosTransformer3DModel"] }, small);
  expect(await isPipeline(folder)).toBe(true);
  const pipeline = await openPipeline(folder);
  expect(pipeline.generation).toEqual(small);
  expect(pipeline.className).toBe("Cosmos2VideoToWorldPipeline");
  expect(componentOf(pipeline, "transformer")).toEqual({ library: "diffusers", className: "CosmosTransformer3DModel", folder: join(folder, "transformer") });
  expect(() => componentOf(pipeline, "text_encoder")).toThrow(/vae, transformer, scheduler/);
  expect(await readJson(join(folder, "scheduler/scheduler_config.json"))).toMatchObject({ _class_name: "FlowMatchEulerDiscreteScheduler", sigma_data: 1, sigma_max: 80 });
});

test("an official folder gets what its class stands for, an unknown one is refused", async () => {
  const folder = mkdtempSync(join(root, "official-"));
  expect(await isPipeline(folder)).toBe(false);
  writeFileSync(join(folder, "model_index.json"), JSON.stringify({ _class_name: "Cosmos2VideoToWorldPipeline", transformer: ["diffusers", "CosmosTransformer3DModel"], safety_checker: [null, null], "../up": ["a", "b"] }));
  const pipeline = await openPipeline(folder);
  expect(pipeline.generation).toMatchObject({ width: 1280, height: 704, frames: 93, fps: 16, conditionFrames: [1, 5], formulation: "edm-velocity" });
  expect([...pipeline.components.keys()]).toEqual(["transformer"]);
  writeFileSync(join(folder, "model_index.json"), JSON.stringify({ _class_name: "WanPipeline" }));
  await expect(openPipeline(folder)).rejects.toMatchObject({ code: "bad_config" });
  await expect(openPipeline(join(root, "nowhere"))).rejects.toMatchObject({ code: "file_not_found" });
});

test.each([
  ["an unknown field", { ...small, framez: 3 }],
  ["given frames that fill the chunk", { ...small, conditionFrames: [1, 17] }],
  ["given frames out of order", { ...small, conditionFrames: [5, 1] }],
  ["no family", { ...small, family: undefined }],
  ["a rate of nothing", { ...small, fps: 0 }],
])("%s is refused", (_, value) => {
  expect(() => parseGeneration(value)).toThrow(expect.objectContaining({ code: "bad_config" }));
});
