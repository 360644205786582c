/**
 * Trains an autoregressive world model on clips: a discrete tokenizer spells every window as tokens in frame, row, column order,
 * and the transformer learns each next token (`nextTokenLoss`). The model so far stands in `OUT/model`, a pipeline folder with the
 * tokenizer inside.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { OrreryError, fromSystemError } from "../../errors.ts";
import type { Progress } from "../../progress.ts";
import { openTrainingData, randomAt, type OpenData, type TrainingData } from "../../dataset/index.ts";
import { parameters, type Parameter } from "../../nn/index.ts";
import { openComponent, readComponentWeights, saveComponent, savePipeline, writeJson, type AutoregressiveGeneration, type Component, type Json } from "../../registry/index.ts";
import { input } from "../../tensor/index.ts";
import { hostTensor, type Runtime } from "../../tensor/runtime/node.ts";
import { openCodec, paddedSize, tokenizerParameters, type Codec } from "../../tokenizer/codec.ts";
import { isDiscrete } from "../../tokenizer/index.ts";
import { identifyTokenizer, tokenizerFolder } from "../../tokenizer/model.ts";
import { loopOptions, train, type Task } from "../../training/index.ts";
import { contactSheet, fromTensor, sliceClip, toTensor, writePng } from "../../video/index.ts";
import { openLatentCache, type LatentCache } from "../latent-cache.ts";
import { figuresOf, rowsOf, shownWindowsOf, type Continued, type Measure, type Shown } from "../shown.ts";
import { autoregressiveClassName, longestSequence, parseAutoregressiveConfig, type AutoregressiveConfig } from "./config.ts";
import { int64 } from "./decoder.ts";
import { generate } from "./generate.ts";
import { autoregressiveConfigOf, type AutoregressiveSettings } from "./training-settings.ts";
import { nextTokenLoss, prefill } from "./transformer.ts";

export interface AutoregressiveTraining {
  /** Video files and folders of them, or what `openData` knows besides. */
  data: readonly string[];
  /** Default `openTrainingData`. */
  openData?: OpenData | undefined;
  /** Folder of the run; an unfinished run in it is continued. */
  out: string;
  /** The tokenizer's folder, or that of a pipeline with one. */
  tokenizer: string;
  settings: AutoregressiveSettings;
  runtime: Runtime;
  /** A transformer's folder to start from; its configuration takes the place of the settings'. */
  from?: string | undefined;
  measure?: Measure | undefined;
  onData?: ((data: TrainingData) => void) | undefined;
  progress?: Progress | undefined;
  signal?: AbortSignal | undefined;
}

export interface TrainedAutoregressive {
  /** The pipeline's folder. */
  model: string;
  step: number;
  parameters: number;
  /** Of the last step; absent when the run was finished before. */
  loss?: number;
  /** The last figures: of continuations, and as `NAME_repeat` of repeating the last given frame instead. */
  figures: Record<string, number>;
}

