/** Whole videos through tokenizers: windows, tiles, edges, and that what is in the file is what the codec answers. */
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parameters } from "../nn/index.ts";
import { input } from "../tensor/index.ts";
import { hostTensor, openRuntime, type HostTensor, type Runtime } from "../tensor/runtime/node.ts";
import { fromTensor, readClip, sliceClip, toTensor, writeClip, type Clip, type Picture } from "../video/index.ts";
import { openCheckpoint } from "../weights/index.ts";
import { codec, type Codec } from "./codec.ts";
import { drawnWeights, goldenConfig } from "./goldens.cases.ts";
import { compression, decode, decodeIndices, encode, encodeIndices, isDiscrete } from "./index.ts";
import { checkDecodes, openLatents, openLatentsWriter } from "./latents-file.ts";
import { latentsLayout, type LatentsInfo } from "./latents-info.ts";
import { decodeToVideo, decodeWindows, encodedBefore, encodeVideo, inWindows } from "./stream.ts";

const folder = mkdtempSync(join(tmpdir(), "orrery-stream-"));
const at = (name: string): string => join(folder, name);
const identity = { className: "AutoencoderKLCosmos", sha256: "ab".repeat(32) };

let runtime: Runtime;
const open: Codec[] = [];
beforeAll(async () => {
  runtime = await openRuntime({ threads: 2 });
});
afterAll(async () => {
  for (const one of open) await one.release();
  await runtime.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A codec of random weights. */
function made(name: string, options: { temporalWindow?: number; tile?: number } = {}): Codec {
  const config = goldenConfig(name);
  const all = parameters();
  const { temporal, spatial } = compression(config);
  const x = input("pixels", [1, 3, 1 + temporal, 4 * spatial, 4 * spatial]);
  if (isDiscrete(config)) decodeIndices(all.root, encodeIndices(all.root, x, config).indices, config);
  else decode(all.root, encode(all.root, x, config), config);
  const weights = new Map(Object.entries(drawnWeights(all)).map(([k, v]) => [k, v.data as Float32Array]));
  const opened = codec(config, { weights }, runtime, options);
  open.push(opened);
  return opened;
}

let clips = 0;
async function clipFile(frames: number, width: number, height: number): Promise<string> {
  const path = at(`clip-${clips++}.mp4`);
  // A slope of colours that moves.
  const pixels = Uint8Array.from({ length: frames * width * height * 3 }, (_, i) => {
    const [c, x, y, f] = [i % 3, Math.floor(i / 3) % width, Math.floor(i / 3 / width) % height, Math.floor(i / 3 / width / height)];
    return 128 + 100 * Math.sin((x * (c + 1) + y * 2 + f * 5) / 20);
  });
  await writeClip(path, { frames: pixels, width, height, frameCount: frames, fps: 10 });
  return path;
}

/** What the codec answers for each window of a clip in memory, joined along time; and what it decodes that to. */
async function directly(tokenizer: Codec, clip: Clip): Promise<{ coded: HostTensor[]; frames: Uint8Array[] }> {
  const [coded, frames]: [HostTensor[], Uint8Array[]] = [[], []];
  for (let first = 0; first < clip.frameCount; first += tokenizer.temporalWindow) {
    const part = sliceClip(clip, first, Math.min(first + tokenizer.temporalWindow, clip.frameCount) - 1);
    const z = await tokenizer.encode(toTensor(part), [1, 3, part.frameCount, part.height, part.width]);
    const pixels = await tokenizer.decode(z, { frames: part.frameCount, height: part.height, width: part.width });
    coded.push(z);
    frames.push(fromTensor(pixels.data as Float32Array, pixels.shape, clip.fps).frames);
  }
  return { coded, frames };
}

describe("what is in the file is what the codec answers, bit by bit", () => {
  test.each([
    { what: "windows and a shorter last one", model: "kl-8x8x8", frames: 21, width: 32, height: 32, window: 9 },
    { what: "odd sizes", model: "kl-8x8x8", frames: 10, width: 51, height: 37, window: 9 },
    { what: "one frame", model: "kl-8x8x8", frames: 1, width: 32, height: 24, window: 9 },
    { what: "tiles", model: "kl-8x8x8", frames: 9, width: 72, height: 40, window: 9, tile: 32 },
    { what: "indices", model: "dv-4x4x4-uneven", frames: 12, width: 36, height: 24, window: 5 },
    { what: "tiles of indices", model: "dv-4x4x4-uneven", frames: 5, width: 52, height: 20, window: 5, tile: 16 },
    { what: "pictures", model: "ci-8x8", frames: 3, width: 33, height: 24, window: 1 },
  ])("$what", async ({ model, frames, width, height, window, tile }) => {
    const tokenizer = made(model, { temporalWindow: window, ...(tile === undefined ? {} : { tile }) });
    const path = await clipFile(frames, width, height);
    const out = at(`${model}-${frames}-${width}-${tile}.safetensors`);
    // An mp4 has even sides; the size that was asked for is an odd one.
    const info = await encodeVideo(path, out, tokenizer, identity, { width, height, fit: "stretch" });
    expect([info.frames, info.width, info.height]).toEqual([frames, width, height]);
    const clip = await readClip(path, { width, height, fit: "stretch" });
    const expected = await directly(tokenizer, clip);
    const latents = await openLatents(out);
    try {
      expect(latents.layout.windows).toBe(expected.coded.length);
      for (const [i, coded] of expected.coded.entries()) {
        const stored = await latents.read(i);
        expect([stored.dtype, stored.shape]).toEqual([coded.dtype, coded.shape]);
        expect(Buffer.from(stored.data.buffer, stored.data.byteOffset, stored.data.byteLength).equals(Buffer.from(coded.data.buffer, coded.data.byteOffset, coded.data.byteLength))).toBe(true);
      }
      let i = 0;
      for await (const part of decodeWindows(latents, tokenizer)) expect(Buffer.from(part.frames).equals(Buffer.from(expected.frames[i++]!))).toBe(true);
      expect(i).toBe(expected.frames.length);
      await decodeToVideo(latents, at("back.mp4"), tokenizer);
      const back = await readClip(at("back.mp4"));
      expect([back.frameCount, back.width, back.height]).toEqual([frames, width + (width % 2), height + (height % 2)]);
    } finally {
      await latents.close();
    }
    const plain = await openCheckpoint(out);
    const name = tokenizer.discrete ? "indices" : "latents";
    expect(plain.names()).toEqual([name]);
    expect(plain.info(name).shape).toEqual([1, ...(tokenizer.discrete ? [] : [tokenizer.compression.latentChannels]), latents.layout.latentFrames, latents.layout.latentHeight, latents.layout.latentWidth]);
    await plain.close();
    expect(readdirSync(folder).filter((n) => n.endsWith(".partial"))).toEqual([]);
  });
});

test("latents in half precision: what is compared is what is stored", async () => {
  const tokenizer = made("kl-8x8x8", { temporalWindow: 9 });
  const path = await clipFile(9, 32, 32);
  const compared: Clip[] = [];
  await encodeVideo(path, at("half.safetensors"), tokenizer, identity, { dtype: "BF16", compare: (_, back) => compared.push({ ...back, frames: back.frames.slice() }) });
  const latents = await openLatents(at("half.safetensors"));
  expect(latents.dtype).toBe("BF16");
  for await (const part of decodeWindows(latents, tokenizer)) expect(part.frames).toEqual(compared.shift()!.frames);
  await latents.close();
  expect(await encodedBefore(path, at("half.safetensors"), tokenizer, identity, { dtype: "BF16" })).toMatchObject({ frames: 9 });
  expect(await encodedBefore(path, at("half.safetensors"), tokenizer, identity)).toBeUndefined();
  expect(await encodedBefore(path, at("half.safetensors"), tokenizer, { ...identity, sha256: "cd".repeat(32) }, { dtype: "BF16" })).toBeUndefined();
  expect(await encodedBefore(path, at("half.safetensors"), tokenizer, identity, { dtype: "BF16", maxFrames: 3 })).toBeUndefined();
});

test("however long the video, no more frames than a window are ever read ahead, and the memory is one", async () => {
  const [window, total] = [9, 2000];
  let [read, handled, ahead] = [0, 0, 0];
  async function* frames(): AsyncGenerator<Picture> {
    for (; read < total; ) {
      read += 1;
      ahead = Math.max(ahead, read - handled);
      yield { pixels: new Uint8Array(4 * 2 * 3).fill(read % 256), width: 4, height: 2 };
    }
  }
  const buffers = new Set<ArrayBufferLike>();
  for await (const clip of inWindows(frames(), window, 10)) {
    buffers.add(clip.frames.buffer);
    expect(clip.frames[0]).toBe((handled + 1) % 256);
    expect(clip.frames.at(-1)).toBe((handled + clip.frameCount) % 256);
    handled += clip.frameCount;
  }
  expect([handled, ahead, buffers.size]).toEqual([total, window, 1]);
});

test("a video that is shorter than its header says is encoded as long as it is", async () => {
  const tokenizer = made("kl-8x8x8", { temporalWindow: 9 });
  const path = await clipFile(40, 32, 32);
  const bytes = readFileSync(path);
  const cut = at("cut.mp4");
  writeFileSync(cut, bytes.subarray(0, Math.floor(bytes.length * 0.7)));
  const warnings: string[] = [];
  const info = await encodeVideo(cut, at("cut.safetensors"), tokenizer, identity, { onWarning: ({ kind }) => warnings.push(kind) });
  expect(info.frames).toBeLessThan(40);
  expect([info.truncated, warnings.length]).toEqual([true, 1]);
  const latents = await openLatents(at("cut.safetensors"));
  expect([latents.info.frames, latents.info.truncated]).toEqual([info.frames, true]);
  await latents.close();
});

test("Ctrl-C leaves nothing behind", async () => {
  const tokenizer = made("kl-8x8x8", { temporalWindow: 9 });
  const path = await clipFile(40, 32, 32);
  const controller = new AbortController();
  const work = encodeVideo(path, at("stopped.safetensors"), tokenizer, identity, { signal: controller.signal, progress: () => controller.abort() });
  await expect(work).rejects.toMatchObject({ code: "cancelled" });
  expect(readdirSync(folder).filter((n) => n.includes("stopped"))).toEqual([]);
});

test("a network that answers with NaN is a failure, not a file", async () => {
  const tokenizer = made("kl-8x8x8", { temporalWindow: 9 });
  const broken: Codec = { ...tokenizer, encode: async (...given) => {
    const coded = await tokenizer.encode(...given);
    return hostTensor("float32", coded.shape, (coded.data as Float32Array).fill(Number.NaN, 5, 6));
  } };
  await expect(encodeVideo(await clipFile(3, 32, 32), at("nan.safetensors"), broken, identity)).rejects.toMatchObject({ code: "diverged" });
  expect(readdirSync(folder).filter((n) => n.includes("nan"))).toEqual([]);
});

describe("files of latents", () => {
  const info: LatentsInfo = {
    kind: "continuous", tokenizer: "AutoencoderKLCosmos", tokenizerSha256: "ab".repeat(32), temporalCompression: 8, spatialCompression: 8,
    frames: 20, width: 30, height: 17, fps: 29.97002997002997, window: 17, tile: 512, source: "a.mp4", sourceBytes: 5, request: "fps=auto", truncated: false,
  };

  test("the layout of windows and padding", () => {
    expect(latentsLayout(info)).toEqual({ windows: 2, latentWindow: 3, lastLatentFrames: 2, latentFrames: 5, latentHeight: 3, latentWidth: 4, padFrames: 6, padRight: 2, padBottom: 7 });
    expect(latentsLayout({ ...info, frames: 1, width: 1, height: 1 })).toEqual({ windows: 1, latentWindow: 3, lastLatentFrames: 1, latentFrames: 1, latentHeight: 2, latentWidth: 2, padFrames: 0, padRight: 15, padBottom: 15 });
    expect(latentsLayout({ ...info, frames: 34 })).toMatchObject({ windows: 2, lastLatentFrames: 3, latentFrames: 6, padFrames: 0 });
  });

  async function written(name: string, change: Partial<LatentsInfo> = {}): Promise<string> {
    const writer = await openLatentsWriter(at(name), "continuous");
    await writer.append(hostTensor("float32", [1, 2, 3, 3, 4], Float32Array.from({ length: 72 }, (_, i) => i)));
    await writer.append(hostTensor("float32", [1, 2, 2, 3, 4], Float32Array.from({ length: 48 }, (_, i) => 100 + i)));
    await writer.close({ ...info, ...change });
    return at(name);
  }

  test("windows lie in order along time, and the metadata come back", async () => {
    const path = await written("order.safetensors");
    const file = await openCheckpoint(path);
    const all = await file.readF32("latents");
    await file.close();
    expect([...all.subarray(0, 60)]).toEqual([...Array.from({ length: 36 }, (_, i) => i), ...Array.from({ length: 24 }, (_, i) => 100 + i)]);
    const latents = await openLatents(path);
    expect(latents.info).toEqual(info);
    expect([...(await latents.read(1)).data].map(Number)).toEqual(Array.from({ length: 48 }, (_, i) => 100 + i));
    await latents.close();
  });

  test("what is not as it must be is refused", async () => {
    const path = await written("good.safetensors");
    const good = readFileSync(path, "latin1");
    const refused = async (name: string, content: string, message: RegExp): Promise<void> => {
      writeFileSync(at(name), content, "latin1");
      await expect(openLatents(at(name))).rejects.toMatchObject({ code: "bad_checkpoint", message: expect.stringMatching(message) as string });
    };
    await refused("cut-off.safetensors", good.slice(0, -40), /cut off/);
    await refused("frames.safetensors", good.replace('"frames":"20"', '"frames":"40"'), /40 frames of 30 x 17 make it/);
    await refused("zero.safetensors", good.replace('"frames":"20"', '"frames":"00"'), /damaged metadata: frames/);
    await refused("digest.safetensors", good.replace("abab", "zzzz"), /damaged metadata: tokenizer_sha256/);
    await refused("window.safetensors", good.replace('"window":"17"', '"window":"16"'), /1 more than a multiple of 8/);
    await refused("other.safetensors", good.replace("orrery-latents", "orrery-leftover".slice(0, 14)), /not a video's latents/);
    await expect(openLatentsWriter(at("nowhere/a.safetensors"), "continuous")).rejects.toMatchObject({ code: "file_not_found" });
  });

  test("another kind of tokenizer is refused, saying which would do", async () => {
    const path = await written("kind.safetensors");
    const latents = await openLatents(path);
    const fits = { temporal: 8, spatial: 8, channels: 3, latentChannels: 2 };
    expect(() => checkDecodes(latents, path, false, fits)).not.toThrow();
    expect(() => checkDecodes(latents, path, true, fits)).toThrow(/decodes code indices/);
    expect(() => checkDecodes(latents, path, false, { ...fits, latentChannels: 16 })).toThrow(/2 channels at 8x8x8.*16 channels at 8x8x8/);
    expect(() => checkDecodes(latents, path, false, { ...fits, spatial: 16 })).toThrow(/8x16x16/);
    await latents.close();
  });

  test("an index that is no code is refused", async () => {
    const tokenizer = made("dv-4x4x4-uneven", { temporalWindow: 5 });
    const writer = await openLatentsWriter(at("codes.safetensors"), "discrete");
    await writer.append(hostTensor("int64", [1, 1, 2, 2], BigInt64Array.of(0n, 699n, 700n, 1n)));
    await writer.close({ ...info, kind: "discrete", frames: 1, width: 8, height: 8, window: 5, temporalCompression: 4, spatialCompression: 4 });
    const latents = await openLatents(at("codes.safetensors"));
    await expect(decodeWindows(latents, tokenizer).next()).rejects.toThrow(/index 700; this tokenizer has codes 0 to 699/);
    await latents.close();
  });
});
