/**
 * Trains a diffusion world model on clips: latents of a tokenizer are noised, some frames are given, the network learns to say
 * what the others are (`conditioning.ts`). The model so far stands in `OUT/model`, a pipeline folder with the tokenizer inside,
 * whose components open in diffusers.
 */
import { join } from "node:path";
import { OrreryError } from "../../errors.ts";
import { randomAt, type ClipSet } from "../../dataset/index.ts";
import type { Parameter } from "../../nn/index.ts";
import { readComponentWeights, saveAdapter, saveComponent, savePipeline, writeJson, type Component, type DiffusionGeneration, type Json } from "../../registry/index.ts";
import { input, size } from "../../tensor/index.ts";
import { hostTensor } from "../../tensor/runtime/node.ts";
import { tokenizerParameters, type Codec } from "../../tokenizer/codec.ts";
import { statisticsOf } from "../../tokenizer/index.ts";
import type { Task } from "../../training/index.ts";
import { contactSheet, writePng } from "../../video/index.ts";
import { parseTransformerConfig, takesConditionMask, textWidth, transformerClassName, type CosmosTransformerConfig } from "../config.ts";
import { captionsOf, shownCaption } from "../captions.ts";
import { statisticsOfCache } from "../latent-cache.ts";
import { openLearner } from "../learner.ts";
import { checkConditionFrames, checkWindows, runTask, withWindows, type TrainedWorld, type Windows, type WorldTraining } from "../prepare.ts";
import { figuresOf, rowsOf, shownWindowsOf } from "../shown.ts";
import { loadTextEncoder, saveTextEncoder, textComponents } from "../text/encoder.ts";
import { t5Encoder, type T5Config } from "../text/t5.ts";
import { collectWords, encodeWords, type Words } from "../text/words.ts";
import { openDiffusionBase, type DiffusionBase } from "./base.ts";
import { conditionedLoss, noised, type Conditioning } from "./conditioning.ts";
import { continuations } from "./continue.ts";
import { estimateOf } from "./denoiser.ts";
import { changeMeter, tempered, toNetwork, type LatentSpace } from "./latent-space.ts";
import { conditionFramesOf, textEncoderConfigOf, transformerConfigOf, type DiffusionSettings } from "./training-settings.ts";

export type DiffusionTraining = WorldTraining<DiffusionSettings>;

/** What is found out before clips are opened. */
interface Planned {
  base: DiffusionBase | undefined;
  config: CosmosTransformerConfig;
  conditionFrames: number[];
  /** Whether the network says what changes, see `latent-space.ts`. */
  predictsChange: boolean;
}

/**
 * Trains, or goes on training.
 * @throws as `trainTokenizer`; `bad_checkpoint` for a tokenizer that does not hold its model.
 */
export const trainDiffusion = (options: DiffusionTraining): Promise<TrainedWorld> =>
  withWindows(options, { kind: "continuous", plan: (tokenizer) => planned(options, tokenizer), anchors: ({ predictsChange, conditionFrames }) => (predictsChange ? conditionFrames : []) }, async (windows, plan) => {
    const { out, settings, signal } = options;
    const text = await textOf(windows.data.training, settings, plan, out, signal);
    return learn(options, windows, plan, generationOf(settings, plan, windows.data.training.fps, await spaceOf(windows, settings, plan), text), text);
  });

async function planned({ settings, from, lora }: DiffusionTraining, tokenizer: Codec): Promise<Planned> {
  const { temporal, latentChannels } = tokenizer.compression;
  const base = from === undefined ? undefined : await openDiffusionBase(from);
  if (lora && !base) throw new OrreryError("bad_argument", "adapters are learned beside the weights of a model; say with --from which");
  const config = base ? parseTransformerConfig(base.transformer.config) : transformerConfigOf(settings, latentChannels);
  checkWindows(settings.data, tokenizer, config.patch_size);
  if (config.out_channels !== latentChannels) throw new OrreryError("bad_argument", `${from} predicts ${config.out_channels} channels of latents, the tokenizer makes ${latentChannels}`);
  const conditionFrames = conditionFramesOf(settings, temporal);
  checkConditionFrames(conditionFrames, settings.data, temporal, { mayBeNone: true });
  if (conditionFrames.some((n) => n > 0) && !takesConditionMask(config)) throw new OrreryError("bad_argument", `${from} takes no condition mask; use conditionFrames=[0]`);
  const known = base?.generation;
  if (known && known.formulation !== settings.formulation) throw new OrreryError("bad_argument", `${from} was trained as "${known.formulation}" and cannot go on as "${settings.formulation}"; leave formulation as it is`);
  return { base, config, conditionFrames, predictsChange: known ? known.change !== undefined : settings.predicts === "change" };
}

