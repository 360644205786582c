/**
 * Trains a tokenizer on clips: pixels in, the same pixels out. The run's folder is `training/run-folder.ts`'s; the model so far
 * stands in `OUT/model`, a folder like any other tokenizer's. Continuous ones carry the mean and deviation of their latents
 * on the training clips, which diffusion models need.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { OrreryError, fromSystemError } from "../errors.ts";
import type { Progress } from "../progress.ts";
import { createLoader, openTrainingData, randomAt, type ClipSet, type OpenData, type TrainingData } from "../dataset/index.ts";
import { parameters, type Parameters } from "../nn/index.ts";
import { openComponent, readComponentWeights, saveComponent, writeJson, type Component, type Json } from "../registry/index.ts";
import { compile, input, size } from "../tensor/index.ts";
import { hostTensor, type HostTensor, type Runtime } from "../tensor/runtime/node.ts";
import { loopOptions, train, type Task } from "../training/index.ts";
import { contactSheet, fromTensor, toTensor, writePng, type Clip } from "../video/index.ts";
import { codec, paddedSize, tokenizerParameters, type Codec } from "./codec.ts";
import { compression, decode, encode, isDiscrete, latentMeter, parseTokenizerConfig, patchVideo, type LatentStatistics, type TokenizerConfig } from "./index.ts";
import { reconstructionLoss } from "./loss.ts";
import { planOf } from "./plan.ts";
import { hasPrincipalStart, principalComponents, principalStart } from "./principal-start.ts";
import { tokenizerConfigOf, type TokenizerSettings } from "./training-settings.ts";

export interface TokenizerTraining {
  /** Video files and folders of them, or what `openData` knows besides. */
  data: readonly string[];
  /** Default `openTrainingData`. */
  openData?: OpenData | undefined;
  /** Folder of the run; an unfinished run in it is continued. */
  out: string;
  settings: TokenizerSettings;
  runtime: Runtime;
  /** A tokenizer's folder to start from; its configuration takes the place of the settings'. */
  from?: string | undefined;
  /** Figures of a reconstruction beside its original, logged as `eval/NAME` (PSNR, SSIM). */
  measure?: ((original: Clip, reconstructed: Clip) => Record<string, number>) | undefined;
  /** Told once the clips are open: how many there are, which were left out and why. */
  onData?: ((data: TrainingData) => void) | undefined;
  progress?: Progress | undefined;
  signal?: AbortSignal | undefined;
}

export interface TrainedTokenizer {
  /** The tokenizer's folder. */
  model: string;
  step: number;
  parameters: number;
  /** Of the last step; absent when the run was finished before. */
  loss?: number;
  /** The last figures of the held-back clips. */
  figures: Record<string, number>;
}

/** Windows that sheets and figures show. */
const shownWindows = 4;
/** Windows that latents' statistics are taken over. */
const statisticsWindows = 64;

/**
 * Trains, or goes on training.
 * @throws `bad_argument`, `bad_config` (settings that make no network, or another run's folder), `bad_video`,
 * `cancelled` after a checkpoint, `diverged`, `disk_full`.
 */
export async function trainTokenizer(options: TokenizerTraining): Promise<TrainedTokenizer> {
  const { settings, from, progress, signal } = options;
  const base = from === undefined ? undefined : await openComponent(from);
  const config = base ? parseTokenizerConfig(base.config) : tokenizerConfigOf(settings);
  checkWindow(config, settings);
  const data = await (options.openData ?? openTrainingData)(options.data, settings.data, { progress, signal });
  try {
    options.onData?.(data);
    return await learn(options, base, config, data);
  } finally {
    await data.close?.();
  }
}

