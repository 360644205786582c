/** The transformer against PyTorch's answers: every folder of testdata that holds a `CosmosTransformer3DModel`. */
import { readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parameters } from "../../nn/index.ts";
import { compile, grad, input, mul, sum, type Tensor } from "../../tensor/index.ts";
import { hostTensor, openRuntime, type HostTensor, type Runtime } from "../../tensor/runtime/node.ts";
import { parseTransformerConfig, transformerClassName } from "../config.ts";
import { difference, readConfig, readGoldens, testdata } from "../fixtures.cases.ts";
import { cosmosTransformer } from "./transformer.ts";

const folders = readdirSync(testdata()).filter((f) => f.startsWith("diffusion-") && readConfig(testdata(f, "config.json"))["_class_name"] === transformerClassName);

let runtime: Runtime;
beforeAll(async () => {
  runtime = await openRuntime({ device: "cpu", threads: 2 });
});
afterAll(() => runtime.close());

async function answers(folder: string, recompute: boolean): Promise<Record<string, HostTensor>> {
  const config = parseTransformerConfig(readConfig(testdata(folder, "config.json")));
  const { tensors, metadata } = await readGoldens(testdata(folder, "golden.safetensors"));
  const { tensors: weights } = await readGoldens(testdata(folder, "diffusion_pytorch_model.safetensors"));
  const p = parameters();
  const fed = (name: string): Tensor | undefined => (tensors.has(name) ? input(name, tensors.get(name)!.shape) : undefined);
  const output = cosmosTransformer(
    p.root,
    {
      hiddenStates: fed("input")!,
      timestep: fed("timestep")!,
      encoderHiddenStates: fed("encoder_hidden_states")!,
      imageContext: fed("img_context"),
      attentionMask: fed("attention_mask"),
      conditionMask: fed("condition_mask"),
      paddingMask: fed("padding_mask"),
      controlResiduals: [fed("control.0"), fed("control.1")].filter((t) => t !== undefined),
      fps: metadata.fps === undefined || metadata.fps === "None" ? undefined : Number(metadata.fps),
      recompute,
    },
    config,
  );
  expect([...p.all.values()].map((w) => `${w.name} ${w.shape.join()}`).sort()).toEqual([...weights].map(([name, w]) => `${name} ${w.shape.join()}`).sort());
  const wanted = [...p.all.values()].filter((w) => tensors.has(`grad.${w.name}`));
  const gradients = tensors.has("probe") ? grad(sum(mul(output, fed("probe")!)), wanted.map((w) => w.tensor)) : [];
  const outputs = { output, ...Object.fromEntries(gradients.map((g, i) => [`grad.${wanted[i]!.name}`, g])) };
  const program = compile({ outputs });
  const exe = await runtime.load(program);
  const feeds = Object.fromEntries(
    program.inputs.map(({ name }) => {
      const { shape, data } = (tensors.get(name) ?? weights.get(name))!;
      return [name, hostTensor("float32", shape, data)];
    }),
  );
  const result = await exe.run(feeds);
  await exe.release();
  return result;
}

describe.each(folders)("%s", (folder) => {
  test.each([false, true])("answers and gradients, with blocks recomputed: %s", async (recompute) => {
    const { tensors } = await readGoldens(testdata(folder, "golden.safetensors"));
    const result = await answers(folder, recompute);
    expect(result.output!.shape).toEqual(tensors.get("output")!.shape);
    const expected = [...tensors].filter(([name]) => name === "output" || name.startsWith("grad."));
    expect(Object.keys(result).sort()).toEqual(expected.map(([name]) => name).sort());
    for (const [name, { data }] of expected) expect(difference(result[name]!.data as Float32Array, data), name).toBeLessThan(name === "output" ? 1e-4 : 1e-3);
  });
});
