/** RetinaFace against the reference's answers, and its decoding against cases worked by hand. */
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { parameters } from "../../nn/index.ts";
import { openComponent, readWeights } from "../../registry/index.ts";
import { compile, input } from "../../tensor/index.ts";
import { hostTensor, openRuntime } from "../../tensor/runtime/node.ts";
import { openCheckpoint } from "../../weights/index.ts";
import { decodeBoxes, decodeLandmarks, detectFaces, nonMaximumSuppression, parseRetinaFaceConfig, priorBoxes, retinaFace } from "./index.ts";

const folder = fileURLToPath(new URL("../testdata/retinaface-mobilenet", import.meta.url));

test("the network answers what the reference does, for a batch of an uneven size", async () => {
  const component = await openComponent(folder);
  const config = parseRetinaFaceConfig(component.config);
  const goldens = await openCheckpoint(`${folder}/golden.safetensors`);
  const checkpoint = await component.checkpoint();
  const { shape } = goldens.info("input");
  const p = parameters();
  const program = compile({ outputs: { ...retinaFace(p.root, input("input", shape), config) }, weights: await readWeights(checkpoint, p.all.values()) });
  const runtime = await openRuntime({ threads: 2 });
  const executable = await runtime.load(program);
  const answers = await executable.run({ input: hostTensor("float32", shape, await goldens.readF32("input")) });
  for (const [name, { data, shape: got }] of Object.entries(answers)) {
    const golden = await goldens.readF32(name);
    expect(got).toEqual(goldens.info(name).shape);
    const scale = golden.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    expect(golden.reduce((m, v, i) => Math.max(m, Math.abs(v - Number(data[i]))), 0) / scale, name).toBeLessThan(1e-5);
  }
  expect(priorBoxes(shape[2]!, shape[3]!, config)).toEqual(await goldens.readF32("priors"));
  await runtime.close();
  await checkpoint.close();
  await goldens.close();
});

test("ResNet-50 declares torchvision's names, without the classifier", () => {
  const p = parameters();
  const { loc } = retinaFace(p.root, input("x", [1, 3, 64, 75]), parseRetinaFaceConfig({ name: "Resnet50" }));
  expect(loc.shape).toEqual([1, (8 * 10 + 4 * 5 + 2 * 3) * 2, 4]);
  const names = [...p.all.keys()];
  expect(names).toEqual(expect.arrayContaining(["body.conv1.weight", "body.layer1.0.downsample.1.running_var", "body.layer4.2.bn3.bias", "fpn.output3.0.weight", "ssh3.conv7x7_3.1.weight", "LandmarkHead.2.conv1x1.bias"]));
  expect(names.some((n) => n.startsWith("body.fc"))).toBe(false);
});

test.each([[{ backbone: "vgg" }, /vgg/], [{ min_sizes: [[16, 32]] }, /min_sizes/], [{ min_sizes: [[16], [64], [256]] }, /two sizes/], [{ in_channel: 64 }, /in_channel/], [7, /RetinaFace/]])("the configuration %j is refused", (json, message) => {
  expect(() => parseRetinaFaceConfig(json)).toThrow(message);
});

describe("decoding", () => {
  const prior = Float32Array.of(0.5, 0.5, 0.2, 0.4);

  test("no offset is the prior itself", () => {
    [...decodeBoxes(new Float32Array(4), prior, [0.1, 0.2])].forEach((v, i) => expect(v).toBeCloseTo([0.4, 0.3, 0.6, 0.7][i]!, 6));
    [...decodeLandmarks(new Float32Array(10), prior, [0.1, 0.2])].forEach((v) => expect(v).toBeCloseTo(0.5, 6));
  });

  test("offsets move by the prior's size and stretch exponentially", () => {
    const [left, top, right, bottom] = decodeBoxes([1, -1, Math.log(2) / 0.2, 0], prior, [0.1, 0.2]) as unknown as [number, number, number, number];
    expect((left + right) / 2).toBeCloseTo(0.52, 6);
    expect((top + bottom) / 2).toBeCloseTo(0.46, 6);
    expect(right - left).toBeCloseTo(0.4, 6);
    expect(decodeLandmarks([0, 0, 2, 5, 0, 0, 0, 0, 0, 0], prior, [0.1, 0.2])[3]).toBeCloseTo(0.7, 6);
  });

  test("priors are clipped when asked for", () => {
    const config = parseRetinaFaceConfig({ backbone: "mobilenet0.25", clip: true });
    expect(Math.max(...priorBoxes(64, 64, config))).toBe(1);
    expect(Math.max(...priorBoxes(64, 64, { ...config, clip: false }))).toBe(8);
  });
});

describe("suppression", () => {
  const boxes = [0, 0, 9, 9, 1, 0, 10, 9, 30, 30, 39, 39, 0, 0, 9, 4];

  test("drops what overlaps something better, counting pixels inclusively", () => {
    // 100 pixels each; the second shares 90 with the first (0.82), the fourth is half of it (0.5).
    expect(nonMaximumSuppression(boxes, [0.8, 0.9, 0.7, 0.6], 0.4)).toEqual([1, 2]);
    expect(nonMaximumSuppression(boxes, [0.9, 0.8, 0.7, 0.6], 0.5)).toEqual([0, 2, 3]);
    expect(nonMaximumSuppression(boxes, [0.9, 0.8, 0.7, 0.6], 1)).toEqual([0, 1, 2, 3]);
    expect(nonMaximumSuppression([], [], 0.4)).toEqual([]);
  });

  test("faces come with pixels and landmarks, best first", () => {
    const priors = Float32Array.of(0.5, 0.5, 0.2, 0.4, 0.51, 0.5, 0.2, 0.4, 0.2, 0.2, 0.1, 0.1, 0.8, 0.8, 0.1, 0.1);
    const answers = { loc: new Float32Array(16), conf: [0.1, 0.9, 0.05, 0.95, 0.2, 0.8, 0.3, 0.7], landmarks: new Float32Array(40), priors };
    const faces = detectFaces(answers, 200, 100, { variance: [0.1, 0.2] });
    expect(faces.map((f) => f.score)).toEqual([Math.fround(0.95), Math.fround(0.8)]);
    faces[0]!.box.forEach((v, i) => expect(v).toBeCloseTo([82, 30, 122, 70][i]!, 4));
    expect(faces[0]!.landmarks).toHaveLength(10);
    expect(faces[0]!.landmarks[0]).toBeCloseTo(102, 4);
    expect(detectFaces(answers, 200, 100, { variance: [0.1, 0.2], confidence: 0.02, keepTopK: 1 })).toHaveLength(1);
    expect(() => detectFaces({ ...answers, conf: [1] }, 200, 100, { variance: [0.1, 0.2] })).toThrow(/do not belong/);
  });
});
