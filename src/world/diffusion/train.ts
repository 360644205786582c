/**
 * Trains a diffusion world model on clips: latents of a tokenizer are noised, some frames are given, the network learns to say
 * what the others are (`conditioning.ts`). The model so far stands in `OUT/model`, a pipeline folder with the tokenizer inside,
 * whose components open in diffusers.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { OrreryError, fromSystemError } from "../../errors.ts";
import { silent, type Progress } from "../../progress.ts";
import { openTrainingData, randomAt, type ClipSet, type OpenData, type TrainingData } from "../../dataset/index.ts";
import { parameters, type Parameter } from "../../nn/index.ts";
import { openComponent, readComponentWeights, saveComponent, savePipeline, writeJson, type Component, type DiffusionGeneration, type Json } from "../../registry/index.ts";
import { input, size } from "../../tensor/index.ts";
import { hostTensor, type Runtime } from "../../tensor/runtime/node.ts";
import { openCodec, paddedSize, tokenizerParameters, type Codec } from "../../tokenizer/codec.ts";
import { identifyTokenizer, tokenizerFolder } from "../../tokenizer/model.ts";
import { statisticsOf } from "../../tokenizer/index.ts";
import { loopOptions, train, type Task } from "../../training/index.ts";
import { contactSheet, writePng } from "../../video/index.ts";
import { parseTransformerConfig, takesConditionMask, textWidth, transformerClassName, type CosmosTransformerConfig } from "../config.ts";
import { figuresOf, rowsOf, shownWindowsOf, type Measure } from "../shown.ts";
import { captionsOf, shownCaption } from "../captions.ts";
import { openLatentCache, statisticsOfCache, type LatentCache } from "../latent-cache.ts";
import { loadTextEncoder, saveTextEncoder, textComponents } from "../text/encoder.ts";
import { t5Encoder, type T5Config } from "../text/t5.ts";
import { collectWords, encodeWords, type Words } from "../text/words.ts";
import { conditionedLoss, noised, type Conditioning } from "./conditioning.ts";
import { continuations } from "./continue.ts";
import { estimateOf } from "./denoiser.ts";
import { changeMeter, tempered, toNetwork, type LatentSpace } from "./latent-space.ts";
import { conditionFramesOf, textEncoderConfigOf, transformerConfigOf, type DiffusionSettings } from "./training-settings.ts";

export interface DiffusionTraining {
  /** Video files and folders of them, or what `openData` knows besides. */
  data: readonly string[];
  /** Default `openTrainingData`. */
  openData?: OpenData | undefined;
  /** Folder of the run; an unfinished run in it is continued. */
  out: string;
  /** The tokenizer's folder, or that of a pipeline with one. */
  tokenizer: string;
  settings: DiffusionSettings;
  runtime: Runtime;
  /** A transformer's folder to start from; its configuration takes the place of the settings'. */
  from?: string | undefined;
  /** Figures of a continuation beside the truth, over the frames that were predicted. */
  measure?: Measure | undefined;
  onData?: ((data: TrainingData) => void) | undefined;
  progress?: Progress | undefined;
  signal?: AbortSignal | undefined;
}

export interface TrainedDiffusion {
  /** The pipeline's folder. */
  model: string;
  step: number;
  parameters: number;
  /** Of the last step; absent when the run was finished before. */
  loss?: number;
  /** The last figures: of continuations, and as `NAME_repeat` of repeating the last given frame instead. */
  figures: Record<string, number>;
}

/**
 * Trains, or goes on training.
 * @throws as `trainTokenizer`; `bad_checkpoint` for a tokenizer that does not hold its model.
 */
