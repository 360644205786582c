/** Decoding, the loss and the configuration. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RandomState } from "../../tensor/random.ts";
import { evaluateGraph, grad, input } from "../../tensor/index.ts";
import { openRuntime, type Runtime } from "../../tensor/runtime/node.ts";
import { autoregressiveConfig, autoregressiveParameters, generate, longestSequence, nextTokenLoss, parseAutoregressiveConfig, positionCount, type GenerateOptions } from "./index.ts";
import { roundToBfloat16 } from "./position.ts";
import { ropeAngles } from "./rope.ts";

const config = autoregressiveConfig({ dim: 24, n_layers: 2, n_heads: 2, n_kv_heads: 1, ffn_hidden_size: 32, vocab_size: 30, max_seq_len: 24, rope_dim: "3D", video_latent_shape: [2, 3, 4] });

let runtime: Runtime;
let model: Pick<GenerateOptions, "config" | "weights" | "runtime">;
beforeAll(async () => {
  runtime = await openRuntime({ threads: 2 });
  const random = new RandomState(5);
  const weights = new Map([...autoregressiveParameters(config).all.values()].map((p) => [p.name, random.standardNormalFloat32(p.shape.reduce((a, b) => a * b, 1)).map((v) => v * 0.3)]));
  model = { config, weights: { weights }, runtime };
});
afterAll(() => runtime.close());

describe("generation", () => {
  const prompt = [3, 1, 4, 1, 5];

  test("is greedy at temperature 0, alike for every sequence of a batch", async () => {
    const [one] = await generate({ ...model, prompts: [prompt], newTokens: 8, temperature: 0 });
    expect(one).toHaveLength(8);
    expect(await generate({ ...model, prompts: [prompt, prompt, prompt], newTokens: 8, temperature: 0 })).toEqual([one, one, one]);
    // Going on from where it stopped gives the same.
    const [rest] = await generate({ ...model, prompts: [[...prompt, ...one!.slice(0, 3)]], newTokens: 5, temperature: 0 });
    expect(rest).toEqual(one!.slice(3));
  });

  test("follows its seed", async () => {
    const draw = (seed: number): Promise<number[][]> => generate({ ...model, prompts: [prompt, prompt], newTokens: 10, topP: 0.9, seed });
    const [a, b] = await draw(1);
    expect(await draw(1)).toEqual([a, b]);
    expect(a).not.toEqual(b);
    expect(await draw(2)).not.toEqual([a, b]);
  });

  test("stops when every sequence has met a stop token", async () => {
    const [free] = await generate({ ...model, prompts: [prompt], newTokens: 8, temperature: 0 });
    const stop = free![2]!;
    const [stopped] = await generate({ ...model, prompts: [prompt], newTokens: 8, temperature: 0, stopTokens: [stop] });
    expect(stopped).toEqual(free!.slice(0, free!.indexOf(stop)));
  });

  test("fills the model to its last position, and says when it cannot", async () => {
    const room = longestSequence(config) - prompt.length;
    expect((await generate({ ...model, prompts: [prompt], newTokens: room }))[0]).toHaveLength(room);
    await expect(generate({ ...model, prompts: [prompt], newTokens: room + 1 })).rejects.toMatchObject({ code: "bad_argument", message: expect.stringContaining(`at most ${room}`) as string });
  });

  test("reports every token and can be stopped", async () => {
    const seen: number[] = [];
    const stop = new AbortController();
    const running = generate({ ...model, prompts: [prompt], newTokens: 9, signal: stop.signal, progress: ({ done }) => (seen.push(done), done === 3 && stop.abort()) });
    await expect(running).rejects.toMatchObject({ code: "cancelled" });
    expect(seen).toEqual([0, 1, 2, 3]);
  });

  test.each([
    [{ prompts: [] }],
    [{ prompts: [[1], [1, 2]] }],
    [{ prompts: [[1, 30]] }],
    [{ prompts: [[-1]] }],
    [{ prompts: [[1]], newTokens: 0 }],
    [{ prompts: [[1]], topP: 0.9, topK: 3 }],
  ])("refuses %j", async (options) => {
    await expect(generate({ ...model, newTokens: 2, ...options })).rejects.toMatchObject({ code: "bad_argument" });
  });
});

describe("the loss", () => {
  const [b, n, v] = [2, 5, 7];
  const random = new RandomState(1);
  const logits = random.standardNormal(b * n * v).map((x) => 2 * x);
  const tokens = Float64Array.from({ length: b * n }, () => random.randint(0, v));
  const feeds = { logits: { shape: [b, n, v], data: logits }, tokens: { shape: [b, n], data: tokens } };
  const graph = (options: object) => nextTokenLoss(input("logits", [b, n, v]), input("tokens", [b, n], "int64"), options);

  test.each([[0, 1e-4], [2, 1e-4], [3, 0.5], [0, 0]])("is cross-entropy after %i tokens and z-loss of weight %f", (ignoreFirst, zLoss) => {
    let [entropy, counted, z] = [0, 0, 0];
    for (let s = 0; s < b; s++)
      for (let i = 0; i + 1 < n; i++) {
        const row = logits.subarray((s * n + i) * v, (s * n + i + 1) * v);
        const logZ = Math.log(row.reduce((t, x) => t + Math.exp(x), 0));
        z += logZ * logZ;
        if (i < ignoreFirst) continue;
        entropy += logZ - row[tokens[s * n + i + 1]!]!;
        counted++;
      }
    const [got] = evaluateGraph([graph({ ignoreFirst, zLoss })], feeds);
    expect(got!.data[0]).toBeCloseTo(entropy / counted + (zLoss * z) / (b * (n - 1)), 6);
  });

  test("the last token's logits and, without z-loss, the condition's get no gradient", () => {
    const x = input("logits", [b, n, v]);
    const [g] = evaluateGraph(grad(nextTokenLoss(x, input("tokens", [b, n], "int64"), { ignoreFirst: 2, zLoss: 0 }), [x]), feeds);
    const moved = Array.from({ length: n }, (_, i) => g!.data.subarray(i * v, (i + 1) * v).some((e) => e !== 0));
    expect(moved).toEqual([false, false, true, true, false]);
  });

  test("refuses a sequence that leaves nothing to learn", () => {
    expect(() => graph({ ignoreFirst: 4 })).toThrow(/nothing to learn/);
  });
});

describe("the configuration", () => {
  test.each([
    [{ rope_dim: "2D" }, /rope_dim/],
    [{ rope_dim: "3D" }, /video_latent_shape/],
    [{ n_heads: 6, n_kv_heads: 4, dim: 48 }, /n_kv_heads/],
    [{ head_dim: 7 }, /head_dim/],
    [{ apply_yarn: true }, /yarn_scale/],
    [{ apply_abs_pos_emb: true }, /apply_abs_pos_emb/],
    [{ insert_cross_attn: true, insert_cross_attn_every_k_layers: 0 }, /insert_cross_attn_every_k_layers/],
    [{ norm_type: "fused_rmsnorm" }, /norm_type/],
    [{ causal_mask: false }, /causal_mask/],
    [{ tensor_model_parallel_size: 2 }, /join the parts/],
    [{ n_layer: 2 }, /n_layer/],
    [{ _class_name: "RetinaFace" }, /RetinaFace/],
    [[], /object/],
  ])("%j is refused by name", (json, message) => {
    expect(() => parseAutoregressiveConfig(json)).toThrow(message);
  });

  test("a <bov> token stands before the video, at a position of zeros; padding follows it", () => {
    const bov = autoregressiveConfig({ ...config, training_type: "text_to_video", pad_to_multiple_of: 16 });
    expect(positionCount(bov)).toBe(32);
    const [plain, shifted] = [ropeAngles(config), ropeAngles(bov)];
    const half = 6;
    expect([...shifted.subarray(0, half)]).toEqual(new Array(half).fill(0));
    expect([...shifted.subarray(half, half + plain.length)]).toEqual([...plain]);
    expect(shifted.subarray(half + plain.length).every((a) => a === 0)).toBe(true);
  });

  test("bfloat16 rounds to nearest, ties to even", () => {
    expect([1, 1.00390625, 1.01171875, 0.1, -3.3, 0].map(roundToBfloat16)).toEqual([1, 1, 1.015625, 0.10009765625, -3.296875, 0]);
  });
});
