import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Checkpoint } from "./checkpoint.ts";
import { detectNaming, translateKeys, withNaming, type KeyNaming } from "./keys.ts";
import { openSafetensors } from "./safetensors.ts";
import { writeSafetensors, type SafetensorsEntry } from "./safetensors-writer.ts";

const numbers = (modules: string[]): string[] => modules.flatMap((m) => [`${m}.weight`, `${m}.bias`]);

/** Modules of a continuous video tokenizer in the original naming. Released: 3 levels, 2 blocks, no attention in levels. */
function tokenizer(levels: number, blocks: number, attention: boolean): string[] {
  const factorised = (m: string): string[] => [`${m}.0.conv3d`, `${m}.1.conv3d`];
  const resnet = (m: string): string[] => [`${m}.norm1.norm`, ...factorised(`${m}.conv1`), `${m}.norm2.norm`, ...factorised(`${m}.conv2`), `${m}.nin_shortcut.conv3d`];
  const attn = (m: string): string[] => [0, 1].flatMap((i) => [`${m}.${i}.norm.norm`, ...["q", "k", "v", "proj_out"].map((c) => `${m}.${i}.${c}.conv3d`)]);
  const out: string[] = [];
  for (const [side, level, n] of [["encoder", "down", blocks], ["decoder", "up", blocks + 1]] as const) {
    out.push(...factorised(`${side}.conv_in`), ...resnet(`${side}.mid.block_1`), ...attn(`${side}.mid.attn_1`), ...resnet(`${side}.mid.block_2`));
    for (let i = 0; i < levels; i++) {
      for (let j = 0; j < n; j++) out.push(...resnet(`${side}.${level}.${i}.block.${j}`), ...(attention ? attn(`${side}.${level}.${i}.attn.${j}`) : []));
      for (const c of ["conv1", "conv2", "conv3"]) out.push(`${side}.${level}.${i}.${level}sample.${c}.conv3d`);
    }
    out.push(`${side}.norm_out.norm`, ...factorised(`${side}.conv_out`));
  }
  return numbers([...out, "quant_conv.conv3d", "post_quant_conv.conv3d"]);
}

function transformer1(blocks: number): string[] {
  const out = ["x_embedder.proj.1.weight", "t_embedder.1.linear_1.weight", "t_embedder.1.linear_2.weight", "affline_norm.weight", "final_layer.linear.weight"];
  for (const axis of "thw") out.push(`extra_pos_embedder.pos_emb_${axis}`);
  for (const i of [1, 2]) out.push(`final_layer.adaLN_modulation.${i}.weight`);
  for (let n = 0; n < blocks; n++) {
    for (const part of [0, 1]) for (const p of ["to_q.0", "to_q.1", "to_k.0", "to_k.1", "to_v.0", "to_out.0"]) out.push(`blocks.block${n}.blocks.${part}.block.attn.${p}.weight`);
    for (const p of ["layer1", "layer2"]) out.push(`blocks.block${n}.blocks.2.block.${p}.weight`);
    for (const part of [0, 1, 2]) for (const i of [1, 2]) out.push(`blocks.block${n}.blocks.${part}.adaLN_modulation.${i}.weight`);
  }
  return out;
}

function transformer2(blocks: number): string[] {
  const out = ["x_embedder.proj.1", "t_embedder.1.linear_1", "t_embedder.1.linear_2", "t_embedding_norm", "final_layer.linear", "final_layer.adaln_modulation.1", "final_layer.adaln_modulation.2", "crossattn_proj.0"];
  for (let n = 0; n < blocks; n++) {
    for (const a of ["self_attn", "cross_attn"]) for (const p of ["q_proj", "k_proj", "v_proj", "output_proj", "q_norm", "k_norm"]) out.push(`blocks.${n}.${a}.${p}`);
    for (const p of ["q_img", "k_img_norm"]) out.push(`blocks.${n}.cross_attn.${p}`);
    for (const m of ["self_attn", "cross_attn", "mlp"]) for (const i of [1, 2]) out.push(`blocks.${n}.adaln_modulation_${m}.${i}`);
    out.push(`blocks.${n}.mlp.layer1`, `blocks.${n}.mlp.layer2`);
  }
  return out.map((m) => `net.${m}.weight`);
}

