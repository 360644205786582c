/** Every family of tokenizer against what the reference implementations answered. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parameters } from "../nn/index.ts";
import { compile, grad, input, mul, sqrt, stack, sum, sumSquares, type Tensor } from "../tensor/index.ts";
import { hostTensor, openRuntime, type HostTensor, type Runtime } from "../tensor/runtime/node.ts";
import { difference, drawn, drawnInput, drawnWeights, goldenConfig, goldenNames, readGolden } from "./goldens.cases.ts";
import { compression, decode, decodeIndices, encode, encodeIndices, isDiscrete, latentShape, pixelShape } from "./index.ts";

let runtime: Runtime;
beforeAll(async () => {
  runtime = await openRuntime({ device: "cpu", threads: 2 });
});
afterAll(() => runtime.close());

async function evaluate(outputs: Record<string, Tensor>, feeds: Record<string, HostTensor>): Promise<Record<string, HostTensor>> {
  const program = compile({ outputs });
  const exe = await runtime.load(program);
  try {
    return await exe.run(Object.fromEntries(program.inputs.map(({ name }) => [name, feeds[name]!])));
  } finally {
    await exe.release();
  }
}

describe.each(goldenNames)("%s", (name) => {
  test("latents, indices and pixels are the reference's", async () => {
    const { config, inputShape, values } = await readGolden(name);
    const p = parameters();
    const x = input("input", inputShape);
    const outputs: Record<string, Tensor> = { output: decode(p.root, encode(p.root, x, config), config) };
    if (isDiscrete(config)) {
      const { indices, codes } = encodeIndices(p.root, x, config);
      Object.assign(outputs, { indices, codes, output_from_indices: decodeIndices(p.root, indices, config) });
    } else outputs["latent"] = encode(p.root, x, config);
    const answer = await evaluate(outputs, { input: drawnInput(inputShape), ...drawnWeights(p) });

    expect([...p.all.keys()].sort()).toEqual([...values.keys()].filter((k) => k.startsWith("grad.")).map((k) => k.slice(5)).sort());
    for (const [key, { data, shape }] of values) {
      if (key.startsWith("grad.")) continue;
      expect(answer[key]!.shape, key).toEqual(shape);
      expect(difference(answer[key]!.data, data), key).toBeLessThan(key === "indices" ? 1e-9 : 1e-4);
    }
    const latents = values.get("latent") ?? values.get("codes")!;
    expect(latentShape(config, inputShape)).toEqual(latents.shape);
    expect(pixelShape(config, latents.shape)).toEqual(values.get("output")!.shape);
    expect(compression(config).latentChannels).toBe(latents.shape[1]);
  });

  test("gradients are the reference's", async () => {
    const { config, inputShape, values } = await readGolden(name);
    const p = parameters();
    const y = decode(p.root, encode(p.root, input("input", inputShape), config), config);
    const loss = sum(mul(y, input("probe", y.shape)));
    const all = [...p.all.values()];
    const gradients = grad(loss, all.map(({ tensor }) => tensor));
    // Each gradient along one drawn direction, and its length.
    const outputs: Record<string, Tensor> = {};
    const feeds: Record<string, HostTensor> = { input: drawnInput(inputShape), probe: hostTensor("float32", y.shape, drawn("probe", y.shape)), ...drawnWeights(p) };
    all.forEach(({ name: key, shape }, i) => {
      const direction = `${key}!`;
      outputs[`grad.${key}`] = stack([sum(mul(gradients[i]!, input(direction, shape))), sqrt(sumSquares(gradients[i]!))], 0);
      feeds[direction] = hostTensor("float32", shape, drawn(direction, shape));
    });
    const answer = await evaluate(outputs, feeds);
    const lengths = [...values].filter(([key]) => key.startsWith("grad.")).map(([, { data }]) => data[1]!);
    // Some gradients are truly zero (a key's bias moves all scores of a query alike) or nearly so; what is left is rounding.
    const rounding = 1e-6 * Math.max(...lengths);
    for (const [key, { data: expected }] of values) {
      if (!key.startsWith("grad.")) continue;
      const allowed = 1e-3 * expected[1]! + rounding;
      (answer[key]!.data as Float32Array).forEach((v, i) => expect(Math.abs(v - expected[i]!), key).toBeLessThan(allowed));
    }
  });
});

test("a golden exists for every class", () => {
  expect(new Set(goldenNames.map((name) => goldenConfig(name)["_class_name"])).size).toBe(5);
});
