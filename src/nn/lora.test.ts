/** Adapted layers are what merged weights are, only adapters have gradients, and merging undoes itself. */
import { expect, test } from "vitest";
import { checkpoint, evaluateGraph, grad, input, sumSquares } from "../tensor/index.ts";
import { RandomState } from "../tensor/random.ts";
import { isTarget, linear, mergeLora, parameters, withLora, type Scope } from "./index.ts";
import type { Tensor } from "../tensor/index.ts";

const random = new RandomState(3);
const lora = { rank: 2, alpha: 3, targets: ["attn.to_q", "ff.2"] };

/** Two layers, of which one is adapted, in a region that is computed again. */
const network = (p: Scope, x: Tensor): Tensor => {
  const inner = (h: Tensor): Tensor => linear(p.in("attn").in("to_q"), h, 4);
  inner(x);
  return linear(p.in("out"), checkpoint(inner, x), 3, { bias: false });
};

test("an adapted network is the network with merged weights", () => {
  const base = parameters();
  const { root, adapters } = withLora(base.root, lora);
  const x = input("x", [5, 6]);
  const y = network(root, x);
  expect([...base.all.keys()]).toEqual(["attn.to_q.weight", "attn.to_q.bias", "out.weight"]);
  expect([...adapters.all.values()].map(({ name, shape, init }) => [name, shape, init.kind])).toEqual([["attn.to_q.lora_A.weight", [2, 6], "uniform"], ["attn.to_q.lora_B.weight", [4, 2], "zeros"]]);
  const feeds: Record<string, { shape: readonly number[]; data: Float64Array }> = { x: { shape: [5, 6], data: random.standardNormal(30) } };
  for (const { name, shape } of [...base.all.values(), ...adapters.all.values()]) feeds[name] = { shape, data: Float64Array.from(random.standardNormalFloat32(shape.reduce((a, b) => a * b, 1))) };
  const [adapted, ...gradients] = evaluateGraph([y, ...grad(sumSquares(y), [...adapters.all.values()].map((p) => p.tensor))], feeds);
  const values = (name: string): Float32Array => Float32Array.from(feeds[name]!.data);
  const merged = mergeLora(values("attn.to_q.weight"), values("attn.to_q.lora_A.weight"), values("attn.to_q.lora_B.weight"), 2, 3 / 2);
  const plain = parameters();
  const [wanted] = evaluateGraph([network(plain.root, x)], { ...feeds, "attn.to_q.weight": { shape: [4, 6], data: Float64Array.from(merged) } });
  adapted!.data.forEach((v, i) => expect(v).toBeCloseTo(wanted!.data[i]!, 5));
  for (const g of gradients) expect(g.data.some((v) => Math.abs(v) > 1e-3)).toBe(true);

  const restored = mergeLora(merged, values("attn.to_q.lora_A.weight"), values("attn.to_q.lora_B.weight"), 2, -3 / 2);
  // Two roundings to single precision at the size of what was merged.
  restored.forEach((v, i) => expect(Math.abs(v - values("attn.to_q.weight")[i]!)).toBeLessThan(2 ** -22 * Math.max(1, Math.abs(merged[i]!))));
});

test("at first nothing is changed, and a target is a whole path or its end", () => {
  const { root, adapters } = withLora(parameters().root, lora);
  network(root, input("x", [1, 6]));
  expect([...adapters.all.values()].find(({ name }) => name.includes("lora_B"))!.init).toEqual({ kind: "zeros" });
  expect(["a.attn.to_q", "attn.to_q", "xattn.to_q", "a.ff.2", "a.ff.2.x"].map((path) => isTarget(path, lora.targets))).toEqual([true, true, false, true, false]);
});
