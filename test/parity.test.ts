import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { agrees, checkParity } from "../src/evaluation/index.ts";
import { openRuntime, type Runtime } from "../src/tensor/runtime/node.ts";

const testdata = join(import.meta.dirname, "../src/world/testdata");
const folder = mkdtempSync(join(tmpdir(), "orrery-parity-"));
let runtime: Runtime;
beforeAll(async () => {
  runtime = await openRuntime({ threads: 2 });
});
afterAll(async () => {
  await runtime.close();
  rmSync(folder, { recursive: true, force: true });
});

const copyOf = (name: string): string => {
  const to = join(folder, name);
  cpSync(join(testdata, name), to, { recursive: true });
  return to;
};

test.each(["autoregressive-llama3d", "diffusion-cosmos1", "diffusion-cosmos2-video", "sampler-res2ab"])("%s agrees with the reference", async (name) => {
  const lines = await checkParity(join(testdata, name), runtime);
  expect(lines.length).toBeGreaterThan(0);
  expect(lines.filter((l) => !agrees(l))).toEqual([]);
});

test("changed weights are noticed", async () => {
  const copy = copyOf("diffusion-cosmos2-video");
  const file = join(copy, "diffusion_pytorch_model.safetensors");
  const bytes = readFileSync(file);
  for (let i = bytes.length - 4000; i < bytes.length; i += 4) bytes.writeFloatLE(0.1, i);
  writeFileSync(file, bytes);
  expect((await checkParity(copy, runtime)).every(agrees)).toBe(false);
});

test("a configuration that does not fit its weights is named", async () => {
  const copy = copyOf("diffusion-cosmos1");
  const file = join(copy, "config.json");
  writeFileSync(file, readFileSync(file, "utf8").replace('"num_layers": 2', '"num_layers": 3'));
  await expect(checkParity(copy, runtime)).rejects.toMatchObject({ code: "bad_checkpoint", message: expect.stringContaining("transformer_blocks.2") as string });
});

test("an unknown class and a missing folder are answered", async () => {
  const copy = copyOf("sampler-res2ab");
  writeFileSync(join(copy, "config.json"), '{"_class_name":"Nobody"}');
  await expect(checkParity(copy, runtime)).rejects.toMatchObject({ code: "bad_config" });
  await expect(checkParity(join(folder, "nowhere"), runtime)).rejects.toMatchObject({ code: "file_not_found" });
});
