/** What the parity fixtures do not show: refusals, equivalences, and gradients of a fresh model. */
import { expect, test } from "vitest";
import { parameters } from "../../nn/index.ts";
import { broadcastTo, constant, evaluateGraph, grad, input, reshape, sumSquares, type Tensor } from "../../tensor/index.ts";
import { RandomState } from "../../tensor/random.ts";
import { transformerConfig, type CosmosTransformerOptions } from "../config.ts";
import { difference } from "../fixtures.cases.ts";
import { cosmosTransformer, type CosmosTransformerInputs } from "./transformer.ts";

const small: CosmosTransformerOptions = { in_channels: 2, out_channels: 2, num_attention_heads: 1, attention_head_dim: 12, num_layers: 1, mlp_ratio: 1, text_embed_dim: 3, adaln_lora_dim: 2, max_size: [4, 4, 4] };

function run(inputs: Partial<CosmosTransformerInputs> = {}, options: CosmosTransformerOptions = {}): { output: Float64Array; gradients: Map<string, Float64Array> } {
  const random = new RandomState(1);
  const draw = (shape: readonly number[]): Float64Array => random.standardNormal(shape.reduce((a, b) => a * b, 1));
  const p = parameters();
  const given: CosmosTransformerInputs = {
    hiddenStates: input("x", [2, 2, 2, 4, 2]),
    timestep: constant([0.5, -1]),
    encoderHiddenStates: input("text", [2, 3, 3]),
    ...inputs,
  };
  const output = cosmosTransformer(p.root, given, transformerConfig({ ...small, ...options }));
  const weights = [...p.all.values()];
  const gradients = grad(sumSquares(output), weights.map((w) => w.tensor));
  const feeds: Record<string, { shape: readonly number[]; data: Float64Array }> = { x: { shape: given.hiddenStates.shape, data: draw(given.hiddenStates.shape) }, text: { shape: [2, 3, 3], data: draw([2, 3, 3]) } };
  for (const w of weights) feeds[w.name] = { shape: w.shape, data: w.name.startsWith("learnable") ? new Float64Array(w.shape[0]! * w.shape[1]!) : draw(w.shape) };
  const [y, ...g] = evaluateGraph([output, ...gradients], feeds);
  return { output: y!.data, gradients: new Map(weights.map((w, i) => [w.name, g[i]!.data])) };
}

const plain = run();

test("position tables of zeros, as in a fresh diffusers model, have finite gradients", () => {
  for (const [name, data] of plain.gradients) expect(data.every(Number.isFinite), name).toBe(true);
});

test("one noise level per frame, all alike, is one noise level", () => {
  const timestep = broadcastTo(reshape(constant([0.5, -1]), [2, 1, 1, 1, 1]), [2, 1, 2, 1, 1]);
  const perFrame = run({ timestep });
  expect(difference(perFrame.output, plain.output)).toBeLessThan(1e-9);
  for (const [name, data] of plain.gradients) expect(difference(perFrame.gradients.get(name)!, data), name).toBeLessThan(1e-7);
});

test("one noise level for all videos is that level for each", () => {
  expect(difference(run({ timestep: constant([0.5]) }).output, run({ timestep: constant([0.5, 0.5]) }).output)).toBeLessThan(1e-9);
});

test("no padding mask is a mask of zeros", () => {
  expect(difference(run({ paddingMask: constant(new Float32Array(64), [1, 1, 8, 8]) }).output, plain.output)).toBe(0);
});

test("masked text is not read", () => {
  const keep = (...bits: number[]): Tensor => constant(bits, [2, 3], "bool");
  expect(difference(run({ attentionMask: keep(1, 1, 1, 1, 1, 1) }).output, plain.output)).toBeLessThan(1e-9);
  const hidden = constant([0, 0, -1e9, 0, 0, 0], [2, 3]);
  expect(difference(run({ attentionMask: keep(1, 1, 0, 1, 1, 1) }).output, run({ attentionMask: hidden }).output)).toBeLessThan(1e-9);
});

test.each<[string, Partial<CosmosTransformerInputs>, RegExp, CosmosTransformerOptions?]>([
  ["an odd latent", { hiddenStates: input("x", [2, 2, 2, 3, 2]) }, /does not divide/],
  ["a latent that is too large", { hiddenStates: input("x", [2, 2, 2, 4, 6]) }, /larger than the 4/],
  ["a condition mask where none belongs", { conditionMask: constant(new Float32Array(32), [2, 1, 2, 4, 2]) }, /3 channel/],
  ["no condition mask where one belongs", {}, /takes 3/, { in_channels: 3 }],
  ["a timestep per something else", { timestep: constant([1, 2, 3]) }, /\[2\] or \[2, 1, 2, 1, 1\]/],
  ["text of another width", { encoderHiddenStates: input("text", [2, 3, 4]) }, /\[B, tokens, 3\]/],
  ["an unexpected image", { imageContext: input("image", [2, 3, 4]) }, /no image context/],
  ["no frames per second", { fps: 0 }, /above 0/],
])("refuses %s", (_, inputs, message, options) => {
  expect(() => run(inputs, options)).toThrow(expect.objectContaining({ code: "bad_argument", message: expect.stringMatching(message) as string }));
});
