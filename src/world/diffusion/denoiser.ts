/**
 * The diffusion transformer at work: loaded weights and one compiled graph that answers what a sampler asks, with given
 * frames and text held fixed. What is asked of the network is `conditioning.ts`'s to say.
 */
import { OrreryError } from "../../errors.ts";
import { parameters, type Parameters } from "../../nn/index.ts";
import type { Bound } from "../../registry/index.ts";
import { compile, input, size, type Tensor } from "../../tensor/index.ts";
import { hostTensor, type HostTensor, type Runtime } from "../../tensor/runtime/node.ts";
import { takesConditionMask, textWidth, type CosmosTransformerConfig } from "../config.ts";
import type { Denoiser } from "../sampling/index.ts";
import { conditionedDenoise, type Conditioning } from "./conditioning.ts";
import { cosmosTransformer } from "./transformer.ts";

/** Text embeddings [B, M, E] and which of them count, [B, M]; neither where there is no text. */
export interface TextInputs {
  text?: Tensor | undefined;
  textMask?: Tensor | undefined;
}

/** Latents [B, C, T, H, W] noisy at levels [B], with their condition, to the estimate of x0: the network as training and sampling see it. */
export function estimateOf(
  p: Parameters["root"],
  { x, level, given, indicator, text, textMask }: { x: Tensor; level: Tensor; given: Tensor; indicator: Tensor } & TextInputs,
  config: CosmosTransformerConfig,
  { fps, recompute, ...how }: Conditioning & { fps?: number | undefined; recompute?: boolean | undefined },
): Tensor {
  const masked = takesConditionMask(config);
  return conditionedDenoise(
    ({ scaled, timestep, mask }) =>
      cosmosTransformer(p, { hiddenStates: scaled, timestep, encoderHiddenStates: text, attentionMask: textMask, fps, conditionMask: masked ? mask : undefined, recompute }, config),
    x, level, { given, indicator }, how,
  );
}

/** All parameters of the network. */
export function transformerParameters(config: CosmosTransformerConfig): Parameters {
  const all = parameters();
  const [t, h, w] = config.patch_size;
  const hiddenStates = input("x", [1, config.out_channels, t, h, w]);
  cosmosTransformer(
    all.root,
    {
      hiddenStates, timestep: input("level", [1]), encoderHiddenStates: input("text", [1, 1, textWidth(config)]),
      imageContext: config.img_context_dim_in ? input("image", [1, 1, config.img_context_dim_in]) : undefined,
      conditionMask: takesConditionMask(config) ? input("mask", [1, 1, t, h, w]) : undefined,
    },
    config,
  );
  return all;
}

export interface DenoiserOptions extends Conditioning {
  config: CosmosTransformerConfig;
  weights: Pick<Bound, "weights" | "weightsFolder">;
  runtime: Runtime;
  /** Of the latents that are denoised, [B, C, T, H, W]. */
  shape: readonly number[];
  /** Text tokens; 0 (the default) where no text is used. */
  textTokens?: number | undefined;
  /** Whether some of them may have to be ignored. */
  masksText?: boolean | undefined;
  /** Frames per second of the pixels, or undefined for images. */
  fps?: number | undefined;
}

/** What is held fixed while a sampler works. */
export interface Given {
  /** Standardised latents of `shape`; only the first `latentFrames` are read. */
  latents?: Float32Array | undefined;
  /** Latent frames that are given; 0 for none. */
  latentFrames: number;
  /** Embeddings [B, M, E]; left out, zeros. */
  text?: Float32Array | undefined;
  /** Which tokens count, [B, M] of 0 and 1. */
  textMask?: Uint8Array | undefined;
}

export interface LoadedDenoiser {
  /** A denoiser for a sampler: estimates with that condition. Any number may be asked in turn. */
  given(condition: Given): Denoiser;
  release(): Promise<void>;
}

/** Compiles the conditioned network. Errors are those of the network for shapes that do not fit. */
export async function openDenoiser(options: DenoiserOptions): Promise<LoadedDenoiser> {
  const { config, weights, runtime, shape, textTokens = 0, masksText = false } = options;
  const [b, , t] = shape as [number, number, number, number, number];
  const textShape = [b, textTokens, textWidth(config)];
  const indicatorShape = [b, 1, t, 1, 1];
  const inputs = {
    x: input("x", shape), level: input("level", [b]), given: input("given", shape), indicator: input("indicator", indicatorShape),
    text: textTokens > 0 ? input("text", textShape) : undefined, textMask: masksText && textTokens > 0 ? input("text_mask", [b, textTokens], "bool") : undefined,
  };
  const estimate = estimateOf(parameters().root, inputs, config, options);
  const executable = await runtime.load(compile({ outputs: { x0: estimate }, weights: weights.weights, target: runtime.device }), weights.weightsFolder === undefined ? {} : { weightsFolder: weights.weightsFolder });
  return {
    given({ latents, latentFrames, text, textMask }) {
      if (!(Number.isInteger(latentFrames) && latentFrames >= 0 && latentFrames < t)) throw new OrreryError("bad_argument", `${latentFrames} latent frames were given of a chunk of ${t}; expected 0 to ${t - 1}`);
      if (latentFrames > 0 && !takesConditionMask(config)) throw new OrreryError("bad_argument", "this model takes no condition mask, so no frames can be given; use a video-to-world model");
      if (latentFrames > 0 && latents?.length !== size(shape)) throw new OrreryError("bad_argument", `the given latents have ${latents?.length ?? 0} values, not the ${size(shape)} of [${shape.join(", ")}]`);
      const feeds: Record<string, HostTensor> = {
        given: hostTensor("float32", shape, latents ?? new Float32Array(size(shape))),
        indicator: hostTensor("float32", indicatorShape, Float32Array.from({ length: b * t }, (_, i) => (i % t < latentFrames ? 1 : 0))),
      };
      if (inputs.text) feeds["text"] = hostTensor("float32", textShape, text ?? new Float32Array(size(textShape)));
      if (inputs.textMask) feeds["text_mask"] = hostTensor("bool", [b, textTokens], textMask ?? new Uint8Array(b * textTokens).fill(1));
      return async (x, sigma) => {
        const answer = await executable.run({ ...feeds, x: hostTensor("float32", shape, x), level: hostTensor("float32", [b], new Float32Array(b).fill(sigma)) });
        return answer["x0"]!.data as Float32Array;
      };
    },
    release: () => executable.release(),
  };
}