async function learn(options: TokenizerTraining, base: Component | undefined, config: TokenizerConfig, data: TrainingData): Promise<TrainedTokenizer> {
  const { out, settings, runtime, from, progress, signal } = options;
  const { batch } = settings;
  const { frames, width, height } = settings.data;
  const loader = createLoader(data.training, { batch, frames, seed: settings.seed });
  const shown = await shownClips(data.held, frames, settings.seed);
  await makeFolder(out);
  await writeJson(join(out, "config.json"), saved(config));

  const all = parameters();
  const shape = [batch, 3, frames, height, width];
  const pixels = input("pixels", shape);
  const { loss, terms } = reconstructionLoss(pixels, decode(all.root, encode(all.root, pixels, config), config), settings.loss);
  const start = base ? await readComponentWeights(base, all.all.values()) : new Map([...quietStart(all), ...(await componentsStart(config, all, data.training, options))]);
  const model = join(out, "model");
  let figures: Record<string, number> = {};
  const task: Task = {
    title: "training the tokenizer",
    parameters: all,
    loss,
    figures: { l1: terms.l1, l2: terms.l2 },
    start,
    feeds: async (microBatch) => ({ pixels: batchOf(await loader.at(microBatch), shape) }),
    sample: async (step, weights) => {
      const tokenizer = codec(config, { weights: new Map(weights) }, runtime, { temporalWindow: frames, tile: tileFor(config, width, height) });
      try {
        figures = await show(tokenizer, shown, join(out, "samples", `step-${String(step).padStart(8, "0")}.png`), data.isHeld, options.measure);
        const statistics = isDiscrete(config) || config["_class_name"] !== "AutoencoderKLCosmos" ? undefined : await latentStatistics(tokenizer, data.training, frames, batch, settings.seed);
        await saveComponent(model, saved(config, statistics), tokenizerParameters(config).all.values(), weights);
      } finally {
        await tokenizer.release();
      }
      return figures;
    },
  };
  const run = { trains: "tokenizer", clips: [...options.data], from: from ?? null, ...settings };
  const result = await train(task, runtime, { ...loopOptions(settings), out, settings: run, ...(progress ? { progress } : {}), signal });
  const { step, parameters: count, loss: last } = result;
  return { model, step, parameters: count, ...(last === undefined ? {} : { loss: last }), figures };
}

/** The last layer of every residual branch, and the decoder's. */
const lastLayers = /(^decoder\.conv_out|\.conv2|\.to_out\.0|\.proj_out)(\.conv_t|\.1\.conv3d|\.conv3d)?\.(weight|bias)$/;

/**
 * Starts with every residual branch and the answer at zero (as in Zhang et al. 2019, "Fixup"): at first the network passes
 * averages through and answers grey, instead of 64 wavelet bands of noise that the first hundreds of steps would go into.
 */
export function quietStart({ all }: Parameters): Map<string, Float32Array> {
  return new Map([...all.values()].filter((p) => lastLayers.test(p.name)).map((p) => [p.name, new Float32Array(size(p.shape))]));
}

/** Windows that principal components are found from, and the most patches of them. */
const componentWindows = 16;
const componentPatches = 12_000;

/** Starts as a linear autoencoder where the network can (`principal-start.ts`). */
async function componentsStart(config: TokenizerConfig, all: Parameters, set: ClipSet, { settings, runtime }: TokenizerTraining): Promise<Map<string, Float32Array>> {
  if (settings.start !== "components" || !hasPrincipalStart(config)) return new Map();
  const { frames, width, height } = settings.data;
  const { patch, latent } = planOf(config);
  const loader = createLoader(set, { batch: 1, frames, seed: settings.seed ^ 0x7a11, ahead: 0 });
  const shape = [1, 3, frames, height, width];
  const patches = patchVideo(input("pixels", shape), patch);
  const executable = await runtime.load(compile({ outputs: { patches }, target: runtime.device }));
  try {
    const [n, bands, h, w] = patches.shape as [number, number, number, number];
    const every = Math.max(1, Math.floor((componentWindows * n * h * w) / componentPatches));
    const rows: Float32Array[] = [];
    for (let i = 0, count = 0; i < componentWindows; i++) {
      const values = (await executable.run({ pixels: batchOf(await loader.at(i), shape) }))["patches"]!.data as Float32Array;
      for (let at = 0; at < n * h * w; at++, count++)
        if (count % every === 0) rows.push(Float32Array.from({ length: bands }, (_, c) => values[(Math.floor(at / (h * w)) * bands + c) * h * w + (at % (h * w))]!));
    }
    const flat = new Float32Array(rows.length * bands);
    rows.forEach((row, i) => flat.set(row, i * bands));
    return principalStart(config, all, principalComponents(flat, bands, latent), isDiscrete(config) ? config.levels : undefined);
  } finally {
    await executable.release();
  }
}

function checkWindow(config: TokenizerConfig, { data }: TokenizerSettings): void {
  const factors = compression(config);
  const fits = paddedSize(data, factors);
  if (fits.frames !== data.frames || fits.width !== data.width || fits.height !== data.height)
    throw new OrreryError("bad_config", `windows of ${data.frames} frames of ${data.width} x ${data.height} do not fit a tokenizer that compresses by ${factors.temporal}x${factors.spatial}x${factors.spatial}; the nearest that do are data.frames=${fits.frames} data.width=${fits.width} data.height=${fits.height}`);
}

