/**
 * Classifiers of frames: SigLIP with the reference's classifier against transformers and PyTorch (`testdata/make.py`), the bundled
 * one against nsfwjs in TensorFlow.js, and the reference's defects, each of which must be an error here.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compile, input } from "../../tensor/index.ts";
import { parameters } from "../../nn/index.ts";
import { hostTensor, openRuntime, type Runtime } from "../../tensor/runtime/node.ts";
import { makeClip, type Picture } from "../../video/index.ts";
import { openGuards } from "../open.ts";
import { parsePolicy } from "../policy.ts";
import { readQuantized } from "../quantized.ts";
import type { Verdicts } from "../verdict.ts";
import { classTable, frameGuard } from "./frames.ts";
import { nsfwWeightsFile } from "./nsfw/guard.ts";
import { nsfwProbabilities, nsfwSide } from "./nsfw/network.ts";
import { openSiglipClassifier, publishedClasses } from "./siglip/guard.ts";

const data = fileURLToPath(new URL("./testdata", import.meta.url));
const small = join(data, "siglip-small");
const temporary = mkdtempSync(join(tmpdir(), "orrery-content-"));
let runtime: Runtime;
beforeAll(async () => {
  runtime = await openRuntime({ threads: 2 });
});
afterAll(async () => {
  await runtime.close();
  rmSync(temporary, { recursive: true, force: true });
});

function picture(width: number, height: number, k: number): Picture {
  const pixels = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) pixels.set([(x * 7 * k + y * 13 + ((x * y) % 31)) % 256, (x * x + 3 * y * k) % 251, (5 * x + y * y * 2 + 17 * k) % 241], (y * width + x) * 3);
  return { pixels, width, height };
}

async function check(yaml: string, frames: Picture[]): Promise<Verdicts> {
  const guards = await openGuards(parsePolicy(`policy: p\nversion: 1\nguards:\n${yaml}`, "the policy", data));
  try {
    const { width, height } = frames[0]!;
    return await guards.check({ stage: "video", clip: makeClip(Uint8Array.from(Buffer.concat(frames.map((f) => f.pixels))), width, height, 24) });
  } finally {
    await guards.close();
  }
}

describe("SigLIP and the reference's classifier", () => {
  const golden = JSON.parse(readFileSync(join(small, "golden.json"), "utf8")) as { pictures: { width: number; height: number; k: number; probabilities: number[] }[] };

  test("answer what transformers and PyTorch do, preprocessing included", async () => {
    const classifier = await openSiglipClassifier(small, undefined, 7, runtime);
    for (const { width, height, k, probabilities } of golden.pictures) {
      const got = await classifier.classify(picture(width, height, k));
      probabilities.forEach((p, i) => expect(Math.abs(got[i]! - p), `${width} x ${height}, ${publishedClasses[i]}`).toBeLessThan(2e-5));
    }
    await classifier.release();
  });

  test("are found as the reference's cache lays them out, and what is missing is named", async () => {
    const cache = join(temporary, "cache/models--google--siglip-so400m-patch14-384/snapshots/abc");
    mkdirSync(join(temporary, "cache/models--google--siglip-so400m-patch14-384/snapshots"), { recursive: true });
    cpSync(join(small, "siglip"), cache, { recursive: true });
    await expect(openSiglipClassifier(join(temporary, "cache"), undefined, 7, runtime)).rejects.toThrow(/safety_filter.pt/);
    cpSync(join(small, "safety_filter.pt"), join(temporary, "cache/safety_filter.pt"));
    const classifier = await openSiglipClassifier(join(temporary, "cache"), undefined, 7, runtime);
    expect(classifier.config.imageSize).toBe(60);
    await classifier.release();
    await expect(openSiglipClassifier(join(temporary, "cache"), undefined, 6, runtime)).rejects.toThrow(/network.layers.6.weight is \[7, 256\]/);
    mkdirSync(join(temporary, "alone"));
    cpSync(join(small, "safety_filter.pt"), join(temporary, "alone/safety_filter.pt"));
    await expect(openSiglipClassifier(join(temporary, "alone"), undefined, 7, runtime)).rejects.toThrow(/holds no SigLIP/);
  });

  const entry = (more = ""): string => `  - { name: video, kind: video-classifier, stages: [video], options: { model: siglip-small, threads: 2 }${more} }\n`;

  test("as a guard: an unsafe class that beats Safe blocks, as the reference's argmax does, one that does not is recorded", async () => {
    const { k, width, height, probabilities } = golden.pictures.find((g) => g.probabilities[0]! < Math.max(...g.probabilities))!;
    const blocked = await check(entry(), [picture(width, height, k)]);
    expect(blocked.decision).toBe("block");
    expect(blocked.verdicts[0]).toMatchObject({ category: "O2", evidence: [`Sexual_Content ${probabilities[1]!.toFixed(3)}, harmless ${probabilities[0]!.toFixed(3)}`] });
    expect(Object.keys(blocked.coverage.covered).sort()).toEqual(["O1", "O2", "O5", "O6", "O7", "O8"]);
    expect(blocked.coverage.uncovered).toEqual(["O3", "O4", "O9", "O10", "O11", "O12", "O13"]);

    const calm = golden.pictures.find((g) => Math.max(...g.probabilities) === g.probabilities[0])!;
    const allowed = await check(entry(), [picture(calm.width, calm.height, calm.k)]);
    expect(allowed.decision).toBe("allow");
    expect(allowed.verdicts[0]!.findings.map((f) => f.category)).toContain("O1");
  });

  test("Violence is a class that can block: it was taken out of the reference's table", async () => {
    const table = classTable(publishedClasses, { categories: {}, vocabulary: "cosmos-video", harmless: ["Safe"], where: "video" });
    expect(table.map(({ category }) => category)).toEqual([undefined, "O2", "O1", "O5", "O7", "O8", "O6"]);
    const guard = frameGuard({ model: "m", version: "1", table, against: "harmless", classify: async () => [0.1, 0, 0.9, 0, 0, 0, 0], close: async () => {} });
    const { findings } = await guard.check({ stage: "video", clip: makeClip(picture(8, 8, 1).pixels, 8, 8, 1) }, { signal: new AbortController().signal });
    expect(findings).toEqual([{ category: "O1", confidence: 0.9, frame: 0, evidence: ["Violence 0.900, harmless 0.100"] }]);
  });

  test("a frame that cannot be judged fails the check: it was skipped in the reference", async () => {
    const table = classTable(publishedClasses, { categories: {}, vocabulary: "cosmos-video", harmless: ["Safe"], where: "video" });
    for (const classify of [async () => [NaN, 0, 0, 0, 0, 0, 0], async () => [1, 0], async (): Promise<number[]> => Promise.reject(new Error("out of memory"))]) {
      const guards = await openGuards(parsePolicy("policy: p\nversion: 1\nguards:\n  - { name: v, kind: v, stages: [video] }\n"), { factories: { v: async () => frameGuard({ model: "m", version: "1", table, against: "harmless", classify, close: async () => {} }) } });
      const verdicts = await guards.check({ stage: "video", clip: makeClip(picture(8, 8, 1).pixels, 8, 8, 1) });
      expect(verdicts).toMatchObject({ decision: "block", blockedBy: "failure" });
    }
  });

  test("switched off is blocked: a policy without a guard of videos lets none pass", async () => {
    const verdicts = await check("  - { name: other, kind: nsfw, stages: [prompt] }\n", [picture(16, 16, 1)]);
    expect(verdicts).toMatchObject({ decision: "block", blockedBy: "failure" });
    const missing = await check("  - { name: video, kind: video-classifier, stages: [video], options: { model: nowhere } }\n", [picture(16, 16, 1)]);
    expect(missing).toMatchObject({ decision: "block", blockedBy: "failure" });
    expect(missing.verdicts[0]!.reason).toMatch(/nowhere/);
  });
});

describe("classes", () => {
  test.each([
    [["Safe", "Violence", "Gambling"], {}, /nothing says what the class "Gambling" means/],
    [["Safe", "Violence"], { Violence: "O99" }, /"O99"; expected one of O1/],
    [["Safe", "Violence"], { Violins: "O1" }, /speaks of "Violins"/],
    [["Harmless", "Violence"], {}, /no class "Safe"/],
    [["Safe", "Violence", "Violence"], {}, /two classes are called "Violence"/],
    [["Safe"], {}, /nothing would ever block/],
  ])("%j with %j are refused", (names, categories, message) => {
    expect(() => classTable(names, { categories, vocabulary: "cosmos-video", harmless: ["Safe"], where: "video" })).toThrow(message);
  });

  test("the order does not matter, names do", () => {
    const table = classTable(["Drugs", "Safe", "sexual_content"], { categories: {}, vocabulary: "cosmos-video", harmless: ["Safe"], where: "video" });
    expect(table.map(({ category }) => category)).toEqual(["O5", undefined, "O2"]);
  });
});

describe("the bundled classifier", () => {
  test("answers what nsfwjs 4.3.0 does in TensorFlow.js", async () => {
    const goldens = JSON.parse(readFileSync(join(data, "nsfw.json"), "utf8")) as { k: number; probabilities: number[] }[];
    const shape = [1, nsfwSide, nsfwSide, 3];
    const { weights } = await readQuantized(nsfwWeightsFile);
    const executable = await runtime.load(compile({ outputs: { probabilities: nsfwProbabilities(parameters().root, input("pictures", shape, "uint8")) }, weights }));
    for (const { k, probabilities } of goldens) {
      const pixels = k === 1 ? picture(nsfwSide, nsfwSide, 1).pixels : Uint8Array.from({ length: nsfwSide * nsfwSide * 3 }, (_, i) => {
        const [x, y, c] = [Math.floor(i / 3) % nsfwSide, Math.floor(i / 3 / nsfwSide), i % 3];
        return c === 0 ? x * k : c === 1 ? y * k + 30 : ((x + y) * k) >> 1;
      });
      const got = (await executable.run({ pictures: hostTensor("uint8", shape, pixels) }))["probabilities"]!.data;
      probabilities.forEach((p, i) => expect(Math.abs(Number(got[i]) - p)).toBeLessThan(1e-4));
    }
    await executable.release();
  });

  test("as a guard it allows a drawing, and says that it looked for sexual content alone", async () => {
    const verdicts = await check("  - { name: nsfw, stages: [video], options: { threads: 2 } }\n", [picture(64, 48, 1), picture(64, 48, 2)]);
    expect(verdicts.decision).toBe("allow");
    expect(Object.keys(verdicts.coverage.covered)).toEqual(["O2"]);
    expect(verdicts.coverage.uncovered).toContain("O1");
    expect(verdicts.verdicts[0]!.frames).toMatchObject({ of: 2, checked: 2 });
  });

  test("a picture too small for it is recorded and never sure", async () => {
    const table = classTable(["Neutral", "Porn"], { categories: { Porn: "O2" }, harmless: ["Neutral"], where: "nsfw" });
    const guard = frameGuard({ model: "m", version: "1", table, against: "all", small: { side: 128, ceiling: 0.4 }, classify: async () => [0.02, 0.98], close: async () => {} });
    const confidence = async (width: number, height: number): Promise<number> =>
      (await guard.check({ stage: "video", clip: makeClip(new Uint8Array(width * height * 3), width, height, 8) }, { signal: new AbortController().signal })).findings[0]!.confidence;
    expect(await confidence(128, 128)).toBeCloseTo(0.98);
    expect(await confidence(400, 127)).toBe(0.4);
  });

  test("Sexy alone never makes it sure", async () => {
    const table = classTable(["Neutral", "Porn", "Sexy"], { categories: { Porn: "O2", Sexy: "O2" }, harmless: ["Neutral"], where: "nsfw" });
    const confidence = async (...p: number[]): Promise<number> => {
      const guard = frameGuard({ model: "m", version: "1", table, against: "all", ceilings: { Sexy: 0.4 }, classify: async () => p, close: async () => {} });
      const { findings } = await guard.check({ stage: "video", clip: makeClip(picture(8, 8, 1).pixels, 8, 8, 1) }, { signal: new AbortController().signal });
      return findings[0]?.confidence ?? 0;
    };
    expect(await confidence(0.05, 0, 0.95)).toBeCloseTo(0.4);
    expect(await confidence(0.1, 0.2, 0.7)).toBeCloseTo(0.4);
    expect(await confidence(0.1, 0.7, 0.2)).toBeCloseTo(0.7);
    expect(await confidence(1, 0, 0)).toBe(0);
  });
});