function roundTrip(names: string[], from: KeyNaming, to: KeyNaming): Map<string, string> {
  expect(detectNaming(names)).toBe(from);
  const there = translateKeys(names, from, to);
  expect(there.size).toBe(names.length);
  expect(detectNaming(there.keys())).toBe(to);
  const back = translateKeys(there.keys(), to, from);
  expect([...back].map(([old, renamed]) => [old, there.get(renamed)])).toEqual(names.map((n) => [n, n]));
  return there;
}

describe("there and back is the identity", () => {
  test("tokenizers of any number of levels", () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 3 }), fc.boolean(), (levels, blocks, attention) => {
      roundTrip(tokenizer(levels, blocks, attention), "cosmos-tokenizer", "diffusers-tokenizer");
    }), { numRuns: 10 });
  });

  test("transformers of both generations, and from one to the other", () => {
    roundTrip(transformer1(36), "cosmos-transformer-1", "diffusers-transformer");
    roundTrip(transformer2(28), "cosmos-transformer-2", "diffusers-transformer");
    const plain = transformer1(2).filter((n) => !n.startsWith("extra_pos"));
    roundTrip(plain, "cosmos-transformer-1", "cosmos-transformer-2");
  });
});

describe("names are those of diffusers", () => {
  const inverse = (m: Map<string, string>): Map<string, string> => new Map([...m].map(([a, b]) => [b, a]));

  test("tokenizer", () => {
    const to = inverse(translateKeys(tokenizer(3, 2, true), "cosmos-tokenizer", "diffusers-tokenizer"));
    const pairs: Record<string, string> = {
      "encoder.conv_in.0.conv3d.weight": "encoder.conv_in.conv_s.weight",
      "encoder.down.1.block.0.conv2.1.conv3d.bias": "encoder.down_blocks.1.resnets.0.conv2.conv_t.bias",
      "encoder.down.0.block.1.nin_shortcut.conv3d.weight": "encoder.down_blocks.0.resnets.1.conv_shortcut.weight",
      "encoder.down.2.attn.1.1.q.conv3d.weight": "encoder.down_blocks.2.temp_attentions.1.to_q.weight",
      "encoder.mid.attn_1.1.proj_out.conv3d.weight": "encoder.mid_block.temp_attentions.0.to_out.0.weight",
      "decoder.mid.block_2.norm1.norm.bias": "decoder.mid_block.resnets.1.norm1.norm.bias",
      "decoder.up.0.block.2.conv1.0.conv3d.weight": "decoder.up_blocks.2.resnets.2.conv1.conv_s.weight",
      "decoder.up.2.upsample.conv3.conv3d.weight": "decoder.up_blocks.0.upsamplers.0.conv3.weight",
      "post_quant_conv.conv3d.bias": "post_quant_conv.bias",
    };
    for (const [from, expected] of Object.entries(pairs)) expect(to.get(from)).toBe(expected);
  });

  test("with two levels the decoder counts from the second", () => {
    expect(translateKeys(tokenizer(2, 1, false), "cosmos-tokenizer", "diffusers-tokenizer").get("decoder.up_blocks.0.resnets.0.norm1.norm.weight")).toBe("decoder.up.1.block.0.norm1.norm.weight");
  });

  test("transformer", () => {
    const one = inverse(translateKeys(transformer1(2), "cosmos-transformer-1", "diffusers-transformer"));
    expect(one.get("blocks.block1.blocks.0.block.attn.to_k.1.weight")).toBe("transformer_blocks.1.attn1.norm_k.weight");
    expect(one.get("blocks.block0.blocks.1.adaLN_modulation.2.weight")).toBe("transformer_blocks.0.norm2.linear_2.weight");
    expect(one.get("extra_pos_embedder.pos_emb_h")).toBe("learnable_pos_embed.pos_emb_h");
    const two = inverse(translateKeys(transformer2(2), "cosmos-transformer-2", "diffusers-transformer"));
    expect(two.get("net.blocks.1.cross_attn.output_proj.weight")).toBe("transformer_blocks.1.attn2.to_out.0.weight");
    expect(two.get("net.blocks.0.mlp.layer2.weight")).toBe("transformer_blocks.0.ff.net.2.weight");
    expect(two.get("net.t_embedding_norm.weight")).toBe("time_embed.norm.weight");
  });
});