const tileFor = (config: TokenizerConfig, width: number, height: number): number => Math.ceil(Math.max(width, height, 2 * compression(config).spatial) / compression(config).spatial) * compression(config).spatial;

/** `config.json` as written: the class, every field, and the statistics of latents. */
function saved(config: TokenizerConfig, statistics?: LatentStatistics): Json {
  return { ...config, ...(statistics ? { latents_mean: statistics.mean, latents_std: statistics.std } : {}) };
}

async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch((error: unknown) => {
    throw fromSystemError(error, path);
  });
}

/** Windows of equal shape side by side as [B, 3, T, H, W] in -1..1. */
export function batchOf(clips: readonly Clip[], shape: readonly number[]): HostTensor {
  const each = shape.slice(1).reduce((a, b) => a * b, 1);
  const values = new Float32Array(each * clips.length);
  clips.forEach((clip, i) => values.set(toTensor(clip), i * each));
  return hostTensor("float32", [clips.length, ...shape.slice(1)], values);
}

/** The windows to show: evenly over the clips, each the first one of its clip. Falls back to shorter clips, filled up. */
async function shownClips(set: ClipSet, frames: number, seed: number): Promise<{ name: string; clip: Clip }[]> {
  const usable = set.entries.map((entry, index) => ({ entry, index })).filter(({ entry }) => entry.frameCount > 0);
  const random = randomAt(seed, 0, 1);
  const chosen = usable.length <= shownWindows ? usable : random.permutation(usable.length).slice(0, shownWindows).sort((a, b) => a - b).map((i) => usable[i]!);
  return Promise.all(chosen.map(async ({ entry, index }) => ({ name: entry.path.split(/[\\/]/).at(-1)!, clip: await set.window(index, 0, frames) })));
}

/** Writes a sheet of originals and reconstructions and gives their mean figures. */
async function show(tokenizer: Codec, shown: readonly { name: string; clip: Clip }[], path: string, isHeld: boolean, measure: TokenizerTraining["measure"]): Promise<Record<string, number>> {
  const rows = [];
  const sums: Record<string, number> = {};
  const codes = new Map<bigint, number>();
  for (const { name, clip } of shown) {
    const coded = await tokenizer.encode(toTensor(clip), [1, 3, clip.frameCount, clip.height, clip.width]);
    if (coded.data instanceof BigInt64Array) for (const code of coded.data) codes.set(code, (codes.get(code) ?? 0) + 1);
    const pixels = await tokenizer.decode(coded, { frames: clip.frameCount, height: clip.height, width: clip.width });
    const made = fromTensor(pixels.data as Float32Array, pixels.shape, clip.fps);
    const figures = measure?.(clip, made) ?? {};
    for (const [key, value] of Object.entries(figures)) sums[key] = (sums[key] ?? 0) + value / shown.length;
    const note = Object.entries(figures).map(([key, value]) => `${key} ${value.toFixed(key === "ssim" ? 3 : 2)}`).join(", ");
    rows.push({ label: `${name}${isHeld ? " (held back)" : ""}`, clip }, { label: `reconstructed ${note}`, clip: made });
  }
  await writePng(path, contactSheet(rows));
  return codes.size > 0 ? { ...sums, ...codeUsage(codes) } : sums;
}

/** Different codes among those used, and the perplexity of their distribution: how many equally likely ones it is worth. */
export function codeUsage(counts: ReadonlyMap<bigint, number>): { codes: number; perplexity: number } {
  const total = [...counts.values()].reduce((a, b) => a + b, 0);
  const entropy = [...counts.values()].reduce((sum, n) => sum - (n / total) * Math.log(n / total), 0);
  return { codes: counts.size, perplexity: Math.exp(entropy) };
}

/** The statistics of latents of windows drawn from the training clips. */
async function latentStatistics(tokenizer: Codec, set: ClipSet, frames: number, batch: number, seed: number): Promise<LatentStatistics> {
  const loader = createLoader(set, { batch, frames, seed: seed ^ 0x51ab, ahead: 0 });
  const meter = latentMeter();
  for (let step = 0; step * batch < statisticsWindows; step++) {
    const pixels = batchOf(await loader.at(step), [batch, 3, frames, set.height, set.width]);
    const { data, shape } = await tokenizer.encode(pixels.data as Float32Array, pixels.shape);
    meter.add(data as Float32Array, shape);
  }
  return meter.result();
}
