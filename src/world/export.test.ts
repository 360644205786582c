/** Exported networks, opened as any other program would open them, answer what Orrery's own runtime answers. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { saveTinyAutoregressive, saveTinyDiffusion } from "../generation/tiny-models.cases.ts";
import { bindWeights, openComponent, openPipeline, readComponentWeights, type OnnxFile } from "../registry/index.ts";
import { compile } from "../tensor/index.ts";
import { RandomState } from "../tensor/random.ts";
import { hostTensor, openRuntime, type HostTensor, type Runtime } from "../tensor/runtime/node.ts";
import { openCheckpoint } from "../weights/index.ts";
import { exportDiffusers, exportOnnxFolder } from "./export.ts";
import { pipelineGraphs } from "./graphs.ts";
import { parametersOf } from "./networks.ts";

const root = mkdtempSync(join(tmpdir(), "orrery-export-"));
const at = (...names: string[]): string => join(root, ...names);
let runtime: Runtime;
const sizes = { width: 48, height: 32, frames: 17 };

beforeAll(async () => {
  await saveTinyDiffusion(at("diffusion"));
  await saveTinyAutoregressive(at("spelled"));
  runtime = await openRuntime({ threads: 1 });
});
afterAll(async () => {
  await runtime.close();
  rmSync(root, { recursive: true, force: true });
});

function draw(file: OnnxFile): Record<string, HostTensor> {
  const random = new RandomState(5);
  return Object.fromEntries(file.inputs.map(({ name, dtype, shape }) => {
    const count = shape.reduce((a, b) => a * b, 1);
    if (name === "position") return [name, hostTensor("int64", shape, BigInt64Array.of(20n))];
    return [name, dtype === "int64" ? hostTensor("int64", shape, BigInt64Array.from({ length: count }, () => BigInt(random.randint(0, 60)))) : hostTensor("float32", shape, random.standardNormalFloat32(count))];
  }));
}

/** Relative to the largest value. */
function difference(a: ArrayLike<number | bigint>, b: ArrayLike<number | bigint>): number {
  let [worst, largest] = [0, 1e-12];
  for (let i = 0; i < b.length; i++) [worst, largest] = [Math.max(worst, Math.abs(Number(a[i]) - Number(b[i]))), Math.max(largest, Math.abs(Number(b[i])))];
  return a.length === b.length ? worst / largest : Infinity;
}

describe.each([["diffusion", ["transformer.onnx", "vae_decoder.onnx", "vae_encoder.onnx"]], ["spelled", ["tokenizer_decoder.onnx", "tokenizer_encoder.onnx", "transformer_prefill.onnx", "transformer_step.onnx"]]] as const)("%s as ONNX", (model, names) => {
  test.each([["f32", 2e-5], ["f16", 2e-2]] as const)("with weights of %s", async (weights, tolerance) => {
    const out = at(`${model}-${weights}`);
    const { files } = await exportOnnxFolder(at(model), out, { weights });
    expect(files.map(({ file }) => file).sort()).toEqual(names);
    // Only the exported folder is read from here on.
    const moved = mkdtempSync(at("moved-"));
    const pipeline = await openPipeline(at(model));
    const components = await Promise.all([...pipeline.components].filter(([name]) => name !== "scheduler").map(async ([name, { folder }]) => [name, await openComponent(folder)] as const));
    const parts = pipelineGraphs(pipeline.generation, components, sizes);
    for (const file of files) {
      const part = parts.find(({ networks }) => networks.graphs.some((g) => `${g.name}.onnx` === file.file))!;
      for (const name of [file.file, `${part.name}.data`]) copyFileSync(join(out, name), join(moved, name));
      const session = await ort.InferenceSession.create(join(moved, file.file));
      expect([...session.inputNames].sort()).toEqual(file.inputs.map(({ name }) => name).sort());
      const feeds = draw(file);
      const found = await session.run(Object.fromEntries(Object.entries(feeds).map(([name, { dtype, shape, data }]) => [name, new ort.Tensor(dtype as "float32", data as Float32Array, shape)])));
      const checkpoint = await part.component.checkpoint();
      const bound = await bindWeights(checkpoint, part.networks.parameters.all.values());
      const graph = part.networks.graphs.find((g) => `${g.name}.onnx` === file.file)!;
      const own = await runtime.load(compile({ outputs: graph.outputs, weights: bound.weights }), { weightsFolder: bound.weightsFolder! });
      const wanted = await own.run(feeds);
      await own.release();
      await checkpoint.close();
      for (const [name, { data }] of Object.entries(wanted)) {
        // A code is the same or another; with rounded weights some are others.
        if (name === "indices" && weights !== "f32") continue;
        expect(difference(found[name]!.data as Float32Array, data as Float32Array), `${file.file} ${name}`).toBeLessThan(tolerance);
      }
      await session.release();
    }
  });
});

test("only standard operators are used", async () => {
  const { files } = await exportOnnxFolder(at("diffusion"), at("plain"), {});
  for (const { file } of files) {
    const bytes = readFileSync(at("plain", file)).toString("latin1");
    for (const fused of ["FusedMatMul", "QuickGelu", "SkipLayerNormalization", "RotaryEmbedding"]) expect(bytes.includes(fused), `${fused} in ${file}`).toBe(false);
  }
});

test("sizes that do not fit are refused", async () => {
  await expect(exportOnnxFolder(at("diffusion"), at("wrong"), { frames: 16 })).rejects.toMatchObject({ code: "bad_argument", message: expect.stringMatching(/1 more than a multiple of 8/) as string });
  await expect(exportOnnxFolder(at("diffusion/transformer"), at("wrong"))).rejects.toMatchObject({ code: "bad_argument", message: expect.stringMatching(/pipeline's folder/) as string });
});

test("a folder for diffusers holds the same weights, rounded as asked, and opens here again", async () => {
  for (const [weights, digits] of [["f32", 7], ["bf16", 2]] as const) {
    await exportDiffusers(at("diffusion"), at(`diffusers-${weights}`), { weights });
    const pipeline = await openPipeline(at(`diffusers-${weights}`));
    expect([...pipeline.components.keys()].sort()).toEqual(["scheduler", "transformer", "vae"]);
    const component = await openComponent(at(`diffusers-${weights}/transformer`));
    const parameters = parametersOf(component)!;
    const [before, after] = [await readComponentWeights(await openComponent(at("diffusion/transformer")), parameters), await readComponentWeights(component, parameters)];
    for (const { name } of parameters) expect(Math.max(...after.get(name)!.map((v, i) => Math.abs(v - before.get(name)![i]!))), name).toBeLessThan(10 ** -digits * 2);
    const checkpoint = await openCheckpoint(at(`diffusers-${weights}/vae`));
    expect(checkpoint.info(checkpoint.names()[0]!).dtype).toBe(weights === "f32" ? "F32" : "BF16");
    await checkpoint.close();
  }
  await expect(exportDiffusers(at("spelled"), at("none"))).rejects.toMatchObject({ code: "bad_argument", message: expect.stringMatching(/diffusers has no class/) as string });
});
