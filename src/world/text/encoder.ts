/** A pipeline's text encoder: its folders written and opened, and prompts turned into what the transformer attends to. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fromSystemError, OrreryError } from "../../errors.ts";
import { parameters, type Parameters } from "../../nn/index.ts";
import { bindWeights, openComponent, readJson, saveComponent, writeJson, type Bound } from "../../registry/index.ts";
import { compile, input } from "../../tensor/index.ts";
import { hostTensor, type Runtime } from "../../tensor/runtime/node.ts";
import { parseT5Config, t5ClassName, t5ConfigJson, t5Encoder, type T5Config } from "./t5.ts";
import { encodeWords, parseWords, unknownWords, wordsJson, type Words } from "./words.ts";

/** Text as the transformer reads it: embeddings [1, M, E] and which tokens count, [1, M]. */
export interface Embedded {
  text: Float32Array;
  textMask: Uint8Array;
}

export interface TextEncoder {
  /** Tokens M and width E. */
  readonly tokens: number;
  readonly width: number;
  /** No text at all is encoded like any other: it is what guidance goes away from. */
  encode(text: string): Promise<Embedded>;
  /** Words of a prompt that the model does not know. */
  unknown(text: string): string[];
  release(): Promise<void>;
}

/** All parameters of the encoder. */
export function t5Parameters(config: T5Config): Parameters {
  const all = parameters();
  t5Encoder(all.root, input("tokens", [1, 2], "int64"), input("mask", [1, 2], "bool"), config);
  return all;
}

const wordsFile = "tokenizer.json";

/** Writes `text_encoder/` and `tokenizer/` of a pipeline, as transformers lays them out. */
export async function saveTextEncoder(folder: string, config: T5Config, words: Words, weights: ReadonlyMap<string, Float32Array>): Promise<void> {
  await saveComponent(join(folder, "text_encoder"), t5ConfigJson(config), t5Parameters(config).all.values(), weights, { file: "model.safetensors" });
  await mkdir(join(folder, "tokenizer"), { recursive: true }).catch((error: unknown) => {
    throw fromSystemError(error, folder);
  });
  await writeJson(join(folder, "tokenizer", wordsFile), wordsJson(words));
  await writeJson(join(folder, "tokenizer", "tokenizer_config.json"), { tokenizer_class: "PreTrainedTokenizerFast", pad_token: "<pad>", eos_token: "</s>", unk_token: "<unk>" });
}

export const textComponents: Readonly<Record<string, readonly [string, string]>> = { text_encoder: ["transformers", t5ClassName], tokenizer: ["transformers", "PreTrainedTokenizerFast"] };

/** Configuration, vocabulary and weights of a pipeline's text encoder. @throws `bad_config`, `file_not_found`, `missing_dependency` for a tokenizer of another kind. */
export async function readTextEncoder(folder: string): Promise<{ config: T5Config; words: Words }> {
  const component = await openComponent(join(folder, "text_encoder"));
  if (component.className !== t5ClassName) throw new OrreryError("missing_dependency", `${component.folder} is a ${component.className}; Orrery encodes text by a ${t5ClassName} with a vocabulary of whole words`);
  const path = join(folder, "tokenizer", wordsFile);
  return { config: parseT5Config(component.config), words: parseWords(await readJson(path), path) };
}

/** Opens the text encoder of a pipeline's folder for prompts of at most `tokens` tokens. */
export async function openTextEncoder(folder: string, tokens: number, runtime: Runtime): Promise<TextEncoder> {
  const { config, words } = await readTextEncoder(folder);
  const checkpoint = await (await openComponent(join(folder, "text_encoder"))).checkpoint();
  const bound = await bindWeights(checkpoint, t5Parameters(config).all.values());
  await checkpoint.close();
  return loadTextEncoder({ config, words, tokens, ...bound }, runtime);
}

/** The same from weights at hand. */
export async function loadTextEncoder({ config, words, tokens, weights, weightsFolder }: { config: T5Config; words: Words; tokens: number } & Pick<Bound, "weights" | "weightsFolder">, runtime: Runtime): Promise<TextEncoder> {
  const embeddings = t5Encoder(parameters().root, input("tokens", [1, tokens], "int64"), input("mask", [1, tokens], "bool"), config);
  const executable = await runtime.load(compile({ outputs: { embeddings }, weights, target: runtime.device }), weightsFolder === undefined ? {} : { weightsFolder });
  return {
    tokens,
    width: config.d_model,
    async encode(text) {
      const { tokens: ids, mask } = encodeWords(words, text, tokens);
      const answer = await executable.run({ tokens: hostTensor("int64", [1, tokens], ids), mask: hostTensor("bool", [1, tokens], mask) });
      return { text: answer["embeddings"]!.data as Float32Array, textMask: mask };
    },
    unknown: (text) => unknownWords(words, text),
    release: () => executable.release(),
  };
}
