/** `orrery tokenize` and `orrery inspect` as a user meets them, through the door of the command line. */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { main } from "../src/cli/main.ts";
import { psnr, ssim } from "../src/evaluation/index.ts";
import { parameters } from "../src/nn/index.ts";
import { saveComponent } from "../src/registry/index.ts";
import { input } from "../src/tensor/index.ts";
import { openRuntime } from "../src/tensor/runtime/node.ts";
import { openCodec } from "../src/tokenizer/codec.ts";
import { openLatents } from "../src/tokenizer/latents-file.ts";
import { decodeWindows } from "../src/tokenizer/stream.ts";
import { decode, decodeIndices, encode, encodeIndices, isDiscrete, parseTokenizerConfig } from "../src/tokenizer/index.ts";
import { RandomState } from "../src/tensor/random.ts";
import { probeVideo, readClip } from "../src/video/index.ts";
import { openCheckpoint, writeSafetensors } from "../src/weights/index.ts";

const configs = join(dirname(fileURLToPath(import.meta.url)), "../src/tokenizer/testdata");
const folder = mkdtempSync(join(tmpdir(), "orrery-tokenize-"));
const at = (...names: string[]): string => join(folder, ...names);

interface Outcome {
  exit: number;
  out: string;
  err: string;
}

async function orrery(...words: string[]): Promise<Outcome> {
  const [out, err]: [string[], string[]] = [[], []];
  const exit = await main(words, { stdout: { write: (text) => out.push(text) }, stderr: { write: (text) => err.push(text) }, env: {}, signal: new AbortController().signal });
  return { exit, out: out.join(""), err: err.join("") };
}

/** Saves a tokenizer of random weights as a folder. */
async function saveTokenizer(path: string, name: string, seed: number): Promise<void> {
  const json = JSON.parse(readFileSync(join(configs, name, "config.json"), "utf8")) as Record<string, unknown>;
  const config = parseTokenizerConfig(json);
  const all = parameters();
  const x = input("pixels", [1, 3, 9, 32, 32]);
  if (isDiscrete(config)) decodeIndices(all.root, encodeIndices(all.root, x, config).indices, config);
  else decode(all.root, encode(all.root, x, config), config);
  const random = new RandomState(seed);
  const weights = new Map([...all.all.values()].map(({ name: key, shape }) => {
    const count = shape.reduce((a, b) => a * b, 1);
    const [scale, centre] = shape.length > 1 ? [1 / Math.sqrt(count / shape[0]!), 0] : [0.1, key.endsWith("weight") ? 1 : 0];
    return [key, random.standardNormalFloat32(count).map((v) => v * scale + centre)];
  }));
  await saveComponent(path, json, all.all.values(), weights);
}

