/** What a tokenizer does whatever its weights: shapes, causality, patches that come back, indices, refusals. */
import { describe, expect, test } from "vitest";
import { parameters } from "../nn/index.ts";
import { constant, evaluateGraph, grad, input, sum, type Shape, type Tensor } from "../tensor/index.ts";
import { difference, drawn, drawnWeights } from "./goldens.cases.ts";
import { compression, decode, decodeIndices, encode, encodeIndices, fsqCodes, fsqQuantize, isDiscrete, latentShape, parseTokenizerConfig, patchImage, patchVideo, pixelShape, unpatchImage, unpatchVideo, type Patch, type TokenizerConfig } from "./index.ts";

const small = (more: object = {}): TokenizerConfig =>
  parseTokenizerConfig({ _class_name: "AutoencoderKLCosmos", encoder_block_out_channels: [4, 4, 8], decode_block_out_channels: [4, 8, 8], num_layers: 1, latent_channels: 2, patch_size: 2, spatial_compression_ratio: 4, temporal_compression_ratio: 2, ...more });

const numbers = (t: Tensor): Float64Array => evaluateGraph([t], {})[0]!.data;
const drawnConstant = (name: string, shape: Shape): Tensor => constant(drawn(name, shape), shape);

describe.each<Patch>([
  { size: 1, method: "haar" },
  { size: 2, method: "haar" },
  { size: 4, method: "haar" },
  { size: 2, method: "rearrange" },
  { size: 4, method: "rearrange" },
])("patches of $size, $method", (patch) => {
  test("a video comes back", () => {
    const x = drawnConstant("video", [2, 3, 1 + patch.size, 8, 4]);
    const patches = patchVideo(x, patch);
    expect(patches.shape).toEqual([4, 3 * patch.size ** 3, 8 / patch.size, 4 / patch.size]);
    expect(difference(numbers(unpatchVideo(patches, 2, patch)), drawn("video", x.shape))).toBeLessThan(1e-6);
  });

  test("a picture comes back", () => {
    const x = drawnConstant("picture", [2, 3, 8, 4]);
    expect(difference(numbers(unpatchImage(patchImage(x, patch), patch)), drawn("picture", x.shape))).toBeLessThan(1e-6);
  });
});

test("the first Haar channel is the mean of the block", () => {
  // Measured with the reference: a 1x1x5x8x8 ramp gives (1, 64, 2, 2, 2) and 0.135 there.
  const ramp = constant(Float32Array.from({ length: 320 }, (_, i) => i / 100), [1, 1, 5, 8, 8]);
  const patches = patchVideo(ramp, { size: 4, method: "haar" });
  expect(patches.shape).toEqual([2, 64, 2, 2]);
  expect(numbers(patches)[0]).toBeCloseTo(0.135, 6);
});

test("FSQ numbers codes as the reference does", () => {
  const levels = [8, 8, 8, 5, 5, 5];
  const rows = [
    { z: [-2, -1, -0.3, 0, 0.4, 1.5], index: 60104, codes: [-1, -0.75, -0.25, 0, 0.5, 1] },
    { z: [0.1, 0.9, 2.5, -1.2, -0.2, 0.05], index: 31220 },
    { z: [0, 0, 0, 0, 0, 0], index: 32036 },
  ];
  for (const { z, index, codes } of rows) {
    const found = fsqQuantize(constant(z, [1, 6, 1, 1]), levels);
    expect([...numbers(found.indices)]).toEqual([index]);
    if (codes) expect([...numbers(found.codes)]).toEqual(codes);
  }
});

test("every index has codes that quantize back to it", () => {
  const levels = [5, 4, 3, 2];
  const all = Array.from({ length: 120 }, (_, i) => i);
  const codes = numbers(fsqCodes(constant(all, [1, 120], "int64"), levels));
  const half = levels.map((l) => Math.floor(l / 2));
  const place = [1, 5, 20, 60];
  const back = all.map((i) => levels.reduce((n, _, c) => n + (codes[c * 120 + i]! * half[c]! + half[c]!) * place[c]!, 0));
  back.forEach((n, i) => expect(n).toBeCloseTo(i, 5));
});

