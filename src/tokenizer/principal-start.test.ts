/** A network that starts as a linear autoencoder: what it gives back is what the components say, rounded where it is discrete. */
import { describe, expect, test } from "vitest";
import { parameters } from "../nn/index.ts";
import { evaluateGraph, input, size } from "../tensor/index.ts";
import { randomAt } from "../dataset/index.ts";
import { initialValue } from "../training/index.ts";
import { decode, encode, parseTokenizerConfig, patchVideo, type TokenizerConfig } from "./index.ts";
import { hasPrincipalStart, principalComponents, principalStart } from "./principal-start.ts";
import { quietStart } from "./train.ts";

const shape = [1, 3, 5, 8, 8];
const continuous = { _class_name: "AutoencoderKLCosmos", encoder_block_out_channels: [12, 12], decode_block_out_channels: [12, 12], num_layers: 1, patch_size: 2, latent_channels: 4, spatial_compression_ratio: 2, temporal_compression_ratio: 2, attention_resolutions: [], resolution: 8 };
const discrete = { _class_name: "CausalDiscreteVideoTokenizer", channels: 12, channels_mult: [1], num_res_blocks: 1, patch_size: 2, spatial_compression: 2, temporal_compression: 2, levels: [8, 8, 8, 8], embedding_dim: 4, attn_resolutions: [], resolution: 8 };

/** Smooth pictures: plane waves of one colour, drifting. */
function pixelsOf(seed: number): Float64Array {
  const random = randomAt(seed, 0);
  const [, , t, h, w] = shape as [number, number, number, number, number];
  const [fx, fy, ft, phase] = [random.random() / 3, random.random() / 3, random.random() / 3, 6 * random.random()];
  const colour = [0.2 + 0.6 * random.random(), 0.2 + 0.6 * random.random(), 0.2 + 0.6 * random.random()];
  return Float64Array.from({ length: size(shape) }, (_, i) => colour[Math.floor(i / (t * h * w))]! * Math.sin(fx * (i % w) + fy * (Math.floor(i / w) % h) + ft * (Math.floor(i / (w * h)) % t) + phase));
}

function patchesOf(pixels: Float64Array, config: TokenizerConfig & { patch_size: number }): Float32Array[] {
  const { data, shape: patches } = evaluateGraph([patchVideo(input("pixels", shape), { size: config.patch_size, method: "haar" })], { pixels: { shape, data: pixels } })[0]!;
  const [frames, bands, h, w] = patches as [number, number, number, number];
  return Array.from({ length: frames * h * w }, (_, at) => Float32Array.from({ length: bands }, (__, c) => data[(Math.floor(at / (h * w)) * bands + c) * h * w + (at % (h * w))]!));
}

describe.each([["continuous", continuous, 0.05], ["discrete", discrete, 0.12]] as const)("%s", (_, json, allowed) => {
  const config = parseTokenizerConfig(json) as TokenizerConfig & { patch_size: number };

  test("gives back smooth pictures at once", () => {
    expect(hasPrincipalStart(config)).toBe(true);
    const rows = Array.from({ length: 24 }, (__, seed) => patchesOf(pixelsOf(seed), config)).flat();
    const bands = rows[0]!.length;
    const flat = new Float32Array(rows.length * bands);
    rows.forEach((row, i) => flat.set(row, i * bands));
    const all = parameters();
    const output = decode(all.root, encode(all.root, input("pixels", shape), config), config);
    const start = new Map([...quietStart(all), ...principalStart(config, all, principalComponents(flat, bands, 4), "levels" in json ? json.levels : undefined)]);
    const pixels = pixelsOf(99);
    const { data } = evaluateGraph([output], { pixels: { shape, data: pixels }, ...Object.fromEntries([...all.all.values()].map((p) => [p.name, { shape: p.shape, data: Float64Array.from(start.get(p.name) ?? initialValue(p, 1)) }])) })[0]!;
    const power = pixels.reduce((sum, v) => sum + v * v, 0);
    expect(data.reduce((sum, v, i) => sum + (v - pixels[i]!) ** 2, 0) / power).toBeLessThan(allowed);
  });
});

test("networks that resample or have no room for pairs cannot start so", () => {
  expect(hasPrincipalStart(parseTokenizerConfig({ ...continuous, spatial_compression_ratio: 4, encoder_block_out_channels: [12, 12, 12], decode_block_out_channels: [12, 12, 12] }))).toBe(false);
  expect(hasPrincipalStart(parseTokenizerConfig({ ...continuous, latent_channels: 6 }))).toBe(false);
});