beforeAll(async () => {
  await saveTokenizer(at("model"), "kl-8x8x8", 1);
  await saveTokenizer(at("tuned"), "kl-8x8x8", 2);
  await saveTokenizer(at("codes"), "dv-4x4x4-uneven", 3);
  mkdirSync(at("pipeline"));
  cpSync(at("model"), at("pipeline/vae"), { recursive: true });
  writeFileSync(at("pipeline/model_index.json"), JSON.stringify({ _class_name: "CosmosTextToWorldPipeline", vae: ["diffusers", "AutoencoderKLCosmos"], transformer: ["diffusers", "CosmosTransformer3DModel"], safety_checker: [null, null] }));
  writeFileSync(at("pipeline/README.md"), "---\nlicense: apache-2.0\n---\n# A pipeline\n");
  const clip = (name: string, frames: number, size: string): void => {
    execFileSync(process.env["ORRERY_FFMPEG"] ?? "ffmpeg", ["-v", "error", "-f", "lavfi", "-i", `testsrc=s=${size}:r=25:d=${frames / 25}`, "-pix_fmt", "yuv444p", "-threads", "1", at(name)]);
  };
  clip("clip.mp4", 21, "51x37");
  clip("still.mp4", 1, "32x32");
  writeFileSync(at("text.mp4"), "not a video");
  writeFileSync(at("half.mp4"), readFileSync(at("clip.mp4")).subarray(0, 400));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Encoded {
  clips: { latents: string; written: boolean; info: Record<string, unknown>; reconstruction?: { psnr: number; ssim?: number; perFrame: unknown[] } }[];
}

describe("encode and decode", () => {
  test("an odd clip there and back, with what was lost", async () => {
    const encoded = await orrery("tokenize", "encode", at("clip.mp4"), "-o", at("clip.safetensors"), "-m", at("model"), "--report", "--json", "--threads", "2");
    expect([encoded.exit, encoded.err.includes("encoding clip.mp4: 100%, 21/21 frames")]).toEqual([0, true]);
    const [one] = (JSON.parse(encoded.out) as Encoded).clips;
    expect(one!.info).toMatchObject({ kind: "continuous", tokenizer: "AutoencoderKLCosmos", frames: 21, width: 51, height: 37, fps: 25, window: 17, tile: 512, truncated: false });
    expect(one!.reconstruction!.perFrame).toHaveLength(21);
    const decoded = await orrery("tokenize", "decode", at("clip.safetensors"), "-o", at("back.mp4"), "-m", at("pipeline"), "--crf", "0", "--threads", "2");
    expect([decoded.exit, decoded.out]).toEqual([0, `${at("back.mp4")}: 21 frames of 51 x 37 at 25 fps\n`]);
    expect(await probeVideo(at("back.mp4"))).toMatchObject({ frameCount: 21, width: 52, height: 38, fps: 25 });
    // What was reported is what decoding the file gives.
    const runtime = await openRuntime({ threads: 2 });
    const codec = await openCodec(at("model"), runtime);
    const latents = await openLatents(at("clip.safetensors"));
    const parts: Uint8Array[] = [];
    for await (const part of decodeWindows(latents, codec)) parts.push(part.frames.slice());
    const original = await readClip(at("clip.mp4"));
    const back = { ...original, frames: new Uint8Array(Buffer.concat(parts)) };
    expect(one!.reconstruction!.psnr).toBeCloseTo(psnr(original, back), 10);
    expect(one!.reconstruction!.ssim).toBeCloseTo(ssim(original, back), 10);
    await latents.close();
    await codec.release();
    await runtime.close();
  });

  test("many into a folder, which are kept the second time", async () => {
    const words = ["tokenize", "encode", at("clip.mp4"), at("still.mp4"), "-o", at("many"), "-m", at("codes"), "--window", "5", "--json", "--threads", "2"];
    const written = async (...more: string[]): Promise<boolean[]> => (JSON.parse((await orrery(...words, ...more)).out) as Encoded).clips.map((c) => c.written);
    expect(await written()).toEqual([true, true]);
    expect(readdirSync(at("many"))).toEqual(["clip.safetensors", "still.safetensors"]);
    expect(await written()).toEqual([false, false]);
    expect(await written("--overwrite")).toEqual([true, true]);
    const file = await openCheckpoint(at("many/still.safetensors"));
    expect([file.names(), file.info("indices")]).toEqual([["indices"], { dtype: "I32", shape: [1, 1, 8, 8], byteLength: 256 }]);
    await file.close();
    expect((await orrery("tokenize", "decode", at("many/still.safetensors"), "-o", at("still-back.mp4"), "-m", at("codes"), "--threads", "2")).exit).toBe(0);
    expect(await probeVideo(at("still-back.mp4"))).toMatchObject({ frameCount: 1, width: 32, height: 32 });
    expect(await written("--fps", "50")).toEqual([true, true]);
  });

  test("a variable frame rate is spoken of, unless it is made even", async () => {
    execFileSync(process.env["ORRERY_FFMPEG"] ?? "ffmpeg", ["-v", "error", "-f", "lavfi", "-i", "testsrc=s=32x32:r=25:d=1", "-vf", "select='lt(n,10)+not(mod(n,5))'", "-fps_mode", "passthrough", "-threads", "1", at("uneven.mp4")]);
    const notes = async (...more: string[]): Promise<boolean> => (await orrery("tokenize", "encode", at("uneven.mp4"), "-o", at("uneven.safetensors"), "-m", at("model"), "--threads", "2", ...more)).out.includes("uneven times");
    expect([await notes(), await notes("--fps", "25")]).toEqual([true, false]);
  });

  test("a tokenizer that did not make the latents is refused, unless it is asked for", async () => {
    await orrery("tokenize", "encode", at("still.mp4"), "-o", at("mine.safetensors"), "-m", at("model"), "--threads", "2");
    const decoding = (...more: string[]): Promise<Outcome> => orrery("tokenize", "decode", at("mine.safetensors"), "-o", at("mine.mp4"), "--threads", "2", ...more);
    const other = await decoding("-m", at("tuned"));
    expect([other.exit, existsSync(at("mine.mp4"))]).toEqual([2, false]);
    expect(other.err).toMatch(/was made by another tokenizer .*--other-model/);
    expect((await decoding("-m", at("tuned"), "--other-model")).exit).toBe(0);
    expect((await decoding("-m", at("codes"), "--other-model")).err).toMatch(/holds latents of 4 channels at 8x8x8 of a AutoencoderKLCosmos, but this tokenizer decodes code indices at 4x4x4/);
  });

  const encoding = (...more: string[]) => ["tokenize", "encode", ...more, "--threads", "2"];
  test.each([
    ["a clip that is not there", () => encoding(at("nowhere.mp4"), "-o", at("x.safetensors"), "-m", at("model")), 1, /nowhere\.mp4.*\[file_not_found\]/],
    ["not a video", () => encoding(at("text.mp4"), "-o", at("x.safetensors"), "-m", at("model")), 1, /\[bad_video\]/],
    ["a truncated video", () => encoding(at("half.mp4"), "-o", at("x.safetensors"), "-m", at("model")), 1, /truncated.*\[bad_video\]/],
    ["a folder as clip", () => encoding(folder, "-o", at("x.safetensors"), "-m", at("model")), 1, /is a folder.*\[io_failed\]/],
    ["no model", () => encoding(at("clip.mp4"), "-o", at("x.safetensors")), 2, /--model is missing/],
    ["a model that is not there", () => encoding(at("clip.mp4"), "-o", at("x.safetensors"), "-m", at("nowhere")), 1, /nowhere.*\[file_not_found\]/],
    ["a file as model", () => encoding(at("clip.mp4"), "-o", at("x.safetensors"), "-m", at("model/config.json")), 2, /is a file; expected a tokenizer's folder/],
    ["a model of another kind", () => encoding(at("clip.mp4"), "-o", at("x.safetensors"), "-m", at("other")), 1, /CosmosTransformer3DModel.*AutoencoderKLCosmos.*\[bad_config\]/],
    ["a pipeline without a tokenizer", () => encoding(at("clip.mp4"), "-o", at("x.safetensors"), "-m", at("bare")), 1, /names no tokenizer.*\[bad_config\]/],
    ["weights of another shape", () => encoding(at("clip.mp4"), "-o", at("x.safetensors"), "-m", at("mismatch")), 1, /\[bad_checkpoint\]/],
    ["a folder that is missing", () => encoding(at("clip.mp4"), "-o", at("missing/x.safetensors"), "-m", at("model")), 1, /missing.*\[file_not_found\]/],
    ["a folder in a folder that is missing", () => encoding(at("clip.mp4"), "-o", at("missing/deep"), "-m", at("model")), 1, /\[file_not_found\]/],
    ["two clips into one file", () => encoding(at("clip.mp4"), at("still.mp4"), "-o", at("x.safetensors"), "-m", at("model")), 2, /one file, but 2 clips/],
    ["two clips of one name", () => encoding(at("clip.mp4"), at("copy/clip.mp4"), "-o", at("same"), "-m", at("model")), 2, /would both become/],
    ["a file that is no folder", () => encoding(at("clip.mp4"), "-o", at("text.mp4"), "-m", at("model")), 2, /does not end in \.safetensors/],
    ["a window that does not fit", () => encoding(at("clip.mp4"), "-o", at("x.safetensors"), "-m", at("model"), "--window", "10"), 2, /1 more than a multiple of 8, not 10/],
    ["a window of nothing", () => encoding(at("clip.mp4"), "-o", at("x.safetensors"), "-m", at("model"), "--window", "0"), 2, /--window is "0"/],
    ["a tile that does not fit", () => encoding(at("clip.mp4"), "-o", at("x.safetensors"), "-m", at("model"), "--tile", "20"), 2, /multiple of 8/],
    ["latents that are not there", () => ["tokenize", "decode", at("nowhere.safetensors"), "-o", at("x.mp4"), "-m", at("model")], 1, /\[file_not_found\]/],
    ["weights as latents", () => ["tokenize", "decode", at("model/diffusion_pytorch_model.safetensors"), "-o", at("x.mp4"), "-m", at("model")], 1, /not a video's latents.*\[bad_checkpoint\]/],
    ["a video as latents", () => ["tokenize", "decode", at("clip.mp4"), "-o", at("x.mp4"), "-m", at("model")], 1, /\[bad_checkpoint\]/],
    ["latents cut off", () => ["tokenize", "decode", at("cut.safetensors"), "-o", at("x.mp4"), "-m", at("model")], 1, /cut off.*\[bad_checkpoint\]/],
    ["a video that is no mp4", () => ["tokenize", "decode", at("good.safetensors"), "-o", at("x.avi"), "-m", at("model")], 2, /must end in \.mp4/],
    ["a video in a folder that is missing", () => ["tokenize", "decode", at("good.safetensors"), "-o", at("missing/x.mp4"), "-m", at("model")], 1, /\[file_not_found\]/],
    ["a quality that there is not", () => ["tokenize", "decode", at("good.safetensors"), "-o", at("x.mp4"), "-m", at("model"), "--crf", "99"], 2, /from 0 to 51/],
  ])("%s", async (_, words, exit, message) => {
    if (!existsSync(at("good.safetensors"))) {
      await orrery("tokenize", "encode", at("still.mp4"), "-o", at("good.safetensors"), "-m", at("model"), "--threads", "2");
      writeFileSync(at("cut.safetensors"), readFileSync(at("good.safetensors")).subarray(0, -8));
      mkdirSync(at("copy"));
      cpSync(at("clip.mp4"), at("copy/clip.mp4"));
      mkdirSync(at("other"));
      writeFileSync(at("other/config.json"), JSON.stringify({ _class_name: "CosmosTransformer3DModel" }));
      mkdirSync(at("bare"));
      writeFileSync(at("bare/model_index.json"), JSON.stringify({ _class_name: "X", "../vae": ["diffusers", "AutoencoderKLCosmos"] }));
      cpSync(at("model"), at("mismatch"), { recursive: true });
      cpSync(join(configs, "kl-4x8x8-rearranged/config.json"), at("mismatch/config.json"));
    }
    const outcome = await orrery(...words());
    expect(outcome.err).toMatch(message);
    expect([outcome.exit, outcome.out]).toEqual([exit, ""]);
    expect(outcome.err).not.toContain("[internal]");
    expect(readdirSync(folder).filter((name) => /^x\.|partial/.test(name))).toEqual([]);
  });
});

describe("inspect", () => {
  const inspected = async (...words: string[]): Promise<Record<string, unknown>> => {
    const { exit, out, err } = await orrery("inspect", ...words, "--json");
    expect([exit, err]).toEqual([0, ""]);
    return JSON.parse(out) as Record<string, unknown>;
  };

  test("a model's folder, and the file that speaks for it", async () => {
    const report = await inspected(at("model"));
    const file = await openCheckpoint(at("model"));
    const parametersOfFile = file.names().reduce((sum, name) => sum + file.info(name).byteLength / 4, 0);
    await file.close();
    expect(report).toMatchObject({
      kind: "model", className: "AutoencoderKLCosmos", problems: [],
      tokenizer: { coding: "continuous", temporal: 8, spatial: 8, latentChannels: 4 },
      weights: { format: "safetensors", naming: "diffusers-tokenizer", parameters: parametersOfFile, bytes: 4 * parametersOfFile, dtypes: { F32: 4 * parametersOfFile } },
    });
    expect(await inspected(at("model/config.json"))).toEqual(report);
    const { out } = await orrery("inspect", at("codes"));
    expect(out).toMatch(/a model, CausalDiscreteVideoTokenizer\ntokenizer +discrete, 4x4x4, 4 levels\n/);
    expect(out).toMatch(/licence +not said/);
  });

  test("a model without weights, or with a broken configuration, says so", async () => {
    mkdirSync(at("hollow"));
    writeFileSync(at("hollow/config.json"), JSON.stringify({ _class_name: "AutoencoderKLCosmos", patch_size: 3 }));
    const { problems } = (await inspected(at("hollow"))) as { problems: string[] };
    expect(problems).toEqual([expect.stringMatching(/patch_size: must be a power of two/), expect.stringMatching(/holds no checkpoint/)]);
    writeFileSync(at("hollow/config.json"), "{");
    expect((await orrery("inspect", at("hollow"))).err).toMatch(/is not JSON.*\[bad_config\]/);
  });

  test("a pipeline's folder", async () => {
    expect(await inspected(at("pipeline"))).toMatchObject({
      kind: "pipeline", className: "CosmosTextToWorldPipeline", license: "apache-2.0",
      components: [{ name: "vae", className: "AutoencoderKLCosmos", report: { weights: { naming: "diffusers-tokenizer" } } }, { name: "transformer", problem: "its folder is missing" }],
    });
    expect((await orrery("inspect", at("pipeline"))).out).toMatch(/vae +AutoencoderKLCosmos .*\ntransformer +CosmosTransformer3DModel +its folder is missing\n/);
  });

  test("a checkpoint's tensors, all or those that match", async () => {
    const path = at("small.safetensors");
    const data = (n: number) => new Float32Array(n);
    await writeSafetensors(path, [
      { name: "encoder.conv_in.0.conv3d.weight", dtype: "BF16", shape: [2, 3], data: data(6) },
      { name: "decoder.conv_in.bias", dtype: "F32", shape: [4], data: data(4) },
      { name: "norm.running_mean", dtype: "F32", shape: [5], data: data(5) },
      { name: "step", dtype: "I64", shape: [], data: new BigInt64Array(1) },
    ], { author: "a\u001b[2Jb" });
    const report = await inspected(path);
    expect(report).toMatchObject({ kind: "checkpoint", naming: "cosmos-tokenizer", tensorCount: 4, parameters: 10, bytes: 56, dtypes: { BF16: 12, F32: 36, I64: 8 }, metadata: { author: "a\u001b[2Jb" } });
    const names = async (pattern: string): Promise<string[]> => ((await inspected(path, "--tensors", pattern)) as { tensors: { name: string }[] }).tensors.map((t) => t.name).sort();
    expect(await names("conv_in")).toEqual(["decoder.conv_in.bias", "encoder.conv_in.0.conv3d.weight"]);
    expect(await names("*.conv_in.?*.weight")).toEqual(["encoder.conv_in.0.conv3d.weight"]);
    expect((await orrery("inspect", path, "--tensors", "nothing")).err).toMatch(/no tensor of .* matches "nothing"; it has 4, such as/);
    const { out } = await orrery("inspect", path, "--limit", "1");
    expect(out).toContain("… and 3 more");
    expect(out).not.toContain("\u001b");
  });

  test("a PyTorch checkpoint is read and not run", async () => {
    const testdata = join(configs, "../../weights/testdata");
    const archives = readdirSync(testdata, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".pt"));
    expect(archives.length).toBeGreaterThan(0);
    expect(await inspected(join(testdata, archives[0]!))).toMatchObject({ kind: "checkpoint", format: "torch" });
    // The classic: a pickle that calls os.system. Protocol 2, in the legacy container's first place.
    writeFileSync(at("evil.pt"), Buffer.from("\x80\x02cos\nsystem\nU\x04true\x85R.", "latin1"));
    const evil = await orrery("inspect", at("evil.pt"));
    expect(evil.exit).toBe(1);
    expect(evil.err).toMatch(/\[(unsafe_checkpoint|bad_checkpoint)\]/);
  });

  test("latents and a video", async () => {
    await orrery("tokenize", "encode", at("clip.mp4"), "-o", at("seen.safetensors"), "-m", at("model"), "--threads", "2");
    expect(await inspected(at("seen.safetensors"))).toMatchObject({ kind: "latents", dtype: "F32", shape: [1, 4, 5, 5, 7], frames: 21, windows: 2, padFrames: 5, padRight: 5, padBottom: 3 });
    expect((await orrery("inspect", at("seen.safetensors"))).out).toContain("21 frames of 51 x 37 at 25 fps");
    expect(await inspected(at("clip.mp4"))).toMatchObject({ kind: "video", width: 51, height: 37, frameCount: 21, codec: "h264" });
    expect((await orrery("inspect", at("clip.mp4"))).out).toMatch(/frames +21 at 25 fps/);
    expect((await orrery("inspect", at("clip.mp4"), "--tensors", "x")).err).toMatch(/is a video and not a checkpoint.*\[bad_argument\]/);
  });

  test("a training run, a killed one included", async () => {
    const run = at("run");
    mkdirSync(join(run, "checkpoints/step-00000020"), { recursive: true });
    writeFileSync(join(run, "run.json"), JSON.stringify({ steps: 100, lr: 0.001 }));
    expect((await orrery("inspect", run)).out).toMatch(/step +none saved of 100/);
    writeFileSync(join(run, "checkpoints/step-00000020/trainer.json"), JSON.stringify({ step: 20, seed: 0 }));
    writeFileSync(join(run, "checkpoints/step-00000020/state.safetensors"), "12345678");
    writeFileSync(join(run, "checkpoints/latest"), "step-00000020");
    writeFileSync(join(run, "metrics.jsonl"), '{"step":10,"train/loss":2}\n{"step":20,"train/loss":1}\n{"step":2');
    expect(await inspected(run)).toMatchObject({ kind: "run", step: 20, steps: 100, metrics: { step: 20, "train/loss": 1 }, settings: { lr: 0.001 }, checkpoints: [{ name: "step-00000020", bytes: 8, latest: true }], samples: [] });
    expect((await orrery("inspect", run)).out).toMatch(/step +20 of 100/);
  });

  test.each([
    ["nothing there", () => at("nowhere"), 1, /\[file_not_found\]/],
    ["an empty folder", () => at("empty"), 1, /without model_index\.json.*it has nothing.*\[file_not_found\]/],
    ["a text", () => at("notes.txt"), 1, /is nothing that is known.*\[bad_video\]/],
    ["an empty file", () => at("zero"), 1, /\[bad_video\]/],
    ["a video that was cut off", () => at("half.mp4"), 1, /truncated.*\[bad_video\]/],
    ["safetensors that were cut off", () => at("torn.safetensors"), 1, /cut off.*\[bad_checkpoint\]/],
    ["a Git LFS pointer", () => at("pointer.safetensors"), 1, /git lfs pull.*\[bad_checkpoint\]/],
  ])("%s", async (_, path, exit, message) => {
    mkdirSync(at("empty"), { recursive: true });
    writeFileSync(at("notes.txt"), "some words\n");
    writeFileSync(at("zero"), "");
    writeFileSync(at("pointer.safetensors"), "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
    writeFileSync(at("torn.safetensors"), readFileSync(at("model/diffusion_pytorch_model.safetensors")).subarray(0, 60_000));
    const outcome = await orrery("inspect", path());
    expect(outcome.err).toMatch(message);
    expect([outcome.exit, outcome.out]).toEqual([exit, ""]);
  });
});
