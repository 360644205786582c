/**
 * Trains an autoregressive world model on clips: a discrete tokenizer spells every window as tokens in frame, row, column order,
 * and the transformer learns each next token (`nextTokenLoss`). The model so far stands in `OUT/model`, a pipeline folder with the
 * tokenizer inside.
 */
import { join } from "node:path";
import { OrreryError } from "../../errors.ts";
import { randomAt } from "../../dataset/index.ts";
import type { Parameter } from "../../nn/index.ts";
import {
  componentOf, isPipeline, openComponent, openPipeline, readComponentWeights, saveAdapter, saveComponent, savePipeline, writeJson, type AutoregressiveGeneration, type Bound, type Component, type Json,
} from "../../registry/index.ts";
import { input } from "../../tensor/index.ts";
import { hostTensor, type Runtime } from "../../tensor/runtime/node.ts";
import { tokenizerParameters, type Codec } from "../../tokenizer/codec.ts";
import { isDiscrete } from "../../tokenizer/index.ts";
import type { Task } from "../../training/index.ts";
import { contactSheet, fromTensor, sliceClip, toTensor, writePng } from "../../video/index.ts";
import { openLearner } from "../learner.ts";
import { checkConditionFrames, checkWindows, runTask, withWindows, type TrainedWorld, type Windows, type WorldTraining } from "../prepare.ts";
import { figuresOf, rowsOf, shownWindowsOf, type Continued, type Shown } from "../shown.ts";
import { autoregressiveClassName, longestSequence, parseAutoregressiveConfig, type AutoregressiveConfig } from "./config.ts";
import { int64 } from "./decoder.ts";
import { generate } from "./generate.ts";
import { autoregressiveConfigOf, type AutoregressiveSettings } from "./training-settings.ts";
import { nextTokenLoss, prefill } from "./transformer.ts";

export type AutoregressiveTraining = WorldTraining<AutoregressiveSettings>;

/** What is found out before clips are opened. */
interface Planned {
  base: Component | undefined;
  config: AutoregressiveConfig;
  conditionFrames: number[];
}

/** Trains, or goes on training. @throws as `trainDiffusion`. */
export const trainAutoregressive = (options: AutoregressiveTraining): Promise<TrainedWorld> =>
  withWindows(options, { kind: "discrete", plan: (tokenizer) => planned(options, tokenizer) }, async (windows, plan) => {
    const { width, height, frames } = options.settings.data;
    return learn(options, windows, plan, { family: "autoregressive", version: 1, width, height, frames, fps: windows.data.training.fps, conditionFrames: plan.conditionFrames, text: null, sampling: options.settings.sampling });
  });

/** The transformer of a pipeline's folder, or of its own. @throws `bad_argument` for a pipeline of another family. */
async function openBase(folder: string): Promise<Component> {
  if (!(await isPipeline(folder))) return openComponent(folder);
  const pipeline = await openPipeline(folder);
  if (pipeline.generation.family !== "autoregressive") throw new OrreryError("bad_argument", `${folder} is a diffusion model; an autoregressive model is trained from another one`);
  return openComponent(componentOf(pipeline, "transformer").folder);
}

async function planned({ settings, from, lora }: AutoregressiveTraining, tokenizer: Codec): Promise<Planned> {
  const { frames, width, height } = settings.data;
  const { temporal, spatial } = tokenizer.compression;
  checkWindows(settings.data, tokenizer);
  const latent = [1 + (frames - 1) / temporal, height / spatial, width / spatial] as const;
  const codes = codesOf(tokenizer);
  const base = from === undefined ? undefined : await openBase(from);
  if (lora && !base) throw new OrreryError("bad_argument", "adapters are learned beside the weights of a model; say with --from which");
  const config = base ? parseAutoregressiveConfig(base.config) : autoregressiveConfigOf(settings, codes, latent);
  if (config.vocab_size < codes) throw new OrreryError("bad_argument", `${from} knows ${config.vocab_size} tokens, the tokenizer has ${codes}`);
  if (config.insert_cross_attn) throw new OrreryError("bad_argument", `${from} reads text; training with text is not offered, give a model without cross-attention`);
  const tokens = latent[0] * latent[1] * latent[2];
  if (tokens > longestSequence(config)) throw new OrreryError("bad_argument", `windows are ${tokens} tokens, more than the ${longestSequence(config)} that ${from} takes; use fewer or smaller frames`);
  const conditionFrames = settings.conditionFrames ? [...settings.conditionFrames].sort((a, b) => a - b) : Array.from({ length: Math.max(1, Math.ceil(latent[0] / 2)) }, (_, i) => 1 + i * temporal);
  checkConditionFrames(conditionFrames, settings.data, temporal, { mayBeNone: false });
  return { base, config, conditionFrames };
}