test("gradients pass through the rounding", () => {
  const z = input("z", [1, 2, 3]);
  const [dz] = grad(sum(fsqQuantize(z, [5, 4]).codes), [z]);
  const values = evaluateGraph([dz!], { z: { shape: [1, 2, 3], data: Float64Array.of(0, 1, 2, 0, 1, 2) } })[0]!.data;
  for (const v of values) expect(v).toBeGreaterThan(0);
});

const weigh = (f: (p: ReturnType<typeof parameters>) => Tensor): Float64Array => {
  const p = parameters();
  const y = f(p);
  const feeds = Object.entries(drawnWeights(p)).map(([k, t]) => [k, { shape: t.shape, data: Float64Array.from(t.data as Float32Array) }]);
  return evaluateGraph([y], Object.fromEntries(feeds) as never)[0]!.data;
};

test("latents do not change with what comes after them, nor pixels", () => {
  const config = small({ attention_resolutions: [512] });
  const shape = [1, 3, 5, 8, 8];
  const video = drawn("video", shape);
  const other = video.slice();
  const plane = 64;
  // Frames 3 and 4 of each channel: the last latent frame's.
  for (let c = 0; c < 3; c++) other.fill(0.25, (c * 5 + 3) * plane, (c + 1) * 5 * plane);
  const [a, b] = [video, other].map((pixels) => weigh(({ root }) => encode(root, constant(pixels, shape), config))) as [Float64Array, Float64Array];
  expect(latentShape(config, shape)).toEqual([1, 2, 3, 2, 2]);
  for (let c = 0; c < 2; c++) {
    expect(difference(a.subarray(c * 12, c * 12 + 8), b.subarray(c * 12, c * 12 + 8) as never)).toBeLessThan(1e-12);
    expect(difference(a.subarray(c * 12 + 8, c * 12 + 12), b.subarray(c * 12 + 8, c * 12 + 12) as never)).toBeGreaterThan(1e-3);
  }
  const decoded = [a, b].map((z) => weigh(({ root }) => decode(root, constant(Float32Array.from(z), [1, 2, 3, 2, 2]), config))) as [Float64Array, Float64Array];
  for (let c = 0; c < 3; c++) expect(difference(decoded[0].subarray(c * 320, c * 320 + 192), decoded[1].subarray(c * 320, c * 320 + 192) as never)).toBeLessThan(1e-5);
});

test("one frame codes as the first frame of a video", () => {
  const config = small();
  const still = drawn("still", [1, 3, 1, 8, 8]);
  const video = new Float32Array(3 * 3 * 64);
  for (let c = 0; c < 3; c++) for (let t = 0; t < 3; t++) video.set(still.subarray(c * 64, c * 64 + 64).map((v) => v * (1 - t / 3)), (c * 3 + t) * 64);
  const alone = weigh(({ root }) => encode(root, constant(still, [1, 3, 1, 8, 8]), config));
  const first = weigh(({ root }) => encode(root, constant(video, [1, 3, 3, 8, 8]), config));
  for (let c = 0; c < 2; c++) expect(difference(alone.subarray(c * 4, c * 4 + 4), first.subarray(c * 8, c * 8 + 4) as never)).toBeLessThan(1e-9);
});

