/** The measure, the formulas of sampler fixtures, and fixtures that are wrong. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openRuntime, type Runtime } from "../tensor/runtime/node.ts";
import { openSafetensors, writeSafetensors, type SafetensorsEntry } from "../weights/index.ts";
import { agrees, parityTolerance, relativeDifference, runParity } from "./index.ts";
import { parseFormula } from "./parity-formula.ts";

const room = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));
const source = room("world/testdata/autoregressive-fuse-qkv");
const scratch = mkdtempSync(join(tmpdir(), "orrery-parity-"));

let runtime: Runtime;
beforeAll(async () => {
  runtime = await openRuntime({ threads: 2 });
});
afterAll(async () => {
  await runtime.close();
  rmSync(scratch, { recursive: true, force: true });
});

interface Changed {
  dtype: SafetensorsEntry["dtype"];
  shape: number[];
  data: Float32Array | Int32Array;
}

/** A copy of the fixture in which tensors of one file are replaced, added or, with null, removed. */
async function changed(file: string, edits: Record<string, ((data: Float32Array) => Partial<Changed>) | Changed | null>, from = source): Promise<string> {
  const folder = mkdtempSync(join(scratch, "fixture-"));
  cpSync(from, folder, { recursive: true });
  const original = await openSafetensors(join(from, file));
  const entries: SafetensorsEntry[] = [];
  for (const name of new Set([...original.names(), ...Object.keys(edits)])) {
    const edit = edits[name];
    if (edit === null) continue;
    const known = original.names().includes(name) ? { shape: [...original.info(name).shape], data: await original.readF32(name), integer: original.info(name).dtype === "I32" } : undefined;
    const base: Changed | undefined = known && (known.integer ? { dtype: "I32", shape: known.shape, data: Int32Array.from(known.data) } : { dtype: "F32", shape: known.shape, data: known.data });
    const entry = typeof edit === "function" ? { ...base!, ...edit(known!.data) } : (edit ?? base!);
    entries.push({ name, ...entry } as SafetensorsEntry);
  }
  await original.close();
  await writeSafetensors(join(folder, file), entries);
  return folder;
}

test.each(["world/testdata/autoregressive-bonus-contextmask", "world/testdata/sampler-unipc", "world/testdata/diffusion-cosmos25-transfer", "guardrail/testdata/retinaface-mobilenet"])("%s agrees", async (path) => {
  const report = await runParity(room(path), runtime);
  expect(report).toMatchObject({ ok: true, unknown: [], unused: [] });
  expect(report.lines.length).toBeGreaterThan(0);
});

const own = readdirSync(room("evaluation/testdata"), { withFileTypes: true }).filter((f) => f.isDirectory());

test.each(own.map((f) => f.name))("%s agrees", async (name) => {
  const { ok, lines, unknown, unused } = await runParity(room(`evaluation/testdata/${name}`), runtime);
  expect({ ok, unknown, unused, missed: lines.filter((l) => !agrees(l)) }).toEqual({ ok: true, unknown: [], unused: [], missed: [] });
  expect(lines.length).toBeGreaterThan(0);
});

describe("the measure", () => {
  test("is relative to the largest expected value, and absolute where all are zero", () => {
    expect(relativeDifference([1, -4.5], [1, -4])).toBe(0.125);
    expect(relativeDifference([0.5, 0], [0, 0])).toBe(0.5);
    expect(relativeDifference([3n, 5n], [3, 4])).toBe(0.25);
    expect(relativeDifference([0.5], [0], 2)).toBe(0.25);
  });

  test("a value that is no number is never within a tolerance", () => {
    for (const [a, e] of [[NaN, 1], [1, NaN], [NaN, NaN]] as const) {
      expect(relativeDifference([0, a], [0, e])).toBeNaN();
      expect(agrees({ name: "output", difference: relativeDifference([a], [e]), tolerance: 1e-4 })).toBe(false);
    }
    expect(agrees({ name: "output", difference: relativeDifference([Infinity], [1]), tolerance: 1e-4 })).toBe(false);
  });

  test("tolerances", () => {
    expect(["output", "latent", "grad.a.weight", "indices", "greedy_tokens", "noise", "sigmas"].map(parityTolerance)).toEqual([1e-4, 1e-4, 1e-3, 0, 0, 1e-6, 1e-6]);
  });
});

describe("a difference", () => {
  test("in one weight is found", async () => {
    const report = await runParity(await changed("model.safetensors", { "norm.weight": (d) => ({ data: d.map((v) => v * 1.01) }) }), runtime);
    expect(report.ok).toBe(false);
    expect(report.lines.find((l) => l.name === "prefill_logits")!.difference).toBeGreaterThan(1e-3);
  });

  test("of one token is found", async () => {
    const report = await runParity(await changed("golden.safetensors", { greedy_tokens: (d) => ({ data: Int32Array.from(d, (v, i) => (i === d.length - 1 ? v + 1 : v)) }) }), runtime);
    expect(report.lines.filter((l) => !agrees(l)).map((l) => l.name)).toEqual(["greedy_tokens"]);
  });
});

