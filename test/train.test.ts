/** `orrery train` as a user meets it: runs that are stopped and continued, what they leave behind, and bad input. */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { main } from "../src/cli/main.ts";
import { openPipeline } from "../src/registry/index.ts";
import { makeDemoClip } from "../src/video/index.ts";
import { openCheckpoint, writeSafetensors, type SafetensorsEntry } from "../src/weights/index.ts";

const folder = mkdtempSync(join(tmpdir(), "orrery-train-"));
const at = (...names: string[]): string => join(folder, ...names);

/** Seconds normally; a machine with other work on it takes many times that. */
const patience = 300_000;

interface Outcome {
  exit: number;
  out: string;
  err: string;
}

/** `whenLogged` is called with the number of steps in the run's metrics.jsonl whenever the work looks whether it should stop; true presses Ctrl-C. */
async function orrery(words: string[], whenLogged?: (steps: number) => boolean): Promise<Outcome> {
  const [out, err]: [string[], string[]] = [[], []];
  const { signal } = new AbortController();
  if (whenLogged) {
    const metrics = join(words[words.indexOf("--out") + 1]!, "metrics.jsonl");
    let pressed = false;
    Object.defineProperty(signal, "aborted", { get: () => (pressed ||= existsSync(metrics) && whenLogged(readFileSync(metrics, "utf8").trim().split("\n").length)) });
  }
  const exit = await main(words, { stdout: { write: (text) => out.push(text) }, stderr: { write: (text) => err.push(text) }, env: {}, signal });
  return { exit, out: out.join(""), err: err.join("") };
}

const afterThree = (steps: number): boolean => steps === 3;

const loop = ["steps=6", "batch=1", "logEvery=1", "saveEvery=2", "sampleEvery=100", "optimizer.warmupSteps=1", "optimizer.lr=3e-3"];
const tiny = ["width=8", "multipliers=[1]", "blocks=1", "data.width=16", "data.height=16", "data.frames=5", ...loop];
const continuous = ["kind=CV4x4x4", "latentChannels=4", ...tiny];
const discrete = ["kind=DV4x4x4", "levels=[4,4]", ...tiny];
const world = ["size=nano", "layers=1", "heads=2", "headDim=12", "adalnDim=8", "patch=[1,2,2]", "data.width=16", "data.height=16", "data.frames=9", "sampler.steps=3", ...loop];
const spelled = ["size=nano", "layers=1", "heads=2", "keyHeads=1", "width=16", "inner=16", "data.width=16", "data.height=16", "data.frames=9", ...loop];
const train = (what: string, out: string, settings: string[], ...more: string[]): string[] => ["train", what, "--data", at("balls.mp4"), "--out", at(out), "--threads", "1", ...settings, ...more];

const losses = (run: string): number[] =>
  readFileSync(at(run, "metrics.jsonl"), "utf8").trim().split("\n").map((line) => (JSON.parse(line) as Record<string, number>)["train/loss"]).filter((loss) => loss !== undefined);

