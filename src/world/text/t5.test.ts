/** The text encoder against transformers' `T5EncoderModel`: answers and gradients, of both kinds of feed-forward layers, with masked tokens. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parameters } from "../../nn/index.ts";
import { compile, grad, input, mul, sum } from "../../tensor/index.ts";
import { hostTensor, openRuntime, type Runtime } from "../../tensor/runtime/node.ts";
import { difference, readConfig, readGoldens, testdata } from "../fixtures.cases.ts";
import { bucketsOf, parseT5Config, t5Encoder } from "./t5.ts";

let runtime: Runtime;
beforeAll(async () => {
  runtime = await openRuntime({ device: "cpu", threads: 1 });
});
afterAll(() => runtime.close());

describe.each(["t5-relu", "t5-gated"])("%s", (folder) => {
  test("answers and gradients", async () => {
    const config = parseT5Config(readConfig(testdata(folder, "config.json")));
    const { tensors } = await readGoldens(testdata(folder, "golden.safetensors"));
    const { tensors: weights } = await readGoldens(testdata(folder, "model.safetensors"));
    const shape = tensors.get("tokens")!.shape;
    const [tokens, mask] = [input("tokens", shape, "int64"), input("mask", shape, "bool")];
    const p = parameters();
    const probe = input("probe", tensors.get("probe")!.shape);
    const output = mul(t5Encoder(p.root, tokens, mask, config), input("counted", [...shape, 1]));
    expect([...p.all.values()].map((w) => `${w.name} ${w.shape.join()}`).sort()).toEqual([...weights].map(([name, w]) => `${name} ${w.shape.join()}`).sort());
    const all = [...p.all.values()];
    const gradients = grad(sum(mul(output, probe)), all.map((w) => w.tensor));
    const executable = await runtime.load(compile({ outputs: { output, ...Object.fromEntries(gradients.map((g, i) => [`grad.${all[i]!.name}`, g])) } }));
    const counted = Float32Array.from(tensors.get("mask")!.data);
    const result = await executable.run({
      ...Object.fromEntries([...weights].map(([name, w]) => [name, hostTensor("float32", w.shape, Float32Array.from(w.data))])),
      tokens: hostTensor("int64", shape, BigInt64Array.from([...tensors.get("tokens")!.data].map(BigInt))), mask: hostTensor("bool", shape, Uint8Array.from(counted)),
      counted: hostTensor("float32", [...shape, 1], counted), probe: hostTensor("float32", probe.shape, Float32Array.from(tensors.get("probe")!.data)),
    });
    await executable.release();
    for (const [name, { data }] of Object.entries(result)) expect([name, difference(data as Float32Array, tensors.get(name)!.data)]).toEqual([name, expect.toSatisfy((d: number) => d < 2e-5)]);
  });
});

test("distances fall into buckets as in T5: near ones exactly, far ones by logarithm, the farthest together", () => {
  const config = { relative_attention_num_buckets: 32, relative_attention_max_distance: 128 };
  const row = bucketsOf(300, config).slice(0, 300);
  expect(row.slice(0, 8)).toEqual([0, 17, 18, 19, 20, 21, 22, 23]);
  expect([row[8], row[16], row[32], row[64], row[127], row[299]]).toEqual([24, 26, 28, 30, 31, 31]);
});
