/** ONNX classifiers: a small one made here, laid out as transformers does, and what keeps one from being trusted. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { compile, constant, input, matmul, mean, mul, reshape } from "../../../tensor/index.ts";
import { makeClip, type Picture } from "../../../video/index.ts";
import { openGuards } from "../../open.ts";
import { parsePolicy } from "../../policy.ts";
import type { Verdicts } from "../../verdict.ts";
import { activated } from "./guard.ts";
import { preprocess, preprocessingOf, processorSchema } from "./preprocess.ts";

const folder = mkdtempSync(join(tmpdir(), "orrery-onnx-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Logits of three classes: how red, green and blue the picture is on average. */
function colourModel(layout: "NCHW" | "NHWC"): Uint8Array {
  const picture = input("pixel_values", layout === "NCHW" ? [1, 3, 8, 8] : [1, 8, 8, 3]);
  const colours = reshape(mean(picture, layout === "NCHW" ? [2, 3] : [1, 2]), [1, 3]);
  return compile({ outputs: { logits: mul(matmul(colours, constant([1, 0, 0, 0, 1, 0, 0, 0, 1], [3, 3])), 10) } }).model;
}
mkdirSync(join(folder, "model"));
writeFileSync(join(folder, "model/model.onnx"), colourModel("NCHW"));
writeFileSync(join(folder, "model/config.json"), JSON.stringify({ id2label: { 0: "gore", 1: "normal", 2: "weapon" } }));
writeFileSync(join(folder, "model/preprocessor_config.json"), JSON.stringify({ size: { height: 8, width: 8 }, image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] }));
writeFileSync(join(folder, "plain.onnx"), colourModel("NHWC"));
writeFileSync(join(folder, "broken.onnx"), "not a model");

const plain = (r: number, g: number, b: number): Picture => ({ pixels: Uint8Array.from({ length: 32 * 24 * 3 }, (_, i) => [r, g, b][i % 3]!), width: 32, height: 24 });

async function check(options: string, ...frames: Picture[]): Promise<Verdicts> {
  const guards = await openGuards(parsePolicy(`policy: p\nversion: 1\nguards:\n  - { name: own, kind: image-classifier, stages: [video], options: ${options} }\n`, "the policy", folder));
  try {
    return await guards.check({ stage: "video", clip: makeClip(Uint8Array.from(Buffer.concat(frames.map((f) => f.pixels))), 32, 24, 24) });
  } finally {
    await guards.close();
  }
}

describe("an ONNX classifier as a guard", () => {
  const mapped = "categories: { gore: O1, weapon: O4 }, harmless: [normal], threads: 2";

  test("blocks by the category of the class, named in its folder, at the frame that shows it", async () => {
    const blocked = await check(`{ model: model, ${mapped} }`, plain(20, 230, 20), plain(20, 20, 230));
    expect(blocked.decision).toBe("block");
    expect(blocked.verdicts[0]).toMatchObject({ model: "model/model.onnx", category: "O4", findings: [{ category: "O4", frame: 1 }] });
    expect(Object.keys(blocked.coverage.covered).sort()).toEqual(["O1", "O4"]);
    expect((await check(`{ model: model, ${mapped} }`, plain(20, 230, 20))).decision).toBe("allow");
  });

  test("one file with channels last and names from the policy does as well", async () => {
    const options = `{ model: plain.onnx, labels: [gore, normal, weapon], ${mapped} }`;
    expect((await check(options, plain(230, 20, 20))).verdicts[0]).toMatchObject({ verdict: "block", category: "O1" });
    expect((await check(options.replace("threads", "channels: bgr, threads"), plain(230, 20, 20))).verdicts[0]).toMatchObject({ verdict: "block", category: "O4" });
  });

  test.each([
    ["{ model: model, categories: { gore: O1 }, harmless: [normal] }", /nothing says what the class "weapon" means/],
    ["{ model: plain.onnx, categories: { gore: O1 } }", /give them in "labels"/],
    ["{ model: broken.onnx, labels: [a, b], categories: { a: O1 }, harmless: [b] }", /is not an ONNX model/],
    ["{ model: nowhere, categories: { a: O1 } }", /no such file or folder/],
    [`{ model: plain.onnx, labels: [gore, normal], categories: { gore: O1 }, harmless: [normal] }`, /3 values/],
    [`{ model: model, ${mapped}, output: other }`, /it has logits/],
    [`{ model: model, ${mapped}, preprocessor: { image_std: [1, 2] } }`, /image_std/],
  ])("%s blocks, and says why", async (options, message) => {
    const verdicts = await check(options, plain(20, 230, 20));
    expect(verdicts).toMatchObject({ decision: "block", blockedBy: "failure" });
    expect(verdicts.verdicts[0]!.reason).toMatch(message);
  });
});

test("settings of transformers: the shorter edge and the middle, or the whole picture distorted", () => {
  const open = { width: -1, height: -1, layout: "NCHW" } as const;
  expect(preprocessingOf(processorSchema.parse({ size: { shortest_edge: 10 }, crop_size: 8 }), open, "rgb")).toMatchObject({ width: 8, height: 8, shortestEdge: 10 });
  expect(preprocessingOf(processorSchema.parse({ size: 16 }), open, "rgb")).toMatchObject({ width: 16, height: 16 });
  expect(preprocessingOf(processorSchema.parse({}), open, "rgb")).toBeUndefined();
  // Left half black, right half white: the middle of a wide picture has as much of both.
  const halves: Picture = { width: 40, height: 10, pixels: Uint8Array.from({ length: 40 * 10 * 3 }, (_, i) => (Math.floor(i / 3) % 40 < 20 ? 0 : 255)) };
  const middle = preprocess(halves, preprocessingOf(processorSchema.parse({ size: { shortest_edge: 10 }, crop_size: 10 }), open, "rgb")!);
  expect(middle.slice(0, 10)).toEqual(Float32Array.of(-1, -1, -1, -1, -1, 1, 1, 1, 1, 1));
});

test("answers become probabilities", () => {
  expect(activated([0, 0], "softmax")).toEqual([0.5, 0.5]);
  expect(activated([1000, 0], "softmax")).toEqual([1, 0]);
  expect(activated([0], "sigmoid")).toEqual([0.5]);
});
