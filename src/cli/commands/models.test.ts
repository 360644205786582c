/** `orrery models` on pipelines of random weights: what is listed, shown, recorded and found changed. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { saveTinyAutoregressive, saveTinyDiffusion } from "../../generation/tiny-models.cases.ts";
import { main } from "../main.ts";

const home = mkdtempSync(join(tmpdir(), "orrery-models-"));
const at = (...names: string[]): string => join(home, "models", ...names);
const before = process.env["ORRERY_HOME"];

async function orrery(...words: string[]): Promise<{ exit: number; out: string; err: string }> {
  const [out, err]: [string[], string[]] = [[], []];
  const exit = await main(words, { stdout: { write: (text) => out.push(text) }, stderr: { write: (text) => err.push(text) }, env: {}, signal: new AbortController().signal });
  return { exit, out: out.join(""), err: err.join("") };
}

beforeAll(async () => {
  process.env["ORRERY_HOME"] = home;
  await saveTinyDiffusion(at("me/tiny"));
  await saveTinyAutoregressive(at("spelled"));
  writeFileSync(at("me/tiny/README.md"), "---\nlicense: apache-2.0\n---\nMoves \u202enothing.\n");
});
afterAll(() => {
  if (before === undefined) delete process.env["ORRERY_HOME"];
  else process.env["ORRERY_HOME"] = before;
  rmSync(home, { recursive: true, force: true });
});

test("what is listed has a name, a family, a size and a licence", async () => {
  const { models } = JSON.parse((await orrery("models", "list", "--json")).out) as { models: { name: string }[] };
  expect(models.filter(({ name }) => ["me/tiny", "spelled"].includes(name))).toMatchObject([
    { name: "me/tiny", kind: "pipeline", family: "diffusion", source: "made here", licence: { name: "apache-2.0" }, bytes: expect.any(Number) as number },
    { name: "spelled", kind: "pipeline", family: "autoregressive" },
  ]);
});

test("what is shown is components, generation and the card, and the card cannot turn the line around", async () => {
  const { exit, out } = await orrery("models", "show", "me/tiny");
  expect(exit).toBe(0);
  expect(out).toMatch(/transformer +CosmosTransformer3DModel/);
  expect(out).toMatch(/conditionFrames +\[1,9\]/);
  expect(out).toContain("Moves \ufffdnothing.");
  expect(out).toContain("--record");
  expect(await orrery("models", "show", "nothing")).toMatchObject({ exit: 1, err: expect.stringMatching(/no model nothing.*me\/tiny.*\[file_not_found\]/) as string });
});

test("a model is recorded, found whole, and found changed", async () => {
  const sound = await orrery("models", "verify", "me/tiny", "--record", "--json");
  expect(JSON.parse(sound.out)).toMatchObject({ isWhole: true, components: [{ name: "vae" }, { name: "transformer", tensors: expect.any(Number) as number }] });
  expect((await orrery("models", "verify", "me/tiny")).out).toMatch(/8 of 8 recorded files are as they were/);
  const weights = at("me/tiny/transformer/diffusion_pytorch_model.safetensors");
  copyFileSync(weights, join(home, "kept"));
  const bytes = readFileSync(weights);
  bytes[bytes.length - 1]! ^= 1;
  writeFileSync(weights, bytes);
  const changed = await orrery("models", "verify", "me/tiny");
  expect(changed).toMatchObject({ exit: 1, err: expect.stringMatching(/diffusion_pytorch_model.*\[bad_checkpoint\]/) as string });
  truncateSync(weights, 4000);
  expect((await orrery("models", "verify", "me/tiny")).out).toMatch(/wrong {2}transformer/);
  copyFileSync(join(home, "kept"), weights);
  writeFileSync(at("me/tiny/vae/config.json"), readFileSync(at("me/tiny/vae/config.json"), "utf8").replace('"latent_channels": 4', '"latent_channels": 6'));
  // Recorded anew it would be said to be right: the tensors say that it is not.
  expect(await orrery("models", "verify", "me/tiny", "--record")).toMatchObject({ exit: 1, out: expect.stringMatching(/wrong {2}vae.*is \[/) as string });
});