describe("a fixture may", () => {
  test("lack goldens", async () => {
    const { ok, lines } = await runParity(await changed("golden.safetensors", { greedy_tokens: null, step_logits: null }), runtime);
    expect([ok, lines.map((l) => l.name)]).toEqual([true, ["prefill_logits"]]);
  });

  test("hold more weights than the network has; what is no buffer is told", async () => {
    const one: Changed = { dtype: "F32", shape: [1], data: Float32Array.of(1) };
    const { ok, unused } = await runParity(await changed("model.safetensors", { "spare.weight": one, "rope.cos_cached": one }), runtime);
    expect([ok, unused]).toEqual([true, ["spare.weight"]]);
  });

  test("join queries, keys and values or not, whatever its configuration says", async () => {
    const folder = await changed("model.safetensors", {});
    const file = join(folder, "config.json");
    writeFileSync(file, readFileSync(file, "utf8").replace('"fuse_qkv": true', '"fuse_qkv": false'));
    expect((await runParity(folder, runtime)).ok).toBe(true);
  });
});

describe("a fixture is refused", () => {
  const floats: Changed = { dtype: "F32", shape: [3], data: new Float32Array(3) };
  test.each<[string, string, Parameters<typeof changed>[1], RegExp]>([
    ["without its input", "golden.safetensors", { tokens: null }, /no tensor "tokens"/],
    ["with tokens of floats", "golden.safetensors", { tokens: (d) => ({ dtype: "F32", data: d }) }, /"tokens" of the wrong type: expected integers .* found F32/],
    ["with a token that is no word", "golden.safetensors", { tokens: (d) => ({ data: Int32Array.from(d, () => 120) }) }, /token 120/],
    ["with tokens of one axis", "golden.safetensors", { tokens: (d) => ({ shape: [d.length] }) }, /expected 2 axes, found 1/],
    ["with an answer of another shape", "golden.safetensors", { prefill_logits: floats }, /"prefill_logits" of the wrong shape: expected \[1, 12, 120\], found \[3\]/],
    ["without any answer", "golden.safetensors", { prefill_logits: null, step_logits: null, greedy_tokens: null }, /no answer to compare/],
    ["without a weight", "model.safetensors", { "norm.weight": null }, /norm\.weight is missing/],
    ["with a weight of another shape", "model.safetensors", { "norm.weight": floats }, /norm\.weight is \[3\] but the configuration makes it \[48\]/],
    ["with a weight of integers", "model.safetensors", { "norm.weight": (d) => ({ dtype: "I32", data: Int32Array.from(d) }) }, /norm\.weight as I32; expected F32/],
  ])("%s", async (_, file, edits, message) => {
    await expect(runParity(await changed(file, edits), runtime)).rejects.toMatchObject({ code: "bad_checkpoint", message: expect.stringMatching(message) as string });
  });

  test("with a golden tensor that nothing answers, but the others are still compared", async () => {
    const folder = await changed("golden.safetensors", { mystery: floats });
    const report = await runParity(folder, runtime);
    expect(report).toMatchObject({ ok: false, unknown: ["mystery"] });
    expect(report.lines.every(agrees)).toBe(true);
  });

  test("with gradients but no probe", async () => {
    const folder = await changed("golden.safetensors", { probe: null }, room("world/testdata/diffusion-cosmos1"));
    await expect(runParity(folder, runtime)).rejects.toMatchObject({ code: "bad_checkpoint", message: expect.stringContaining('no "probe"') as string });
  });

  test("without weights or goldens", async () => {
    for (const file of ["model.safetensors", "golden.safetensors"]) {
      const folder = await changed("golden.safetensors", {});
      rmSync(join(folder, file));
      await expect(runParity(folder, runtime)).rejects.toMatchObject({ code: "file_not_found" });
    }
  });

  test("with a sampler's setting that is not the sampler's", async () => {
    const folder = mkdtempSync(join(scratch, "sampler-"));
    cpSync(room("world/testdata/sampler-res2ab"), folder, { recursive: true });
    const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as Record<string, unknown>;
    for (const edit of [{ solver: "3ab" }, { seed: -1 }, { rho: "7" }, { denoiser: "magic" }, { num_steps: 0 }]) {
      writeFileSync(join(folder, "config.json"), JSON.stringify({ ...config, ...edit }));
      await expect(runParity(folder, runtime), JSON.stringify(edit)).rejects.toMatchObject({ code: expect.stringMatching(/^bad_c/) as string });
    }
  });
});

describe("a formula", () => {
  test.each<[string, number]>([
    ["f(x, s) = 1 + 2*3", 7],
    ["f(x, s) = 2x^2/s - -1", 2 * 9 / 0.5 + 1],
    ["f(x, s) = -x^2", -9],
    ["f(x, s) = (x + 1)(s + 1)", 6],
    ["f(x, s) = sqrt(16) s, evaluated in float32", 2],
    ["f(x; s) = 2**3 with s unused", 8],
    ["f(x, s) = 1e-1 * x", Math.fround(Math.fround(0.1) * 3)],
    ["f(x, s) = 8/2/2", 2],
  ])("%s", (text, value) => expect(parseFormula(text, "f")(3, 0.5)).toBe(value));

  test("is computed in single precision", () => {
    expect(parseFormula("f(x) = x/3", "f")(1)).toBe(Math.fround(1 / 3));
  });

  test.each(["f(x) = ", "f(x) = x +", "f(x) = (x", "f(x) = y", "f(x) = sin x", "f(x) = x)", "g(x) = x", "x", `f(x) = ${"(".repeat(500)}x`, `f(x) = ${"-".repeat(500)}x`, "f(x) = toString(x)", "f(x) = 1 $ 2"])("%s is refused", (text) => {
    expect(() => parseFormula(text, "f")).toThrow(expect.objectContaining({ code: "bad_config" }) as Error);
  });
});
