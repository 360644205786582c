import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compile, constant, input, matmul, mean, mul, reshape, sub } from "../../tensor/index.ts";
import { RandomState } from "../../tensor/random.ts";
import { frameAt, renderDemoClip, type Picture } from "../../video/index.ts";
import { openWatermarkModel } from "./onnx-model.ts";

const folder = mkdtempSync(join(tmpdir(), "orrery-watermark-model-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const [bits, side] = [176, 64];
const config = {
  name: "random projections", bits, width: side, height: side, range: [-1, 1],
  encoder: { file: "encoder.onnx", image: "image", message: "message", output: "residual", kind: "residual" },
  decoder: { file: "decoder.onnx", image: "image", output: "logits" },
};

/** A model of two matrices, made by our own compiler: each bit has a random pattern; the decoder correlates with it. */
beforeAll(() => {
  const size = 3 * side * side;
  const pattern = constant(new RandomState(3).standardNormalFloat32(bits * size), [bits, size]);
  const image = input("image", [1, 3, side, side]);
  const message = input("message", [1, bits]);
  const residual = reshape(mul(matmul(sub(mul(message, 2), 1), pattern), 0.0035), [1, 3, side, side]);
  const flat = reshape(image, [1, size]);
  const logits = matmul(sub(flat, mean(flat, [1], true)), pattern, { transB: true });
  // The image is an input of the encoder whether it is needed or not.
  const made = compile({ outputs: { residual: sub(residual, mul(image, 0)) }, rewrite: false });
  writeFileSync(join(folder, "encoder.onnx"), made.model);
  writeFileSync(join(folder, "decoder.onnx"), compile({ outputs: { logits } }).model);
  writeFileSync(join(folder, "watermark.json"), JSON.stringify(config));
});

// Of little contrast: this decoder has nothing that takes the picture away.
const clip = renderDemoClip({ width: 192, height: 108, frames: 6 });
const frames = Array.from({ length: clip.frameCount }, (_, i): Picture => ({ ...frameAt(clip, i), pixels: frameAt(clip, i).pixels.map((value) => 110 + value / 8) }));

describe("a watermark model of the user's", () => {
  test("marks frames of any size, and reads them back", async () => {
    const model = await openWatermarkModel(folder, { threads: 1 });
    try {
      for (const frame of frames) await model.look(frame);
      expect(model.result()).toMatchObject({ framesUsed: 6 });
      const before = frames[0]!.pixels.slice();
      for (const frame of frames) await model.mark(frame, 0xfedcba9876543210n);
      const squares = before.reduce((sum, value, i) => sum + (value - frames[0]!.pixels[i]!) ** 2, 0);
      expect(10 * Math.log10((255 ** 2 * before.length) / squares)).toBeGreaterThan(30);
      for (const frame of frames) await model.look(frame);
      expect(model.result()).toMatchObject({ payload: 0xfedcba9876543210n, framesUsed: 6 });
      const unmarked = renderDemoClip({ width: 192, height: 108, frames: 2, seed: 9 });
      for (let i = 0; i < 2; i++) await model.look(frameAt(unmarked, i));
      expect(model.result().payload).toBeUndefined();
    } finally {
      await model.close();
    }
  });

  test.each([
    ["no folder", undefined, /watermark\.json/],
    ["not JSON", "{", /is not JSON/],
    ["too few bits", { ...config, bits: 32 }, /at least 88 bits/],
    ["an unknown key", { ...config, extra: 1 }, /extra/],
    ["a path that climbs out", { ...config, encoder: { ...config.encoder, file: "../encoder.onnx" } }, /the file's name alone/],
    ["a model that is not there", { ...config, decoder: { ...config.decoder, file: "none.onnx" } }, /no such file/],
    ["a file that is no model", { ...config, decoder: { ...config.decoder, file: "watermark.json" } }, /cannot be run as an ONNX model/],
  ])("%s is answered", async (name, json, message) => {
    const path = join(folder, name.replaceAll(" ", "-"));
    if (json !== undefined) {
      mkdirSync(path);
      writeFileSync(join(path, "watermark.json"), typeof json === "string" ? json : JSON.stringify(json));
      for (const file of ["encoder.onnx", "decoder.onnx"]) writeFileSync(join(path, file), compile({ outputs: { logits: mul(input("image", [1, 3, side, side]), 2) } }).model);
    }
    await expect(openWatermarkModel(path, { threads: 1 })).rejects.toThrow(message);
  });
});