/** Text that is learned: the captions by clip, the words in them, and the encoder for those. */
interface LearnedText {
  captions: readonly string[];
  words: Words;
  config: T5Config;
  /** Of a prompt. */
  tokens: number;
  dropout: number;
  shorten: number;
}

/** Text as the settings ask for it, or as the model to start from has it. */
async function textOf(set: ClipSet, settings: DiffusionSettings, { base, config }: Planned, out: string, signal: AbortSignal | undefined): Promise<LearnedText | undefined> {
  const { text } = settings;
  if (base?.generation && (base.text === undefined) !== (text === undefined)) throw new OrreryError("bad_argument", `${base.folder} ${base.text ? "reads text, which cannot be left out" : `was made without an encoder of text that Orrery can train${base.wordless === undefined ? "" : ` (${base.wordless})`}`}; leave the settings of text as they are`);
  if (!text) return undefined;
  const captions = await captionsOf(set, out, { mayBeNone: base?.text !== undefined, signal });
  const shared = { captions, tokens: text.tokens, dropout: text.dropout, shorten: text.shorten };
  if (base?.text) return { ...shared, words: base.text.words, config: base.text.config };
  const words = collectWords(captions, { most: text.words });
  return { ...shared, words, config: textEncoderConfigOf(settings, words.list.length, textWidth(config)) };
}

/** Windows that deviations are taken over. */
const measuredWindows = 512;

async function spaceOf({ cache, tokenizer }: Windows, { whitening, formulation }: DiffusionSettings, { base, predictsChange, conditionFrames }: Planned): Promise<LatentSpace> {
  const known = base?.generation;
  const { mean, std } = known?.latents ?? statisticsOf(tokenizer.config) ?? (await statisticsOfCache(cache, measuredWindows));
  // A model goes on in the space that it was trained in.
  if (known) return { sigmaData: known.sigmaData, latents: { mean, std }, change: known.change };
  const space = { sigmaData: formulation === "edm" ? 0.5 : 1, latents: { mean, std: tempered(std, whitening) } };
  const given = conditionFrames.filter((n) => n > 0);
  if (!predictsChange || given.length === 0) return space;
  const meter = changeMeter();
  const used = Math.min(measuredWindows, cache.count);
  for (let k = 0; k < used; k++) {
    const index = Math.floor((k * cache.count) / used);
    const pixels = given[k % given.length]!;
    meter.add((await cache.read(index)) as Float32Array, [1, ...cache.shape], { latentFrames: 1 + (pixels - 1) / tokenizer.compression.temporal, anchor: await cache.anchor(index, pixels) });
  }
  return { ...space, change: { std: tempered(meter.result().std, whitening) } };
}

function generationOf(settings: DiffusionSettings, { base, conditionFrames }: Planned, fps: number, { sigmaData, latents, change }: LatentSpace, text: LearnedText | undefined): DiffusionGeneration {
  const { formulation, sampler } = settings;
  const { width, height, frames } = settings.data;
  return {
    family: "diffusion", version: 1, width, height, frames, fps, conditionFrames, formulation, sigmaData, conditionSigma: base?.generation?.conditionSigma ?? (formulation === "edm" ? 0.001 : 1e-4),
    text: text ? { component: "text_encoder", tokens: text.tokens, width: text.config.d_model } : null, guidance: text ? settings.text!.guidance : 0,
    sampler: { ...sampler, name: sampler.name ?? (formulation === "flow" ? "unipc" : "res2ab") },
    ...(latents ? { latents: { mean: [...latents.mean], std: [...latents.std] } } : {}), ...(change ? { change: { std: [...change.std] } } : {}),
  };
}

