/** What training shows on its way: windows of held-back clips, continued by the weights of the moment, and one made of its caption alone. */
import { randomAt } from "../../dataset/index.ts";
import type { Bound, DiffusionGeneration } from "../../registry/index.ts";
import { size } from "../../tensor/index.ts";
import { hostTensor, type Runtime } from "../../tensor/runtime/node.ts";
import type { Codec } from "../../tokenizer/codec.ts";
import { fromTensor, sliceClip, toTensor, type Clip } from "../../video/index.ts";
import type { CosmosTransformerConfig } from "../config.ts";
import { samplerNamed } from "../sampling/index.ts";
import type { Continued, Shown } from "../shown.ts";
import type { TextEncoder } from "../text/encoder.ts";
import { openDenoiser } from "./denoiser.ts";
import { fromNetwork, toNetwork, type GivenFrames } from "./latent-space.ts";

export interface Continuing {
  weights: Pick<Bound, "weights" | "weightsFolder">;
  tokenizer: Codec;
  config: CosmosTransformerConfig;
  generation: DiffusionGeneration;
  text?: TextEncoder | undefined;
  runtime: Runtime;
  seed: number;
  signal?: AbortSignal | undefined;
}

/** Continues each window from the most frames that may be given, and from none where that is possible. */
export async function continuations(shown: readonly Shown[], options: Continuing): Promise<{ continued: Continued[]; fromText: { name: string; clip: Clip }[] }> {
  const { tokenizer, config, generation, text, runtime, seed, signal, weights } = options;
  const first = shown[0]!.truth;
  const { temporal, spatial, latentChannels } = tokenizer.compression;
  const shape = [1, latentChannels, 1 + (first.frameCount - 1) / temporal, first.height / spatial, first.width / spatial];
  const fps = first.frameCount === 1 ? undefined : generation.fps;
  const denoiser = await openDenoiser({ ...generation, config, weights, runtime, shape, fps, ...(text ? { textTokens: text.tokens, masksText: true } : {}) });
  const random = randomAt(seed, 0, 2);
  const { name: sampler, ...levels } = generation.sampler;
  const draw = async (truth: Clip, given: number, caption: string): Promise<Clip> => {
    const opening = given === 0 ? undefined : await codeOpening(truth, given, tokenizer, shape, generation);
    const z = await samplerNamed(sampler).sample(denoiser.given({ latents: opening?.latents, latentFrames: opening?.given.latentFrames ?? 0, ...(text ? await text.encode(caption) : {}) }), random.standardNormalFloat32(size(shape)), { ...levels, signal });
    const pixels = await tokenizer.decode(hostTensor("float32", shape, fromNetwork(z, shape, opening?.given ?? { latentFrames: 0 }, generation)));
    return fromTensor(pixels.data as Float32Array, pixels.shape, truth.fps);
  };
  try {
    const given = generation.conditionFrames.at(-1)!;
    const continued: Continued[] = [];
    const fromText: { name: string; clip: Clip }[] = [];
    for (const { name, truth, caption = "" } of shown) {
      continued.push({ name, truth, given, made: await draw(truth, given, caption) });
      if (text && given > 0 && generation.conditionFrames[0] === 0) fromText.push({ name: caption, clip: await draw(truth, 0, caption) });
    }
    return { continued, fromText };
  } finally {
    await denoiser.release();
  }
}

/**
 * Given frames as the network is asked about them: its latents of `shape`, zeros behind the given ones, and what changes are
 * counted from. Only the given frames are coded: the tokenizer is causal, so they do not know of the rest.
 */
export async function codeOpening(clip: Clip, given: number, tokenizer: Codec, shape: readonly number[], space: Pick<DiffusionGeneration, "latents" | "change" | "sigmaData">): Promise<{ latents: Float32Array; given: Required<GivenFrames> }> {
  const encode = async (part: Clip): Promise<{ data: Float32Array; shape: readonly number[] }> => {
    const { data, shape: coded } = await tokenizer.encode(toTensor(part), [1, 3, part.frameCount, part.height, part.width]);
    return { data: data as Float32Array, shape: coded };
  };
  const opening = await encode(sliceClip(clip, 0, given - 1));
  // A single given frame is coded as a picture already.
  const anchor = !space.change ? new Float32Array(0) : given === 1 ? opening.data : (await encode(sliceClip(clip, given - 1, given - 1))).data;
  const frames = opening.shape[2]!;
  // Given frames are standardised alike whatever is predicted.
  const plain = toNetwork(opening.data, opening.shape, { latentFrames: 0 }, space);
  const [, channels, total, height, width] = shape as [number, number, number, number, number];
  const latents = new Float32Array(size(shape));
  for (let c = 0; c < channels; c++) latents.set(plain.subarray(c * frames * height * width, (c + 1) * frames * height * width), c * total * height * width);
  return { latents, given: { latentFrames: frames, anchor } };
}