/** Trains, or goes on training. @throws as `trainDiffusion`. */
export async function trainAutoregressive(options: AutoregressiveTraining): Promise<TrainedAutoregressive> {
  const { out, settings, runtime, from, progress, signal } = options;
  const folder = await tokenizerFolder(options.tokenizer);
  const { frames, width, height } = settings.data;
  const tokenizer = await openCodec(folder, runtime, { temporalWindow: frames, tile: 1 << 20 });
  try {
    const { temporal, spatial } = tokenizer.compression;
    if (!isDiscrete(tokenizer.config)) throw new OrreryError("bad_argument", `${folder} is a continuous tokenizer; an autoregressive model needs a discrete one (train kind=DV8x8x8)`);
    const fits = paddedSize({ frames, width, height }, tokenizer.compression);
    if (fits.frames !== frames || fits.width !== width || fits.height !== height)
      throw new OrreryError("bad_config", `windows of ${frames} frames of ${width} x ${height} do not fit a tokenizer that compresses by ${temporal}x${spatial}x${spatial}; the nearest that do are data.frames=${fits.frames} data.width=${fits.width} data.height=${fits.height}`);
    const latent = [1 + (frames - 1) / temporal, height / spatial, width / spatial] as const;
    const codes = tokenizer.config.levels.reduce((a, b) => a * b, 1);
    const base = from === undefined ? undefined : await openComponent(from);
    const config = base ? parseAutoregressiveConfig(base.config) : autoregressiveConfigOf(settings, codes, latent);
    if (config.vocab_size < codes) throw new OrreryError("bad_argument", `${from} knows ${config.vocab_size} tokens, the tokenizer has ${codes}`);
    if (config.insert_cross_attn) throw new OrreryError("bad_argument", `${from} reads text; training with text is not offered, give a model without cross-attention`);
    const tokens = latent[0] * latent[1] * latent[2];
    if (tokens > longestSequence(config)) throw new OrreryError("bad_argument", `windows are ${tokens} tokens, more than the ${longestSequence(config)} that ${from} takes; use fewer or smaller frames`);
    const conditionFrames = settings.conditionFrames ? [...settings.conditionFrames].sort((a, b) => a - b) : Array.from({ length: Math.max(1, Math.ceil(latent[0] / 2)) }, (_, i) => 1 + i * temporal);
    for (const n of conditionFrames)
      if (n >= frames || (n - 1) % temporal) throw new OrreryError("bad_config", `conditionFrames has ${n}; expected 1 more than a multiple of ${temporal}, below the ${frames} frames of a window`);
    const data = await (options.openData ?? openTrainingData)(options.data, settings.data, { progress, signal });
    try {
      options.onData?.(data);
      await mkdir(out, { recursive: true }).catch((error: unknown) => {
        throw fromSystemError(error, out);
      });
      const { sha256 } = await identifyTokenizer(folder);
      const cache = await openLatentCache({ set: data.training, codec: tokenizer, tokenizerSha256: sha256, folder: join(out, "latents"), frames, stride: settings.stride, progress, signal });
      try {
        const generation: AutoregressiveGeneration = { family: "autoregressive", version: 1, width, height, frames, fps: data.training.fps, conditionFrames, text: null, sampling: settings.sampling };
        return await learn({ options, data, cache, tokenizer, vae: await openComponent(folder), base, config, generation, sha256 });
      } finally {
        await cache.close();
      }
    } finally {
      await data.close?.();
    }
  } finally {
    await tokenizer.release();
  }
}

interface Prepared {
  options: AutoregressiveTraining;
  data: TrainingData;
  cache: LatentCache;
  tokenizer: Codec;
  vae: Component;
  base: Component | undefined;
  config: AutoregressiveConfig;
  generation: AutoregressiveGeneration;
  sha256: string;
}