export async function trainDiffusion(options: DiffusionTraining): Promise<TrainedDiffusion> {
  const { out, settings, runtime, from, progress = silent, signal } = options;
  const folder = await tokenizerFolder(options.tokenizer);
  const { frames, width, height } = settings.data;
  const tokenizer = await openCodec(folder, runtime, { temporalWindow: frames, tile: 1 << 20 });
  try {
    const { temporal, spatial, latentChannels } = tokenizer.compression;
    if (tokenizer.discrete) throw new OrreryError("bad_argument", `${folder} is a discrete tokenizer; a diffusion model needs a continuous one (train kind=CV8x8x8)`);
    const base = from === undefined ? undefined : await openComponent(from);
    const config = base ? parseTransformerConfig(base.config) : transformerConfigOf(settings, latentChannels);
    const fits = paddedSize({ frames, width, height }, { temporal, spatial: spatial * Math.max(config.patch_size[1], config.patch_size[2]) });
    if (fits.frames !== frames || fits.width !== width || fits.height !== height)
      throw new OrreryError("bad_config", `windows of ${frames} frames of ${width} x ${height} do not fit a tokenizer that compresses by ${temporal}x${spatial}x${spatial} and patches of ${config.patch_size.join("x")}; the nearest that do are data.frames=${fits.frames} data.width=${fits.width} data.height=${fits.height}`);
    if (config.out_channels !== latentChannels) throw new OrreryError("bad_argument", `${from} predicts ${config.out_channels} channels of latents, the tokenizer makes ${latentChannels}`);
    const conditionFrames = conditionFramesOf(settings, temporal);
    for (const n of conditionFrames) {
      if (n >= frames || (n > 0 && (n - 1) % temporal)) throw new OrreryError("bad_config", `conditionFrames has ${n}; expected 0, or 1 more than a multiple of ${temporal}, below the ${frames} frames of a window`);
      if (n > 0 && !takesConditionMask(config)) throw new OrreryError("bad_argument", `${from} takes no condition mask; use conditionFrames=[0]`);
    }
    const data = await (options.openData ?? openTrainingData)(options.data, settings.data, { progress, signal });
    try {
      options.onData?.(data);
      await mkdir(out, { recursive: true }).catch((error: unknown) => {
        throw fromSystemError(error, out);
      });
      const { sha256 } = await identifyTokenizer(folder);
      const cache = await openLatentCache({ set: data.training, codec: tokenizer, tokenizerSha256: sha256, folder: join(out, "latents"), frames, stride: settings.stride, anchors: settings.predicts === "change" ? conditionFrames : [], progress, signal });
      try {
        const text = settings.text ? await textOf(data.training, settings, config, out, signal) : undefined;
        const generation = generationOf(settings, conditionFrames, data.training.fps, await spaceOf(cache, tokenizer, settings, conditionFrames), text);
        return await learn({ options, data, cache, tokenizer, vae: await openComponent(folder), base, config, generation, text, sha256 });
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

/** Text that is learned: the captions by clip, the words in them, and the encoder for those. */
interface LearnedText {
  captions: readonly string[];
  words: Words;
  config: T5Config;
}

async function textOf(set: ClipSet, settings: DiffusionSettings, config: CosmosTransformerConfig, out: string, signal: AbortSignal | undefined): Promise<LearnedText> {
  const captions = await captionsOf(set, out, signal);
  const words = collectWords(captions, { most: settings.text!.words });
  return { captions, words, config: textEncoderConfigOf(settings, words.list.length, textWidth(config)) };
}

/** Windows that deviations are taken over. */
const measuredWindows = 512;

async function spaceOf(cache: LatentCache, tokenizer: Codec, { predicts, whitening, formulation }: DiffusionSettings, conditionFrames: readonly number[]): Promise<LatentSpace> {
  const { mean, std } = statisticsOf(tokenizer.config) ?? (await statisticsOfCache(cache, measuredWindows));
  const space = { sigmaData: formulation === "edm" ? 0.5 : 1, latents: { mean, std: tempered(std, whitening) } };
  const given = conditionFrames.filter((n) => n > 0);
  if (predicts === "latents" || given.length === 0) return space;
  const meter = changeMeter();
  const used = Math.min(measuredWindows, cache.count);
  for (let k = 0; k < used; k++) {
    const index = Math.floor((k * cache.count) / used);
    const pixels = given[k % given.length]!;
    meter.add((await cache.read(index)) as Float32Array, [1, ...cache.shape], { latentFrames: 1 + (pixels - 1) / tokenizer.compression.temporal, anchor: await cache.anchor(index, pixels) });
  }
  return { ...space, change: { std: tempered(meter.result().std, whitening) } };
}

function generationOf(settings: DiffusionSettings, conditionFrames: number[], fps: number, { sigmaData, latents, change }: LatentSpace, text: LearnedText | undefined): DiffusionGeneration {
  const { formulation, sampler } = settings;
  const { width, height, frames } = settings.data;
  return {
    family: "diffusion", version: 1, width, height, frames, fps, conditionFrames, formulation, sigmaData, conditionSigma: formulation === "edm" ? 0.001 : 1e-4,
    text: text ? { component: "text_encoder", tokens: settings.text!.tokens, width: text.config.d_model } : null, guidance: text ? settings.text!.guidance : 0,
    sampler: { ...sampler, name: sampler.name ?? (formulation === "flow" ? "unipc" : "res2ab") },
    ...(latents ? { latents: { mean: [...latents.mean], std: [...latents.std] } } : {}), ...(change ? { change: { std: [...change.std] } } : {}),
  };
}

interface Prepared {
  options: DiffusionTraining;
  data: TrainingData;
  cache: LatentCache;
  tokenizer: Codec;
  vae: Component;
  base: Component | undefined;
  config: CosmosTransformerConfig;
  generation: DiffusionGeneration;
  text: LearnedText | undefined;
  sha256: string;
}

async function learn({ options, data, cache, tokenizer, vae, base, config, generation, text, sha256 }: Prepared): Promise<TrainedDiffusion> {
  const { out, settings, runtime, from, progress, signal } = options;
  const { batch, seed } = settings;
  const how: Conditioning = generation;
  const { temporal } = tokenizer.compression;
  const latentFrames = (pixels: number): number => (pixels === 0 ? 0 : 1 + (pixels - 1) / temporal);
  const [c, t, h, w] = cache.shape as [number, number, number, number];
  const shape = [batch, c, t, h, w];
  const values = c * t * h * w;
  const fps = generation.frames === 1 ? undefined : generation.fps;

  const all = parameters();
  const [x0, noise, level, indicator] = [input("x0", shape), input("noise", shape), input("level", [batch]), input("indicator", [batch, 1, t, 1, 1])];
  const words = text && { tokens: input("tokens", [batch, settings.text!.tokens], "int64"), mask: input("text_mask", [batch, settings.text!.tokens], "bool") };
  const spoken = words && { text: t5Encoder(all.root.in(textScope), words.tokens, words.mask, text.config), textMask: words.mask };
  const estimate = estimateOf(all.root, { x: noised(how.formulation, x0, noise, level), level, given: x0, indicator, ...spoken }, config, { ...how, fps, recompute: settings.recompute });
  // Afresh, the network answers zero at first (Peebles and Xie 2023, "DiT").
  const start = base ? await readComponentWeights(base, all.all.values()) : new Map([["proj_out.weight", new Float32Array(size(all.all.get("proj_out.weight")!.shape))]]);
  await writeJson(join(out, "config.json"), { _class_name: transformerClassName, ...config });
  const shown = await shownWindowsOf(data, generation.frames, seed);
  const model = join(out, "model");
  let figures: Record<string, number> = {};

  const task: Task = {
    title: "training the world model",
    parameters: all,
    loss: conditionedLoss(estimate, x0, level, indicator, how),
    start,
    feeds: async (microBatch) => {
      const random = randomAt(seed, microBatch);
      const latents = new Float32Array(batch * values);
      const [levels, mask] = [new Float32Array(batch), new Float32Array(batch * t)];
      const said = text && { tokens: new BigInt64Array(batch * settings.text!.tokens), mask: new Uint8Array(batch * settings.text!.tokens) };
      for (let i = 0; i < batch; i++) {
        const index = random.randint(0, cache.count);
        const sigma = Math.exp(settings.noise.mean + settings.noise.std * random.gaussian());
        levels[i] = how.formulation === "flow" ? sigma / (1 + sigma) : sigma;
        const pixels = generation.conditionFrames[random.randint(0, generation.conditionFrames.length)]!;
        const given = { latentFrames: latentFrames(pixels), ...(generation.change && pixels > 0 ? { anchor: await cache.anchor(index, pixels) } : {}) };
        latents.set(toNetwork((await cache.read(index)) as Float32Array, [1, c, t, h, w], given, generation), i * values);
        mask.fill(1, i * t, i * t + given.latentFrames);
        if (!said) continue;
        const encoded = encodeWords(text.words, shownCaption(text.captions[cache.place(index).entry]!, settings.text!, random), settings.text!.tokens);
        said.tokens.set(encoded.tokens, i * settings.text!.tokens);
        said.mask.set(encoded.mask, i * settings.text!.tokens);
      }
      return {
        x0: hostTensor("float32", shape, latents), noise: hostTensor("float32", shape, random.standardNormalFloat32(batch * values)),
        level: hostTensor("float32", [batch], levels), indicator: hostTensor("float32", [batch, 1, t, 1, 1], mask),
        ...(said ? { tokens: hostTensor("int64", [batch, settings.text!.tokens], said.tokens), text_mask: hostTensor("bool", [batch, settings.text!.tokens], said.mask) } : {}),
      };
    },
    sample: async (step, weights) => {
      const [transformer, encoder] = parted(weights);
      const spokenBy = text && (await loadTextEncoder({ ...text, tokens: settings.text!.tokens, weights: encoder }, runtime));
      try {
        const { continued, fromText } = await continuations(shown, { weights: transformer, tokenizer, config, generation, text: spokenBy, runtime, seed, signal });
        figures = figuresOf(continued, options.measure);
        await writePng(join(out, "samples", `step-${String(step).padStart(8, "0")}.png`), contactSheet([...rowsOf(continued, data.isHeld), ...fromText.map(({ name, clip }) => ({ label: `from words: ${name}`, clip }))]));
      } finally {
        await spokenBy?.release();
      }
      if (text) await saveTextEncoder(model, text.config, text.words, encoder);
      await savePipelineFolder(model, vae, tokenizer, generation, { ...config }, [...all.all.values()].filter(({ name }) => !name.startsWith(`${textScope}.`)), transformer, { steps: step, clips: data.training.entries.length, seconds: Math.round(data.training.entries.reduce((s, e) => s + e.frameCount, 0) / generation.fps), ...figures });
      return figures;
    },
  };
  const run = { trains: "diffusion", clips: [...options.data], tokenizerSha256: sha256, from: from ?? null, ...settings };
  const result = await train(task, runtime, { ...loopOptions(settings), out, settings: run, ...(progress ? { progress } : {}), signal });
  const { step, parameters: count, loss: last } = result;
  return { model, step, parameters: count, ...(last === undefined ? {} : { loss: last }), figures };
}

/** Where the text encoder's parameters stand beside the transformer's. */
const textScope = "text_encoder";

/** Weights of the transformer, and of the text encoder under their own names. */
function parted(weights: ReadonlyMap<string, Float32Array>): [Map<string, Float32Array>, Map<string, Float32Array>] {
  const prefix = `${textScope}.`;
  const [transformer, encoder] = [new Map<string, Float32Array>(), new Map<string, Float32Array>()];
  for (const [name, values] of weights) {
    if (name.startsWith(prefix)) encoder.set(name.slice(prefix.length), values);
    else transformer.set(name, values);
  }
  return [transformer, encoder];
}

/** Writes the pipeline: tokenizer, transformer, and last the index. */
async function savePipelineFolder(
  folder: string, vae: Component, tokenizer: Codec, generation: DiffusionGeneration, config: Json, wanted: Iterable<Parameter>, weights: ReadonlyMap<string, Float32Array>, training: Json,
): Promise<void> {
  const tokenizerWeights = await readComponentWeights(vae, tokenizerParameters(tokenizer.config).all.values());
  const isDiffusers = vae.className === "AutoencoderKLCosmos";
  const statistics = isDiffusers ? { latents_mean: generation.latents!.mean, latents_std: generation.latents!.std } : {};
  await saveComponent(join(folder, "vae"), { ...vae.config, ...statistics }, tokenizerParameters(tokenizer.config).all.values(), tokenizerWeights);
  await saveComponent(join(folder, "transformer"), { _class_name: transformerClassName, ...config }, wanted, weights);
  await savePipeline(folder, { vae: [isDiffusers ? "diffusers" : "orrery", vae.className], transformer: ["diffusers", transformerClassName], ...(generation.text ? textComponents : {}) }, { ...generation, training });
}