beforeAll(async () => {
  await makeDemoClip(at("balls.mp4"), { width: 32, height: 32, frames: 24, fps: 12 });
  const clip = (name: string, ...words: string[]): void => {
    execFileSync(process.env["ORRERY_FFMPEG"] ?? "ffmpeg", ["-v", "error", "-f", "lavfi", ...words, "-pix_fmt", "yuv444p", "-threads", "1", at(name)]);
  };
  clip("odd.mp4", "-i", "testsrc=s=51x37:r=25:d=1");
  clip("still.mp4", "-i", "testsrc=s=32x32:r=25:d=0.04");
  // The gaps between frames grow, in a container that keeps them.
  clip("uneven.mkv", "-i", "testsrc=s=32x32:r=25:d=2", "-vf", "select='not(mod(n,3))+lt(n,9)'", "-fps_mode", "vfr");
  writeFileSync(at("empty.mp4"), "");
}, patience);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each([
  ["tokenizer", continuous, undefined],
  ["tokenizer", discrete, undefined],
  ["diffusion", world, "tokenizer-kind=CV4x4x4"],
  ["autoregressive", spelled, "tokenizer-kind=DV4x4x4"],
] as const)("train %s %s", (what, settings, tokenizer) => {
  const name = `${what}-${settings[0]}`;
  const words = (run: string): string[] => train(what, run, [...settings], ...(tokenizer === undefined ? [] : ["--tokenizer", at(tokenizer, "model")]));

  test("stopped by Ctrl-C it exits with 130 and a checkpoint, and continued it ends with the same bits", async () => {
    const whole = await orrery([...words(name), "--json"]);
    expect([whole.exit, whole.err.split("\n").at(-2)]).toEqual([0, expect.stringContaining("6/6 steps")]);
    const stopped = await orrery(words(`${name}-cut`), afterThree);
    expect([stopped.exit, stopped.err]).toEqual([130, expect.stringMatching(/stopped after 3 of 6 steps; a checkpoint is in .* \[cancelled\]/)]);
    expect(readFileSync(at(`${name}-cut`, "checkpoints/latest"), "utf8")).toBe("step-00000003");
    cpSync(at(`${name}-cut`), at(`${name}-stopped`), { recursive: true });
    expect((await orrery(words(`${name}-cut`))).exit).toBe(0);
    expect(losses(`${name}-cut`)).toEqual(losses(name));
    const part = what === "tokenizer" ? "model" : "model/transformer";
    const weights = (run: string): Buffer => readFileSync(at(run, part, "diffusion_pytorch_model.safetensors"));
    expect(weights(`${name}-cut`).equals(weights(name))).toBe(true);
    expect(losses(name)).toHaveLength(6);
    expect(losses(name).every(Number.isFinite)).toBe(true);
    const events = readdirSync(at(name)).filter((file) => file.startsWith("events.out.tfevents."));
    expect(events).toHaveLength(1);
    expect(readdirSync(at(name, "samples"))).toEqual(["step-00000006.png"]);
    expect(readdirSync(at(name, "checkpoints")).sort()).toEqual(["latest", "step-00000004", "step-00000006"]);
  }, patience);

  test("asked again when it is done, it says so and changes nothing", async () => {
    const before = losses(name);
    const again = await orrery([...words(name), "--json"]);
    expect([again.exit, (JSON.parse(again.out) as { step: number }).step]).toEqual([0, 6]);
    expect(losses(name)).toEqual(before);
  }, patience);

  test("it is not continued with other settings", async () => {
    const other = await orrery([...words(name), "optimizer.lr=1e-5"]);
    expect([other.exit, other.err]).toEqual([1, expect.stringMatching(/holds a run with other settings: optimizer was .*0\.003.*\[bad_config\]/)]);
  }, patience);

  test("orrery inspect opens the run and the model", async () => {
    const run = await orrery(["inspect", at(name), "--json"]);
    expect(JSON.parse(run.out)).toMatchObject({ kind: "run", step: 6, steps: 6 });
    const model = await orrery(["inspect", at(name, "model"), "--json"]);
    expect([model.exit, JSON.parse(model.out)]).toEqual([0, expect.objectContaining({ kind: what === "tokenizer" ? "model" : "pipeline" })]);
  });
});