/** Codes of a discrete tokenizer. */
const codesOf = ({ config }: Codec): number => (isDiscrete(config) ? config.levels.reduce((a, b) => a * b, 1) : 0);

async function learn(options: AutoregressiveTraining, { data, cache, tokenizer, vae, sha256 }: Windows, { base, config }: Planned, generation: AutoregressiveGeneration): Promise<TrainedWorld> {
  const { out, settings, runtime, from, lora } = options;
  const { batch, seed } = settings;
  const [t, h, w] = cache.shape as [number, number, number];
  const count = t * h * w;
  const givenTokens = (pixels: number): number => (1 + (pixels - 1) / tokenizer.compression.temporal) * h * w;

  const learner = openLearner(lora);
  const tokens = input("tokens", [batch, count], "int64");
  const { logits } = prefill(learner.root, tokens, config);
  // The last token of what is always given has the first one to predict as its successor.
  const ignoreFirst = givenTokens(generation.conditionFrames[0]!) - 1;
  const crossEntropy = nextTokenLoss(logits, tokens, { ignoreFirst, zLoss: 0 });
  const loss = settings.zLoss > 0 ? nextTokenLoss(logits, tokens, { ignoreFirst, zLoss: settings.zLoss }) : crossEntropy;
  await writeJson(join(out, "config.json"), { _class_name: autoregressiveClassName, ...config });
  const shown = await shownWindowsOf(data, generation.frames, seed);
  const model = join(out, lora ? "adapter" : "model");
  let figures: Record<string, number> = {};

  const task: Task = {
    title: lora ? "training the adapters" : "training the world model",
    ...(await learner.begin([{ prefix: "", component: base }])),
    loss,
    figures: { cross_entropy: crossEntropy },
    feeds: async (microBatch) => {
      const random = randomAt(seed, microBatch);
      const values = new BigInt64Array(batch * count);
      for (let i = 0; i < batch; i++) (await cache.read(random.randint(0, cache.count))).forEach((code, k) => (values[i * count + k] = BigInt(code)));
      return { tokens: hostTensor("int64", [batch, count], values) };
    },
    sample: async (step, weights) => {
      const transformer = await learner.bound(weights, "");
      const continued = await continuations(shown, transformer, tokenizer, [t, h, w], config, generation, runtime, options);
      figures = figuresOf(continued, options.measure);
      await writePng(join(out, "samples", `step-${String(step).padStart(8, "0")}.png`), contactSheet(rowsOf(continued, data.isHeld)));
      if (lora) await saveAdapter(model, { ...lora, base: from! }, learner.adapters!.all.values(), weights);
      else await savePipelineFolder(model, vae, tokenizer, { ...generation, training: { steps: step, clips: data.training.entries.length, ...figures } }, { ...config }, learner.parametersOf(""), transformer.weights as Map<string, Float32Array>);
      return figures;
    },
  };
  try {
    return { model, ...(await runTask("autoregressive", task, options, sha256)), figures };
  } finally {
    await learner.close();
  }
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
  shown: readonly Shown[], weights: Pick<Bound, "weights" | "weightsFolder">, tokenizer: Codec, latent: readonly [number, number, number], config: AutoregressiveConfig, generation: AutoregressiveGeneration, runtime: Runtime, { settings, signal }: AutoregressiveTraining,
): Promise<Continued[]> {
  const given = generation.conditionFrames.at(-1)!;
  const count = latent[0] * latent[1] * latent[2];
  const prompts: number[][] = [];
  for (const { truth } of shown) {
    // Only the given frames are coded: the tokenizer is causal, so they do not know of the rest.
    const coded = await tokenizer.encode(toTensor(sliceClip(truth, 0, given - 1)), [1, 3, given, truth.height, truth.width]);
    prompts.push(Array.from(coded.data as BigInt64Array, Number));
  }
  const answers = await generate({ prompts, newTokens: count - prompts[0]!.length, config, weights, runtime, seed: settings.seed, ...generation.sampling, signal });
  const out: Continued[] = [];
  const codes = codesOf(tokenizer);
  for (const [i, { name, truth }] of shown.entries()) {
    // A vocabulary that is larger than the code book has tokens that stand for nothing; they become the last code.
    const all = [...prompts[i]!, ...answers[i]!].map((token) => Math.min(token, codes - 1));
    const pixels = await tokenizer.decode(int64([1, ...latent], all));
    out.push({ name, truth, made: fromTensor(pixels.data as Float32Array, pixels.shape, truth.fps), given });
  }
  return out;
}
