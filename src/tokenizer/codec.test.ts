/** Codecs at work: what the windows, the padding and the tiles around a network do to a clip. */
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parameters } from "../nn/index.ts";
import { saveComponent } from "../registry/index.ts";
import { input } from "../tensor/index.ts";
import { hostTensor, openRuntime, type Runtime } from "../tensor/runtime/node.ts";
import { codec, openCodec } from "./codec.ts";
import { drawn, goldenConfig } from "./goldens.cases.ts";
import { decode, encode } from "./index.ts";
import { cropTile, startBlend, tileGrid } from "./tiles.ts";

const name = "kl-8x8x8";
const config = goldenConfig(name);
const all = parameters();
decode(all.root, encode(all.root, input("pixels", [1, 3, 9, 32, 32]), config), config);
const weights = new Map([...all.all.values()].map((p) => [p.name, drawn(p.name, p.shape).map((v) => v * 0.05)]));
const folder = mkdtempSync(join(tmpdir(), "orrery-codec-"));
let runtime: Runtime;
beforeAll(async () => {
  runtime = await openRuntime({ threads: 2 });
});
afterAll(async () => {
  await runtime.close();
  rmSync(folder, { recursive: true, force: true });
});

test("a saved tokenizer opens and answers as the weights it was saved from", async () => {
  const json = JSON.parse(readFileSync(join(import.meta.dirname, "testdata", name, "config.json"), "utf8")) as Record<string, unknown>;
  const copy = join(folder, "saved");
  await saveComponent(copy, json, all.all.values(), weights);
  const [opened, held] = [await openCodec(copy, runtime), codec(config, { weights }, runtime)];
  const pixels = drawn("clip", [1, 3, 9, 32, 32]);
  const [a, b] = [await opened.encode(pixels, [1, 3, 9, 32, 32]), await held.encode(pixels, [1, 3, 9, 32, 32])];
  expect([...(a.data as Float32Array)]).toEqual([...(b.data as Float32Array)]);
  await opened.release();
  await held.release();
});

test("odd sizes and lengths come back as they went in", async () => {
  const held = codec(config, { weights }, runtime);
  const coded = await held.encode(drawn("odd", [1, 3, 5, 37, 51]), [1, 3, 5, 37, 51]);
  expect(coded.shape).toEqual([1, 4, 2, 5, 7]);
  expect((await held.decode(coded, { frames: 5, height: 37, width: 51 })).shape).toEqual([1, 3, 5, 37, 51]);
  await held.release();
});

test("large pictures are coded by tiles into latents of the same shape", async () => {
  const tiled = codec(config, { weights }, runtime, { tile: 32 });
  const pixels = drawn("wide", [1, 3, 1, 32, 80]);
  const coded = await tiled.encode(pixels, [1, 3, 1, 32, 80]);
  expect(coded.shape).toEqual([1, 4, 1, 4, 10]);
  expect((await tiled.decode(coded)).shape).toEqual([1, 3, 1, 32, 80]);
  await tiled.release();
});

test("cutting into tiles and blending them changes nothing", () => {
  const picture = hostTensor("float32", [1, 2, 1, 40, 56], drawn("picture", [1, 2, 1, 40, 56]));
  for (const mode of ["linear", "nearest"] as const) {
    const blend = startBlend({ height: 40, width: 56 }, mode);
    for (const tile of tileGrid(picture.shape, 16, 8)) blend.add(tile, cropTile(picture, tile));
    const joined = blend.result();
    expect(joined.shape).toEqual(picture.shape);
    (joined.data as Float32Array).forEach((v, i) => expect(Math.abs(v - (picture.data as Float32Array)[i]!)).toBeLessThan(1e-6));
  }
});

test("a window or tile that does not fit the compression is refused", () => {
  expect(() => codec(config, { weights }, runtime, { temporalWindow: 10 })).toThrow(/1 more than a multiple of 8/);
  expect(() => codec(config, { weights }, runtime, { tile: 20 })).toThrow(/multiple of 8/);
});

test("a folder without weights is answered", async () => {
  const bare = join(folder, "bare");
  cpSync(join(import.meta.dirname, "testdata", name, "config.json"), join(bare, "config.json"));
  await expect(openCodec(bare, runtime)).rejects.toMatchObject({ code: expect.stringMatching(/file_not_found|bad_checkpoint/) as string });
});