async function learn(options: DiffusionTraining, { data, cache, tokenizer, vae, sha256 }: Windows, { base, config }: Planned, generation: DiffusionGeneration, text: LearnedText | undefined): Promise<TrainedWorld> {
  const { out, settings, runtime, from, lora, signal } = options;
  const { batch, seed } = settings;
  const how: Conditioning = generation;
  const { temporal } = tokenizer.compression;
  const latentFrames = (pixels: number): number => (pixels === 0 ? 0 : 1 + (pixels - 1) / temporal);
  const [c, t, h, w] = cache.shape as [number, number, number, number];
  const shape = [batch, c, t, h, w];
  const values = c * t * h * w;
  const fps = generation.frames === 1 ? undefined : generation.fps;

  const learner = openLearner(lora);
  const [x0, noise, level, indicator] = [input("x0", shape), input("noise", shape), input("level", [batch]), input("indicator", [batch, 1, t, 1, 1])];
  const words = text && { tokens: input("tokens", [batch, text.tokens], "int64"), mask: input("text_mask", [batch, text.tokens], "bool") };
  const spoken = words && { text: t5Encoder(learner.plain.in("text_encoder"), words.tokens, words.mask, text.config), textMask: words.mask };
  const estimate = estimateOf(learner.root, { x: noised(how.formulation, x0, noise, level), level, given: x0, indicator, ...spoken }, config, { ...how, fps, recompute: settings.recompute });
  const begun = await learner.begin([{ prefix: "", component: base?.transformer }, ...(text ? [{ prefix: textPrefix, component: base?.text?.component }] : [])]);
  // Afresh, the network answers zero at first (Peebles and Xie 2023, "DiT").
  if (!base) begun.start = new Map([...(begun.start ?? []), ["proj_out.weight", new Float32Array(size(begun.parameters.all.get("proj_out.weight")!.shape))]]);
  await writeJson(join(out, "config.json"), { _class_name: transformerClassName, ...config });
  const shown = await shownWindowsOf(data, generation.frames, seed);
  const model = join(out, lora ? "adapter" : "model");
  let figures: Record<string, number> = {};

  const task: Task = {
    title: lora ? "training the adapters" : "training the world model",
    ...begun,
    loss: conditionedLoss(estimate, x0, level, indicator, how),
    feeds: async (microBatch) => {
      const random = randomAt(seed, microBatch);
      const latents = new Float32Array(batch * values);
      const [levels, mask] = [new Float32Array(batch), new Float32Array(batch * t)];
      const said = text && { tokens: new BigInt64Array(batch * text.tokens), mask: new Uint8Array(batch * text.tokens) };
      for (let i = 0; i < batch; i++) {
        const index = random.randint(0, cache.count);
        const sigma = Math.exp(settings.noise.mean + settings.noise.std * random.gaussian());
        levels[i] = how.formulation === "flow" ? sigma / (1 + sigma) : sigma;
        const pixels = generation.conditionFrames[random.randint(0, generation.conditionFrames.length)]!;
        const given = { latentFrames: latentFrames(pixels), ...(generation.change && pixels > 0 ? { anchor: await cache.anchor(index, pixels) } : {}) };
        latents.set(toNetwork((await cache.read(index)) as Float32Array, [1, c, t, h, w], given, generation), i * values);
        mask.fill(1, i * t, i * t + given.latentFrames);
        if (!said || !text) continue;
        const encoded = encodeWords(text.words, shownCaption(text.captions[cache.place(index).entry]!, text, random), text.tokens);
        said.tokens.set(encoded.tokens, i * text.tokens);
        said.mask.set(encoded.mask, i * text.tokens);
      }
      return {
        x0: hostTensor("float32", shape, latents), noise: hostTensor("float32", shape, random.standardNormalFloat32(batch * values)),
        level: hostTensor("float32", [batch], levels), indicator: hostTensor("float32", [batch, 1, t, 1, 1], mask),
        ...(said && text ? { tokens: hostTensor("int64", [batch, text.tokens], said.tokens), text_mask: hostTensor("bool", [batch, text.tokens], said.mask) } : {}),
      };
    },
    sample: async (step, weights) => {
      const transformer = await learner.bound(weights, "");
      const encoder = text && (await learner.bound(weights, textPrefix));
      const spokenBy = text && encoder && (await loadTextEncoder({ ...text, ...encoder }, runtime));
      try {
        const { continued, fromText } = await continuations(shown, { weights: transformer, tokenizer, config, generation, text: spokenBy, runtime, seed, signal });
        figures = figuresOf(continued, options.measure);
        await writePng(join(out, "samples", `step-${String(step).padStart(8, "0")}.png`), contactSheet([...rowsOf(continued, data.isHeld), ...fromText.map(({ name, clip }) => ({ label: `from words: ${name}`, clip }))]));
      } finally {
        await spokenBy?.release();
      }
      if (lora) await saveAdapter(model, { ...lora, base: from! }, learner.adapters!.all.values(), weights);
      else {
        if (text && encoder) await saveTextEncoder(model, text.config, text.words, encoder.weights as Map<string, Float32Array>);
        await savePipelineFolder(model, vae, tokenizer, generation, { ...config }, learner.parametersOf(""), transformer.weights as Map<string, Float32Array>, { steps: step, clips: data.training.entries.length, seconds: Math.round(data.training.entries.reduce((s, e) => s + e.frameCount, 0) / generation.fps), ...figures });
      }
      return figures;
    },
  };
  try {
    return { model, ...(await runTask("diffusion", task, options, sha256)), figures };
  } finally {
    await learner.close();
  }
}

/** Before the names of the text encoder's parameters, beside the transformer's. */
const textPrefix = "text_encoder.";

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
