/**
 * An autoregressive pipeline: the tokenizer spells the given frames as code indices, the transformer spells on, one token at a
 * time in frame, row, column order, and the tokenizer reads frames off the whole (cosmos-predict1
 * `autoregressive/utils/inference.py`).
 */
import { OrreryError } from "../errors.ts";
import { bindComponent, openComponent, type AutoregressiveGeneration } from "../registry/index.ts";
import { hostTensor, type Runtime } from "../tensor/runtime/node.ts";
import { openCodec } from "../tokenizer/codec.ts";
import { isDiscrete } from "../tokenizer/index.ts";
import { fromTensor, toTensor, type Clip } from "../video/index.ts";
import { autoregressiveParameters, generate, longestSequence, parseAutoregressiveConfig } from "../world/autoregressive/index.ts";
import { requireClearedText } from "./clearance.ts";
import type { OpenedAdapter, WorldModel } from "./model.ts";
import { sizeOf, type Plan } from "./plan.ts";

export interface OpenAutoregressive {
  folder: string;
  sha256: string;
  generation: AutoregressiveGeneration;
  /** Folders of the components. */
  tokenizer: string;
  transformer: string;
  /** Put into the transformer. */
  adapters: readonly OpenedAdapter[];
  runtime: Runtime;
}

export async function openAutoregressive({ folder, sha256, generation, tokenizer, transformer, adapters, runtime }: OpenAutoregressive): Promise<WorldModel> {
  const codec = await openCodec(tokenizer, runtime, {});
  if (!isDiscrete(codec.config)) throw new OrreryError("bad_config", `${folder} joins an autoregressive transformer and a tokenizer of continuous latents; it needs one of code indices`);
  const codes = codec.config.levels.reduce((a, b) => a * b, 1);
  const component = await openComponent(transformer);
  const config = parseAutoregressiveConfig(component.config);
  const weights = await bindComponent(component, autoregressiveParameters(config).all.values(), adapters);
  const { temporal, spatial } = codec.compression;
  const grid = [1 + (generation.frames - 1) / temporal, generation.height / spatial, generation.width / spatial] as const;
  const [latentFrames, rows, columns] = grid;
  const perFrame = rows * columns;
  const total = latentFrames * perFrame;
  const wrong = (message: string): never => {
    throw new OrreryError("bad_config", `${folder}: ${message}`);
  };
  if (!grid.every(Number.isInteger)) wrong(`chunks of ${generation.frames} frames of ${generation.width}x${generation.height} do not fit a tokenizer that compresses by ${temporal}x${spatial}x${spatial}`);
  if (total > longestSequence(config)) wrong(`a chunk is ${total} tokens, and the transformer takes ${longestSequence(config)}`);
  // A position has a place in frame, row and column; another grid would put every token elsewhere.
  const shape = config.video_latent_shape;
  if (config.rope_dim === "3D" && shape && (shape[1] !== rows || shape[2] !== columns)) wrong(`the transformer was made for ${shape[1]} x ${shape[2]} tokens a frame, and these sizes give ${rows} x ${columns}`);
  if (config.vocab_size < codes) wrong(`the tokenizer has ${codes} codes and the transformer only ${config.vocab_size} words`);

  const encode = async (clip: Clip): Promise<number[]> => {
    const { data } = await codec.encode(toTensor(clip), [1, 3, clip.frameCount, clip.height, clip.width]);
    return Array.from(data as BigInt64Array, Number);
  };
  const decode = async (tokens: readonly number[], plan: Plan): Promise<Clip> => {
    const frames = tokens.length / perFrame;
    const indices = hostTensor("int64", [1, frames, rows, columns], BigInt64Array.from(tokens, BigInt));
    const pixels = await codec.decode(indices, { frames: 1 + (frames - 1) * temporal, ...sizeOf(plan.size) });
    return fromTensor(pixels.data as Float32Array, pixels.shape, plan.fps);
  };

  return {
    folder,
    sha256,
    adapters: adapters.map((one) => ({ path: one.path, scale: one.scale, sha256: one.sha256 })),
    generation,
    // Only the size that it was made for: the grid of tokens is part of the model.
    sideMultiple: 1,
    largestSide: { width: generation.width, height: generation.height },
    async chunk(plan, text, given, random, { label, progress, signal, glimpse }) {
      requireClearedText(text, plan);
      const { width, height } = sizeOf(plan.size);
      if (width !== generation.width || height !== generation.height) throw new OrreryError("bad_argument", `a size of ${plan.size} was asked for; an autoregressive model has one size, ${generation.width}x${generation.height}`);
      if (!given) throw new OrreryError("bad_argument", "an autoregressive model continues given frames; give --video or --image");
      progress({ stage: `preparing ${label}`, done: 0 });
      const prompt = await encode(given);
      const newTokens = total - prompt.length;
      const [tokens] = await generate({
        config, weights, runtime, prompts: [prompt], newTokens, random, vocabulary: codes, signal,
        temperature: plan.temperature, topP: plan.top_p, topK: plan.top_k,
        progress: (event) => progress({ ...event, stage: `generating ${label}` }),
        onToken: async ([soFar]) => {
          const finished = Math.floor((prompt.length + soFar!.length) / perFrame) * perFrame;
          if (glimpse && soFar!.length < newTokens && soFar!.length % perFrame === 0) await glimpse.show({ done: soFar!.length, total: newTokens, clip: await decode([...prompt, ...soFar!].slice(0, finished), plan) });
        },
      });
      progress({ stage: `decoding ${label}`, done: 0 });
      return decode([...prompt, ...tokens!], plan);
    },
    close: () => codec.release(),
  };
}