describe("what comes out", () => {
  test("a tokenizer that encodes, with the statistics of its latents", async () => {
    const model = at("tokenizer-kind=CV4x4x4", "model");
    const encoded = await orrery(["tokenize", "encode", at("balls.mp4"), "-o", at("balls.safetensors"), "--model", model, "--threads", "1"]);
    expect(encoded.exit).toBe(0);
    const config = JSON.parse(readFileSync(join(model, "config.json"), "utf8")) as { latents_mean: number[]; latents_std: number[] };
    // Four channels, two latent frames.
    expect([config.latents_mean.length, config.latents_std.every((s) => s > 0)]).toEqual([8, true]);
  });

  test("a pipeline with what generation must know", async () => {
    const { generation, components } = await openPipeline(at("diffusion-size=nano", "model"));
    expect(generation).toMatchObject({ family: "diffusion", width: 16, height: 16, frames: 9, fps: 12, conditionFrames: [1, 5], formulation: "edm-velocity", sampler: { name: "res2ab", steps: 3 }, text: null });
    expect([...components.keys()].sort()).toEqual(["scheduler", "transformer", "vae"]);
  });

  test("a pipeline of tokens", async () => {
    const { generation, components, className } = await openPipeline(at("autoregressive-size=nano", "model"));
    expect(generation).toMatchObject({ family: "autoregressive", width: 16, height: 16, frames: 9, conditionFrames: [1, 5], sampling: { temperature: 1, topP: 0.8 } });
    expect([className, [...components.keys()].sort()]).toEqual(["OrreryAutoregressivePipeline", ["tokenizer", "transformer"]]);
  });

  test("a model that reads text, from the captions of a rendered folder", async () => {
    expect((await orrery(["lab", "render", "--count", "2", "--size", "16x16", "--frames", "9", "-o", at("lab"), "--threads", "1"])).exit).toBe(0);
    const words = ["train", "diffusion", "--tokenizer", at("tokenizer-kind=CV4x4x4", "model"), "--threads", "1", ...world, "steps=1", "text.tokens=16", "text.layers=1"];
    const { exit, err } = await orrery([...words, "--data", at("lab"), "--out", at("told")]);
    expect([exit, err]).toEqual([0, expect.stringContaining("1/1 steps")]);
    const { captions } = JSON.parse(readFileSync(at("told/captions.json"), "utf8")) as { captions: [string, string][] };
    expect(captions).toHaveLength(2);
    for (const [path, caption] of captions) {
      const truth = JSON.parse(readFileSync(path.replace("clips", "truth").replace(".mp4", ".json"), "utf8")) as { caption: string };
      expect([caption, caption.length > 20]).toEqual([truth.caption, true]);
    }
    expect((await openPipeline(at("told/model"))).generation.text).toMatchObject({ component: "text_encoder", tokens: 16 });
    const untold = await orrery([...words, "--data", at("balls.mp4"), "--out", at("untold")]);
    expect([untold.exit, untold.err]).toEqual([2, expect.stringMatching(/none of the clips has a caption.*CLIP\.txt.*\[bad_argument\]/)]);
  }, patience);

  test("settings from --print-config are settings for --config", async () => {
    const { out } = await orrery(["train", "tokenizer", "--print-config", "size=nano", "optimizer.lr=0.5"]);
    writeFileSync(at("settings.yaml"), out);
    const again = await orrery(["train", "tokenizer", "--print-config", "--config", at("settings.yaml")]);
    expect([again.exit, again.out]).toEqual([0, out]);
  });

  test("clips of odd sizes and uneven rates are brought to one size and rate, with a note; what is no video is left out, with a reason", async () => {
    const mixed = await orrery(["train", "tokenizer", "--data", at("odd.mp4"), at("uneven.mkv"), at("empty.mp4"), "--out", at("mixed"), "--threads", "1", ...continuous, "steps=1"]);
    expect(mixed.exit).toBe(0);
    expect(mixed.out).toMatch(/2 clip\(s\), .* frames of 16 x 16 at 25 fps/);
    expect(mixed.out).toMatch(/left out: .*empty\.mp4/);
    expect(mixed.out).toMatch(/uneven\.mkv has frames at uneven times/);
  }, patience);

  test("a model is fine-tuned from another's weights", async () => {
    const tuned = await orrery(train("tokenizer", "tuned", [...tiny, "steps=1", "optimizer.lr=1e-9"], "--from", at("tokenizer-kind=CV4x4x4", "model")));
    expect(tuned.exit).toBe(0);
    // At such a rate one step moves nothing: what is there is what it started from.
    const weights = async (run: string): Promise<number[]> => {
      const checkpoint = await openCheckpoint(at(run, "model"));
      const values = await checkpoint.readF32("decoder.conv_in.conv_s.weight");
      await checkpoint.close();
      return [...values];
    };
    const [before, after] = [await weights("tokenizer-kind=CV4x4x4"), await weights("tuned")];
    expect(after).toEqual(before.map((w) => expect.closeTo(w, 6)));
  }, patience);
});