test("buffers are dropped, with or without `net.`", () => {
  const buffers = ["encoder.patcher3d.wavelets", "encoder.patcher3d._arange", "encoder.patcher3d.patch_size_buffer", "decoder.unpatcher3d.wavelets"];
  expect([...translateKeys([...buffers, ...tokenizer(1, 1, false)], "cosmos-tokenizer", "diffusers-tokenizer").values()]).toEqual(tokenizer(1, 1, false));
  expect([...translateKeys(["quantizer._levels", "quant_conv.conv3d.bias"], "cosmos-tokenizer", "cosmos-tokenizer").keys()]).toEqual(["quant_conv.conv3d.bias"]);
  const extra = ["net.pos_embedder.seq", "net.accum_iteration", "net.blocks.0.self_attn.q_norm._extra_state", "logvar.0.freqs"];
  expect(translateKeys(extra, "cosmos-transformer-2", "diffusers-transformer").size).toBe(0);
});

test("of a network and its moving average the network is taken, of an average alone the average", () => {
  const network = transformer2(1);
  const average = network.map((n) => n.replace("net.", "net_ema."));
  expect(detectNaming(average)).toBe("cosmos-transformer-2");
  expect([...translateKeys([...average, ...network], "cosmos-transformer-2", "diffusers-transformer").values()]).toEqual(network);
  const alone = translateKeys(average, "cosmos-transformer-2", "diffusers-transformer");
  expect([...alone.keys()]).toEqual([...translateKeys(network, "cosmos-transformer-2", "diffusers-transformer").keys()]);
  expect([...alone.values()]).toEqual(average);
});

test("what a table does not cover is an error that names it", () => {
  expect(() => translateKeys(["blocks.0.surprise.weight"], "cosmos-transformer-2", "diffusers-transformer")).toThrow(/1 of 1 names.*blocks\.0\.surprise\.weight/);
  expect(() => translateKeys(["net.t_embedding_norm.weight", "t_embedding_norm.weight"], "cosmos-transformer-2", "diffusers-transformer")).toThrow(/both/);
  expect(() => translateKeys([], "cosmos-tokenizer", "diffusers-transformer")).toThrow(/different networks/);
  expect(detectNaming(["body.stage1.0.weight"])).toBeUndefined();
});

describe("withNaming", () => {
  const open = async (names: string[]): Promise<Checkpoint> => {
    const path = join(await mkdtemp(join(tmpdir(), "orrery-keys-")), "model.safetensors");
    await writeSafetensors(path, names.map((name, i): SafetensorsEntry => ({ name, dtype: "F32", shape: [1], data: Float32Array.of(i) })));
    return openSafetensors(path);
  };

  test("an original checkpoint is seen under diffusers' names, with its values and places", async () => {
    const original = await open([...tokenizer(1, 1, false), "encoder.patcher3d.wavelets"]);
    const seen = withNaming(original, "diffusers-tokenizer");
    expect(seen.names()).not.toContain("encoder.patcher3d.wavelets");
    expect(await seen.readF32("quant_conv.weight")).toEqual(await original.readF32("quant_conv.conv3d.weight"));
    expect(seen.location("quant_conv.weight")).toEqual(original.location("quant_conv.conv3d.weight"));
    expect(withNaming(seen, "diffusers-tokenizer")).toBe(seen);
    await seen.close();
    await expect(original.read("quant_conv.conv3d.weight")).rejects.toThrow(/closed/);
  });

  test("an unknown naming is an error", async () => {
    const other = await open(["body.stage1.0.weight"]);
    expect(() => withNaming(other, "diffusers-tokenizer")).toThrow(/no known naming.*body\.stage1/);
    await other.close();
  });
});
