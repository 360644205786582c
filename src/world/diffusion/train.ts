/**
 * Trains a diffusion world model on clips: latents of a tokenizer are noised, some frames are given, the network learns to say
 * what the others are (`conditioning.ts`). The model so far stands in `OUT/model`, a pipeline folder with the tokenizer inside,
 * whose components open in diffusers.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { OrreryError, fromSystemError } from "../../errors.ts";
import { silent, type Progress } from "../../progress.ts";
import { openTrainingData, randomAt, type OpenData, type TrainingData } from "../../dataset/index.ts";
import { parameters, type Parameter } from "../../nn/index.ts";
import { openComponent, readComponentWeights, saveComponent, savePipeline, writeJson, type Component, type DiffusionGeneration, type Json } from "../../registry/index.ts";
import { input, size } from "../../tensor/index.ts";
import { hostTensor, type Runtime } from "../../tensor/runtime/node.ts";
import { openCodec, paddedSize, tokenizerParameters, type Codec } from "../../tokenizer/codec.ts";
import { identifyTokenizer, tokenizerFolder } from "../../tokenizer/model.ts";
import { restoreLatents, standardizeLatents, statisticsOf, type LatentStatistics } from "../../tokenizer/index.ts";
import { loopOptions, train, type Task } from "../../training/index.ts";
import { contactSheet, fromTensor, sliceClip, toTensor, writePng } from "../../video/index.ts";
import { parseTransformerConfig, takesConditionMask, transformerClassName, type CosmosTransformerConfig } from "../config.ts";
import { figuresOf, rowsOf, shownWindowsOf, type Continued, type Measure, type Shown } from "../shown.ts";
import { openLatentCache, statisticsOfCache, type LatentCache } from "../latent-cache.ts";
import { samplerNamed } from "../sampling/index.ts";
import { conditionedLoss, noised, type Conditioning } from "./conditioning.ts";
import { estimateOf, openDenoiser } from "./denoiser.ts";
import { conditionFramesOf, transformerConfigOf, type DiffusionSettings } from "./training-settings.ts";

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
      const cache = await openLatentCache({ set: data.training, codec: tokenizer, tokenizerSha256: sha256, folder: join(out, "latents"), frames, stride: settings.stride, progress, signal });
      try {
        const statistics = statisticsOf(tokenizer.config) ?? (await statisticsOfCache(cache));
        const generation = generationOf(settings, conditionFrames, data.training.fps, statistics);
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

function generationOf(settings: DiffusionSettings, conditionFrames: number[], fps: number, { mean, std }: LatentStatistics): DiffusionGeneration {
  const { formulation, sampler } = settings;
  const { width, height, frames } = settings.data;
  const edm = formulation === "edm";
  return {
    family: "diffusion", version: 1, width, height, frames, fps, conditionFrames, text: null, formulation, sigmaData: edm ? 0.5 : 1, conditionSigma: edm ? 0.001 : 1e-4,
    sampler: { ...sampler, name: sampler.name ?? (formulation === "flow" ? "unipc" : "res2ab") }, guidance: 0, latents: { mean: [...mean], std: [...std] },
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
  sha256: string;
}

async function learn({ options, data, cache, tokenizer, vae, base, config, generation, sha256 }: Prepared): Promise<TrainedDiffusion> {
  const { out, settings, runtime, from, progress, signal } = options;
  const { batch, seed } = settings;
  const how: Conditioning = generation;
  const { temporal } = tokenizer.compression;
  const latentFrames = (pixels: number): number => (pixels === 0 ? 0 : 1 + (pixels - 1) / temporal);
  const given = generation.conditionFrames.map(latentFrames);
  const [c, t, h, w] = cache.shape as [number, number, number, number];
  const shape = [batch, c, t, h, w];
  const values = c * t * h * w;
  const fps = generation.frames === 1 ? undefined : generation.fps;

  const all = parameters();
  const [x0, noise, level, indicator] = [input("x0", shape), input("noise", shape), input("level", [batch]), input("indicator", [batch, 1, t, 1, 1])];
  const estimate = estimateOf(all.root, { x: noised(how.formulation, x0, noise, level), level, given: x0, indicator }, config, { ...how, fps, recompute: settings.recompute });
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
      for (let i = 0; i < batch; i++) {
        latents.set(standardizeLatents((await cache.read(random.randint(0, cache.count))) as Float32Array, [1, c, t, h, w], generation.latents!, generation.sigmaData), i * values);
        const sigma = Math.exp(settings.noise.mean + settings.noise.std * random.gaussian());
        levels[i] = how.formulation === "flow" ? sigma / (1 + sigma) : sigma;
        mask.fill(1, i * t, i * t + given[random.randint(0, given.length)]!);
      }
      return {
        x0: hostTensor("float32", shape, latents), noise: hostTensor("float32", shape, random.standardNormalFloat32(batch * values)),
        level: hostTensor("float32", [batch], levels), indicator: hostTensor("float32", [batch, 1, t, 1, 1], mask),
      };
    },
    sample: async (step, weights) => {
      const continued = await continuations(shown, new Map(weights), tokenizer, config, generation, runtime, options);
      figures = figuresOf(continued, options.measure);
      await writePng(join(out, "samples", `step-${String(step).padStart(8, "0")}.png`), contactSheet(rowsOf(continued, data.isHeld)));
      await savePipelineFolder(model, vae, tokenizer, generation, { ...config }, all.all.values(), weights, { steps: step, clips: data.training.entries.length, seconds: Math.round(data.training.entries.reduce((s, e) => s + e.frameCount, 0) / generation.fps), ...figures });
      return figures;
    },
  };
  const run = { trains: "diffusion", clips: [...options.data], tokenizerSha256: sha256, from: from ?? null, ...settings };
  const result = await train(task, runtime, { ...loopOptions(settings), out, settings: run, ...(progress ? { progress } : {}), signal });
  const { step, parameters: count, loss: last } = result;
  return { model, step, parameters: count, ...(last === undefined ? {} : { loss: last }), figures };
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
  await savePipeline(folder, { vae: [isDiffusers ? "diffusers" : "orrery", vae.className], transformer: ["diffusers", transformerClassName] }, { ...generation, training });
}

/** Continues each window from the most frames that may be given. */
async function continuations(shown: readonly Shown[], weights: Map<string, Float32Array>, tokenizer: Codec, config: CosmosTransformerConfig, generation: DiffusionGeneration, runtime: Runtime, { settings, signal }: DiffusionTraining): Promise<Continued[]> {
  const given = generation.conditionFrames.at(-1)!;
  const { temporal } = tokenizer.compression;
  const out: Continued[] = [];
  let shape: readonly number[] | undefined;
  let loaded: Awaited<ReturnType<typeof openDenoiser>> | undefined;
  const random = randomAt(settings.seed, 0, 2);
  try {
    for (const { name, truth } of shown) {
      // Only the given frames are coded: the tokenizer is causal, so they do not know of the rest.
      const opening = given === 0 ? undefined : sliceClip(truth, 0, given - 1);
      const coded = opening && (await tokenizer.encode(toTensor(opening), [1, 3, given, truth.height, truth.width]));
      const { spatial, latentChannels } = tokenizer.compression;
      shape ??= [1, latentChannels, 1 + (truth.frameCount - 1) / temporal, truth.height / spatial, truth.width / spatial];
      loaded ??= await openDenoiser({ ...generation, config, weights: { weights }, runtime, shape, fps: truth.frameCount === 1 ? undefined : generation.fps });
      const latents = coded && spread(standardizeLatents(coded.data as Float32Array, coded.shape, generation.latents!, generation.sigmaData), coded.shape, shape);
      const { name: sampler, ...levels } = generation.sampler;
      const noise = random.standardNormalFloat32(shape.reduce((a, b) => a * b, 1));
      const z = await samplerNamed(sampler).sample(loaded.given({ latents, latentFrames: coded?.shape[2] ?? 0 }), noise, { ...levels, signal });
      const pixels = await tokenizer.decode(hostTensor("float32", shape, restoreLatents(z, shape, generation.latents!, generation.sigmaData)));
      out.push({ name, truth, made: fromTensor(pixels.data as Float32Array, pixels.shape, truth.fps), given });
    }
  } finally {
    await loaded?.release();
  }
  return out;
}

/** The latent frames of `from` [1, C, n, H, W] at the beginning of `to` [1, C, T, H, W]. */
function spread(data: Float32Array, from: readonly number[], to: readonly number[]): Float32Array {
  const [, c, n, h, w] = from as [number, number, number, number, number];
  const t = to[2]!;
  const out = new Float32Array(c * t * h * w);
  for (let i = 0; i < c; i++) out.set(data.subarray(i * n * h * w, (i + 1) * n * h * w), i * t * h * w);
  return out;
}