describe("bad input", () => {
  const data = (...clips: string[]): string[] => ["train", "tokenizer", "--threads", "1", "--out", at("bad"), ...continuous, "--data", ...clips.map((c) => at(c))];

  test.each([
    ["a file that is missing", data("nowhere.mp4"), 1, /no such file.*nowhere\.mp4.*\[file_not_found\]/],
    ["a file of no length", data("empty.mp4"), 1, /none of the 1 file\(s\) can be used.*\[bad_video\]/],
    ["a clip of one frame", data("still.mp4"), 1, /the longest clip has 1 frame\(s\).*windows of 5.*\[bad_video\]/],
    ["clips that are held back whole", [...data("odd.mp4"), "data.holdout.seconds=9"], 1, /longest clip has 0 frame\(s\).*\[bad_video\]/],
    ["no clips", ["train", "tokenizer", "--out", at("bad")], 2, /--data is missing.*\[bad_argument\]/],
    ["no folder", ["train", "tokenizer", "--data", at("odd.mp4")], 2, /--out is missing.*\[bad_argument\]/],
    ["no tokenizer", ["train", "diffusion", "--data", at("odd.mp4"), "--out", at("bad")], 2, /--tokenizer is missing.*\[bad_argument\]/],
    ["steps out of range", [...data("odd.mp4"), "steps=0"], 1, /steps is 0 \(from "steps=0"\).*\[bad_config\]/],
    ["a rate out of range", [...data("odd.mp4"), "optimizer.lr=-1"], 1, /optimizer\.lr is -1.*\[bad_config\]/],
    ["a kind that there is not", [...data("odd.mp4"), "kind=CV8"], 1, /kind is "CV8".*expected a name such as CV8x8x8.*\[bad_config\]/],
    ["a setting that there is not", [...data("odd.mp4"), "lr=1e-3"], 2, /"lr" is not a setting; did you mean "optimizer\.lr"\?.*\[bad_argument\]/],
    ["windows that do not divide", [...data("odd.mp4"), "data.frames=6"], 1, /nearest that do are data\.frames=9 data\.width=16.*\[bad_config\]/],
    ["levels that do not make the compression", [...data("odd.mp4"), "kind=CV8x8x8"], 1, /changes the (picture|frames).*\[bad_config\]/],
    ["a folder that is a file", [...data("odd.mp4"), "--out", at("odd.mp4", "run")], 1, /odd\.mp4.*\[(file_not_found|io_failed)\]/],
  ])("%s", async (_, words, exit, message) => {
    const outcome = await orrery(words);
    expect([outcome.exit, outcome.err]).toEqual([exit, expect.stringMatching(message)]);
  });

  test("a discrete tokenizer for a diffusion model", async () => {
    const outcome = await orrery(train("diffusion", "bad", world, "--tokenizer", at("tokenizer-kind=DV4x4x4", "model")));
    expect([outcome.exit, outcome.err]).toEqual([2, expect.stringMatching(/is a discrete tokenizer.*\[bad_argument\]/)]);
  });

  test("a continuous tokenizer for an autoregressive model", async () => {
    const outcome = await orrery(train("autoregressive", "bad", spelled, "--tokenizer", at("tokenizer-kind=CV4x4x4", "model")));
    expect([outcome.exit, outcome.err]).toEqual([2, expect.stringMatching(/is a continuous tokenizer.*\[bad_argument\]/)]);
  });

  test("given frames that are no latent frames", async () => {
    const outcome = await orrery(train("diffusion", "bad", [...world, "conditionFrames=[3]"], "--tokenizer", at("tokenizer-kind=CV4x4x4", "model")));
    expect([outcome.exit, outcome.err]).toEqual([1, expect.stringMatching(/conditionFrames has 3; expected .*multiple of 4.*\[bad_config\]/)]);
  });

  /** Rewrites the newest checkpoint of a stopped run. */
  async function tamper(run: string, change: (entry: SafetensorsEntry) => SafetensorsEntry | undefined): Promise<void> {
    cpSync(at("tokenizer-kind=CV4x4x4-stopped"), at(run), { recursive: true });
    const path = at(run, "checkpoints/step-00000003/state.safetensors");
    const checkpoint = await openCheckpoint(path);
    const entries: SafetensorsEntry[] = [];
    for (const name of checkpoint.names()) {
      const changed = change({ name, dtype: "F32", shape: checkpoint.info(name).shape, data: await checkpoint.readF32(name) });
      if (changed) entries.push(changed);
    }
    await checkpoint.close();
    await writeSafetensors(path, entries);
  }

  test.each([
    ["another shape", (e: SafetensorsEntry) => (e.name === "adam.m/quant_conv.bias" ? { ...e, shape: [2, 2] } : e), /adam\.m\/quant_conv\.bias .* is F32 \[2, 2\]; this run needs F32 \[4\].*\[bad_checkpoint\]/],
    ["another dtype", (e: SafetensorsEntry) => (e.name === "quant_conv.bias" ? { ...e, dtype: "F16" as const } : e), /quant_conv\.bias .* is F16 .*needs F32.*\[bad_checkpoint\]/],
    ["a tensor missing", (e: SafetensorsEntry) => (e.name === "ema/quant_conv.bias" ? undefined : e), /has no ema\/quant_conv\.bias.*\[bad_checkpoint\]/],
  ])("a checkpoint with %s", async (name, change, message) => {
    const run = `tampered ${name}`;
    await tamper(run, change);
    const outcome = await orrery(train("tokenizer", run, continuous));
    expect([outcome.exit, outcome.err]).toEqual([1, expect.stringMatching(message)]);
  }, patience);

  test("a checkpoint that is cut short, one whose step is unreadable, and settings that are no JSON", async () => {
    const run = "cut short";
    cpSync(at("tokenizer-kind=CV4x4x4-stopped"), at(run), { recursive: true });
    const state = at(run, "checkpoints/step-00000003/state.safetensors");
    writeFileSync(state, readFileSync(state).subarray(0, 500));
    expect((await orrery(train("tokenizer", run, continuous))).err).toMatch(/\[bad_checkpoint\]/);
    writeFileSync(at(run, "checkpoints/step-00000003/trainer.json"), "{");
    expect((await orrery(train("tokenizer", run, continuous))).err).toMatch(/does not say which step.*\[bad_checkpoint\]/);
    writeFileSync(at(run, "run.json"), "{");
    expect((await orrery(train("tokenizer", run, continuous))).err).toMatch(/run\.json is not JSON.*\[bad_config\]/);
  }, patience);

  test("a disk that is full: a clear error, and with room again the run goes on to the same end", async () => {
    const run = "full";
    const metrics = at(run, "metrics.jsonl");
    cpSync(at("tokenizer-kind=CV4x4x4-stopped"), at(run), { recursive: true });
    let lines = 0;
    const full = await orrery(train("tokenizer", run, continuous), (steps) => {
      if (steps > lines) lines = steps;
      if (lines === 4) {
        // Every byte written to this device is refused with ENOSPC, for any user.
        unlinkSync(metrics);
        symlinkSync("/dev/full", metrics);
      }
      return false;
    });
    expect([full.exit, full.err]).toEqual([1, expect.stringMatching(/no space left while writing .*metrics\.jsonl; free some and run the same command again \[disk_full\]/)]);
    unlinkSync(metrics);
    expect((await orrery(train("tokenizer", run, continuous))).exit).toBe(0);
    const weights = (name: string): Buffer => readFileSync(at(name, "model/diffusion_pytorch_model.safetensors"));
    expect(weights(run).equals(weights("tokenizer-kind=CV4x4x4"))).toBe(true);
  }, patience);
});