async function learn({ options, data, cache, tokenizer, vae, base, config, generation, sha256 }: Prepared): Promise<TrainedAutoregressive> {
  const { out, settings, runtime, from, progress, signal } = options;
  const { batch, seed } = settings;
  const [t, h, w] = cache.shape as [number, number, number];
  const count = t * h * w;
  const givenTokens = (pixels: number): number => (1 + (pixels - 1) / tokenizer.compression.temporal) * h * w;

  const all = parameters();
  const tokens = input("tokens", [batch, count], "int64");
  const { logits } = prefill(all.root, tokens, config);
  // The last token of what is always given has the first one to predict as its successor.
  const ignoreFirst = givenTokens(generation.conditionFrames[0]!) - 1;
  const crossEntropy = nextTokenLoss(logits, tokens, { ignoreFirst, zLoss: 0 });
  const loss = settings.zLoss > 0 ? nextTokenLoss(logits, tokens, { ignoreFirst, zLoss: settings.zLoss }) : crossEntropy;
  await writeJson(join(out, "config.json"), { _class_name: autoregressiveClassName, ...config });
  const shown = await shownWindowsOf(data, generation.frames, seed);
  const model = join(out, "model");
  let figures: Record<string, number> = {};

  const task: Task = {
    title: "training the world model",
    parameters: all,
    loss,
    figures: { cross_entropy: crossEntropy },
    ...(base ? { start: await readComponentWeights(base, all.all.values()) } : {}),
    feeds: async (microBatch) => {
      const random = randomAt(seed, microBatch);
      const values = new BigInt64Array(batch * count);
      for (let i = 0; i < batch; i++) (await cache.read(random.randint(0, cache.count))).forEach((code, k) => (values[i * count + k] = BigInt(code)));
      return { tokens: hostTensor("int64", [batch, count], values) };
    },
    sample: async (step, weights) => {
      const continued = await continuations(shown, new Map(weights), tokenizer, [t, h, w], config, generation, runtime, options);
      figures = figuresOf(continued, options.measure);
      await writePng(join(out, "samples", `step-${String(step).padStart(8, "0")}.png`), contactSheet(rowsOf(continued, data.isHeld)));
      await savePipelineFolder(model, vae, tokenizer, { ...generation, training: { steps: step, clips: data.training.entries.length, ...figures } }, { ...config }, all.all.values(), weights);
      return figures;
    },
  };
  const run = { trains: "autoregressive", clips: [...options.data], tokenizerSha256: sha256, from: from ?? null, ...settings };
  const result = await train(task, runtime, { ...loopOptions(settings), out, settings: run, ...(progress ? { progress } : {}), signal });
  const { step, parameters: size, loss: last } = result;
  return { model, step, parameters: size, ...(last === undefined ? {} : { loss: last }), figures };
}

/** Writes the pipeline: tokenizer, transformer, and last the index. */
async function savePipelineFolder(folder: string, vae: Component, tokenizer: Codec, generation: AutoregressiveGeneration, config: Json, wanted: Iterable<Parameter>, weights: ReadonlyMap<string, Float32Array>): Promise<void> {
  const declared = [...tokenizerParameters(tokenizer.config).all.values()];
  await saveComponent(join(folder, "tokenizer"), vae.config, declared, await readComponentWeights(vae, declared));
  await saveComponent(join(folder, "transformer"), { _class_name: autoregressiveClassName, ...config }, wanted, weights);
  await savePipeline(folder, { tokenizer: ["orrery", vae.className], transformer: ["orrery", autoregressiveClassName] }, generation);
}

/** Continues each window from the most frames that may be given. */
async function continuations(
  shown: readonly Shown[], weights: Map<string, Float32Array>, tokenizer: Codec, latent: readonly [number, number, number], config: AutoregressiveConfig, generation: AutoregressiveGeneration, runtime: Runtime, { settings, signal }: AutoregressiveTraining,
): Promise<Continued[]> {
  const given = generation.conditionFrames.at(-1)!;
  const count = latent[0] * latent[1] * latent[2];
  const prompts: number[][] = [];
  for (const { truth } of shown) {
    // Only the given frames are coded: the tokenizer is causal, so they do not know of the rest.
    const coded = await tokenizer.encode(toTensor(sliceClip(truth, 0, given - 1)), [1, 3, given, truth.height, truth.width]);
    prompts.push(Array.from(coded.data as BigInt64Array, Number));
  }
  const answers = await generate({ prompts, newTokens: count - prompts[0]!.length, config, weights: { weights }, runtime, seed: settings.seed, ...generation.sampling, signal });
  const out: Continued[] = [];
  const codes = isDiscrete(tokenizer.config) ? tokenizer.config.levels.reduce((a, b) => a * b, 1) : 0;
  for (const [i, { name, truth }] of shown.entries()) {
    // A vocabulary that is larger than the code book has tokens that stand for nothing; they become the last code.
    const all = [...prompts[i]!, ...answers[i]!].map((token) => Math.min(token, codes - 1));
    const pixels = await tokenizer.decode(int64([1, ...latent], all));
    out.push({ name, truth, made: fromTensor(pixels.data as Float32Array, pixels.shape, truth.fps), given });
  }
  return out;
}
