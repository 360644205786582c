/**
 * Which network a component's class names: its parameters, so that a folder can be checked without running it. Classes that are
 * not here have no network in Orrery.
 */
import type { Parameter } from "../nn/index.ts";
import type { Component } from "../registry/index.ts";
import { tokenizerParameters } from "../tokenizer/codec.ts";
import { parseTokenizerConfig, tokenizerClassNames } from "../tokenizer/index.ts";
import { autoregressiveClassName, parseAutoregressiveConfig } from "./autoregressive/config.ts";
import { autoregressiveParameters } from "./autoregressive/decoder.ts";
import { parseTransformerConfig, transformerClassName } from "./config.ts";
import { transformerParameters } from "./diffusion/denoiser.ts";

/** The parameters of a component's network; undefined for a class that is not known. @throws `bad_config`. */
export function parametersOf({ className, config }: Pick<Component, "className" | "config">): Parameter[] | undefined {
  if (className === transformerClassName) return [...transformerParameters(parseTransformerConfig(config)).all.values()];
  if (className === autoregressiveClassName) return [...autoregressiveParameters(parseAutoregressiveConfig(config)).all.values()];
  if ((tokenizerClassNames as readonly string[]).includes(className)) return [...tokenizerParameters(parseTokenizerConfig(config)).all.values()];
  return undefined;
}