test("every published variant has the shapes and numbers of parameters it should", () => {
  const variants: [{ _class_name: string; [field: string]: unknown }, number[], number[], number][] = [
    [{ _class_name: "AutoencoderKLCosmos" }, [1, 3, 9, 64, 64], [1, 16, 2, 8, 8], 105_653_696],
    [{ _class_name: "CausalContinuousVideoTokenizer", patch_size: 2, temporal_compression: 4 }, [1, 3, 9, 64, 64], [1, 16, 3, 8, 8], 110.2e6],
    [{ _class_name: "CausalDiscreteVideoTokenizer" }, [1, 3, 9, 64, 64], [1, 6, 2, 4, 4], 110_898_294],
    [{ _class_name: "CausalDiscreteVideoTokenizer", patch_size: 2, temporal_compression: 4, spatial_compression: 8, z_channels: 256 }, [1, 3, 5, 32, 32], [1, 6, 2, 4, 4], 112.6e6],
    [{ _class_name: "ContinuousImageTokenizer", patch_size: 2, spatial_compression: 8 }, [2, 3, 32, 32], [2, 16, 4, 4], 81.38e6],
    [{ _class_name: "DiscreteImageTokenizer", patch_size: 2 }, [1, 3, 4, 64, 32], [1, 6, 4, 4, 2], 86.55e6],
  ];
  for (const [json, pixels, latents, expected] of variants) {
    const config = parseTokenizerConfig(json);
    const p = parameters();
    const x = input("pixels", pixels);
    const z = encode(p.root, x, config);
    expect(z.shape).toEqual(latents);
    expect(latentShape(config, pixels)).toEqual(latents);
    expect(decode(p.root, z, config).shape).toEqual(pixels);
    expect(pixelShape(config, latents)).toEqual(pixels);
    const total = [...p.all.values()].reduce((n, { shape }) => n + shape.reduce((a, b) => a * b, 1), 0);
    expect(Math.abs(total / expected - 1), `${json["_class_name"]}: ${total}`).toBeLessThan(1e-3);
    if (isDiscrete(config)) {
      const { indices } = encodeIndices(p.root, x, config);
      expect(indices.dtype).toBe("int64");
      expect(indices.shape).toEqual([latents[0], ...latents.slice(2)]);
      expect(decodeIndices(p.root, indices, config).shape).toEqual(pixels);
    }
  }
  expect(compression(small())).toEqual({ temporal: 2, spatial: 4, channels: 3, latentChannels: 2 });
});

test("defaults and statistics of latents are the reference's", () => {
  const given = parseTokenizerConfig({ _class_name: "AutoencoderKLCosmos", _diffusers_version: "0.33" });
  expect(given).toMatchObject({ scaling_factor: 1, patch_type: "haar", num_layers: 2 });
  expect("latents_mean" in given && given.latents_mean?.length).toBe(256);
  expect(small()).toMatchObject({ latents_mean: null, latents_std: null });
});

test.each([
  [{ _class_name: "AutoencoderKL" }, "_class_name"],
  [{}, "_class_name"],
  [{ _class_name: "AutoencoderKLCosmos", patch: 4 }, "patch"],
  [{ _class_name: "AutoencoderKLCosmos", patch_size: 3 }, "power of two"],
  [{ _class_name: "AutoencoderKLCosmos", patch_size: 2 }, "changes the"],
  [{ _class_name: "AutoencoderKLCosmos", spatial_compression_ratio: 2 }, "compression of 2"],
  [{ _class_name: "CausalDiscreteVideoTokenizer", quantizer: "VQ" }, "quantizer"],
  [{ _class_name: "CausalDiscreteVideoTokenizer", encoder: "BASE" }, "encoder"],
  [{ _class_name: "CausalDiscreteVideoTokenizer", embedding_dim: 5 }, "embedding_dim"],
  [{ _class_name: "CausalContinuousVideoTokenizer", formulation: "VAE" }, "z_factor"],
  [{ _class_name: "ContinuousImageTokenizer", channels: 24 }, "32 groups"],
])("refuses %j", (json, what) => {
  expect(() => parseTokenizerConfig(json)).toThrow(expect.objectContaining({ code: "bad_config", message: expect.stringContaining(what) as string }) as Error);
});

test.each([
  [[1, 3, 4, 8, 8]],
  [[1, 3, 5, 8, 6]],
  [[1, 4, 5, 8, 8]],
  [[1, 3, 8, 8]],
])("refuses pixels %j", (shape) => {
  expect(() => encode(parameters().root, input("x", shape), small())).toThrow(expect.objectContaining({ code: "bad_argument" }) as Error);
});

test("indices need a discrete tokenizer", () => {
  expect(() => encodeIndices(parameters().root, input("x", [1, 3, 1, 8, 8]), small())).toThrow("continuous");
});
