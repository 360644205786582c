/** The networks of a pipeline as graphs of fixed sizes, with inputs and outputs in the names that diffusers gives them. */
import { OrreryError } from "../errors.ts";
import { parameters, type Parameters } from "../nn/index.ts";
import type { Component, Generation, OnnxGraph } from "../registry/index.ts";
import { input, type Tensor } from "../tensor/index.ts";
import { compression, decode, decodeIndices, encode, encodeIndices, isDiscrete, isImage, latentShape, parseTokenizerConfig } from "../tokenizer/index.ts";
import { autoregressiveClassName, headWidth, keyHeads, parseAutoregressiveConfig, type AutoregressiveConfig } from "./autoregressive/config.ts";
import { prefill, step, type KeysAndValues } from "./autoregressive/transformer.ts";
import { parseTransformerConfig, takesConditionMask, textWidth, transformerClassName } from "./config.ts";
import { cosmosTransformer } from "./diffusion/transformer.ts";

export interface GraphSizes {
  /** Pixels. */
  width: number;
  height: number;
  frames: number;
}

export interface NetworkGraphs {
  graphs: OnnxGraph[];
  /** Everything that the graphs declare. */
  parameters: Parameters;
}

type Outputs = Record<string, Tensor>;

/** Encoder and decoder for one window; tokenizers of images take one frame. */
export function tokenizerGraphs(name: string, component: Component, { width, height, frames }: GraphSizes): NetworkGraphs {
  const config = parseTokenizerConfig(component.config);
  const all = parameters();
  const pixels = input("sample", isImage(config) ? [1, 3, 1, height, width] : [1, 3, frames, height, width]);
  const latents = latentShape(config, pixels.shape);
  const discrete = isDiscrete(config);
  const coded = discrete ? input("indices", [latents[0]!, ...latents.slice(2)], "int64") : input("latents", latents);
  const encoded: Outputs = discrete ? { indices: encodeIndices(all.root, pixels, config).indices } : { latents: encode(all.root, pixels, config) };
  const decoded: Outputs = { sample: discrete ? decodeIndices(all.root, coded, config) : decode(all.root, coded, config) };
  return { parameters: all, graphs: [{ name: `${name}_encoder`, outputs: encoded }, { name: `${name}_decoder`, outputs: decoded }] };
}

/** The network of a diffusion pipeline: what the `forward` of diffusers' `CosmosTransformer3DModel` computes, for one shape of latents. */
export function denoiserGraphs(component: Component, latent: readonly number[], generation: Extract<Generation, { family: "diffusion" }>): NetworkGraphs {
  const config = parseTransformerConfig(component.config);
  const [b, , t, h, w] = latent as [number, number, number, number, number];
  const all = parameters();
  const perFrame = generation.formulation !== "edm";
  const text = generation.text;
  const sample = cosmosTransformer(
    all.root,
    {
      hiddenStates: input("hidden_states", latent), timestep: input("timestep", perFrame ? [b, 1, t, 1, 1] : [b]),
      conditionMask: takesConditionMask(config) ? input("condition_mask", [b, 1, t, h, w]) : undefined,
      encoderHiddenStates: text ? input("encoder_hidden_states", [b, text.tokens, textWidth(config)]) : undefined,
      fps: generation.frames > 1 ? generation.fps : undefined,
    },
    config,
  );
  return { parameters: all, graphs: [{ name: "transformer", outputs: { sample } }] };
}

/** Prefill for prompts of `promptTokens`, and one step with its cache of `capacity` places. */
export function spellerGraphs(component: Component, promptTokens: number, capacity: number): NetworkGraphs {
  const config: AutoregressiveConfig = parseAutoregressiveConfig(component.config);
  if (config.insert_cross_attn) throw new OrreryError("bad_argument", `${component.folder} reads text, and an export of such models is not offered`);
  const all = parameters();
  const named = (layers: readonly KeysAndValues[]): Outputs => Object.fromEntries(layers.flatMap(({ keys, values }, i) => [[`keys.${i}`, keys], [`values.${i}`, values]]));
  const first = prefill(all.root, input("tokens", [1, promptTokens], "int64"), config, { lastOnly: true });
  const shape = [1, keyHeads(config), capacity, headWidth(config)];
  const caches = Array.from({ length: config.n_layers }, (_, i) => ({ keys: input(`cache.keys.${i}`, shape), values: input(`cache.values.${i}`, shape) }));
  const next = step(all.root, input("tokens", [1, 1], "int64"), input("position", [1], "int64"), caches, config);
  return { parameters: all, graphs: [{ name: "transformer_prefill", outputs: { logits: first.logits, ...named(first.layers) } }, { name: "transformer_step", outputs: { logits: next.logits, ...named(next.layers) } }] };
}

/** All networks of a pipeline, component by component. @throws `bad_argument` for what has no graphs, `bad_config` for sizes that do not fit. */
export function pipelineGraphs(generation: Generation, components: readonly (readonly [name: string, component: Component])[], sizes: GraphSizes): { name: string; component: Component; networks: NetworkGraphs }[] {
  const tokenizer = components.find(([, { className }]) => className !== transformerClassName && className !== autoregressiveClassName);
  if (!tokenizer) throw new OrreryError("bad_config", "the pipeline has no tokenizer, so the shape of its latents is not known");
  const config = parseTokenizerConfig(tokenizer[1].config);
  const { temporal, spatial } = compression(config);
  if ((sizes.frames - 1) % temporal || sizes.width % spatial || sizes.height % spatial)
    throw new OrreryError("bad_argument", `${sizes.frames} frames of ${sizes.width}x${sizes.height} do not fit a tokenizer that compresses by ${temporal}x${spatial}x${spatial}; frames are 1 more than a multiple of ${temporal}, sides multiples of ${spatial}`);
  const latent = latentShape(config, [1, 3, sizes.frames, sizes.height, sizes.width]);
  return components.map(([name, component]) => {
    if (component === tokenizer[1]) return { name, component, networks: tokenizerGraphs(name, component, sizes) };
    if (generation.family === "diffusion") return { name, component, networks: denoiserGraphs(component, latent, generation) };
    const [, , frames, rows, columns] = latent as [number, number, number, number, number];
    const given = 1 + (generation.conditionFrames.at(-1)! - 1) / temporal;
    return { name, component, networks: spellerGraphs(component, given * rows * columns, frames * rows * columns) };
  });
}
