/**
 * A diffusion pipeline: the tokenizer gives latents of the given frames, the denoiser carries noise to latents that go on from
 * them, the tokenizer gives frames back. The noise is NumPy's `RandomState(seed).standard_normal`, as in the reference, so a
 * seed means the same noise everywhere; later chunks draw on from the same stream.
 */
import { OrreryError } from "../errors.ts";
import { bindComponent, openComponent, type DiffusionGeneration } from "../registry/index.ts";
import { size } from "../tensor/index.ts";
import { hostTensor, type Runtime } from "../tensor/runtime/node.ts";
import { openCodec } from "../tokenizer/codec.ts";
import { statisticsOf } from "../tokenizer/index.ts";
import { fromTensor, type Clip } from "../video/index.ts";
import { openDenoiser, transformerParameters, type LoadedDenoiser } from "../world/diffusion/denoiser.ts";
import { codeOpening } from "../world/diffusion/continue.ts";
import { fromNetwork, type GivenFrames } from "../world/diffusion/latent-space.ts";
import { guided, parseTransformerConfig, samplerNamed, textWidth, type Denoiser } from "../world/index.ts";
import type { TextEncoder } from "../world/text/encoder.ts";
import { requireClearedText, type ClearedText } from "./clearance.ts";
import type { OpenedAdapter, WorldModel } from "./model.ts";
import { sizeOf, type Plan } from "./plan.ts";

export interface OpenDiffusion {
  folder: string;
  sha256: string;
  generation: DiffusionGeneration;
  /** Folders of the components. */
  tokenizer: string;
  transformer: string;
  /** Put into the transformer. */
  adapters: readonly OpenedAdapter[];
  /** Where the model reads text. */
  text?: TextEncoder | undefined;
  runtime: Runtime;
}

export async function openDiffusion({ folder, sha256, generation, tokenizer, transformer, adapters, text, runtime }: OpenDiffusion): Promise<WorldModel> {
  const codec = await openCodec(tokenizer, runtime, {});
  const component = await openComponent(transformer);
  const config = parseTransformerConfig(component.config);
  const weights = await bindComponent(component, transformerParameters(config).all.values(), adapters);
  if (codec.discrete) throw new OrreryError("bad_config", `${folder} joins a diffusion transformer and a tokenizer of code indices; it needs one of continuous latents`);
  const { temporal, spatial, latentChannels } = codec.compression;
  if (latentChannels !== config.out_channels) throw new OrreryError("bad_config", `${folder}: the tokenizer's latents have ${latentChannels} channels, the transformer's ${config.out_channels}`);
  if ((generation.frames - 1) % temporal) throw new OrreryError("bad_config", `${folder}: chunks of ${generation.frames} frames do not fit a tokenizer that takes 1 + k * ${temporal}`);
  const latentsOf = generation.latents ?? statisticsOf(codec.config);
  const { sigmaData, formulation, conditionSigma, change } = generation;
  const space = { sigmaData, latents: latentsOf && { mean: [...latentsOf.mean], std: [...latentsOf.std] }, change };
  if (text && text.width !== textWidth(config)) throw new OrreryError("bad_config", `${folder}: the text encoder's embeddings are ${text.width} wide, the transformer reads ${textWidth(config)}`);
  const [, patchHeight, patchWidth] = config.patch_size;
  const compiled = new Map<string, Promise<LoadedDenoiser>>();

  const latentShape = (plan: Plan): readonly number[] => {
    const { width, height } = sizeOf(plan.size);
    return [1, latentChannels, 1 + (plan.chunk_frames - 1) / temporal, height / spatial, width / spatial];
  };
  const denoiserFor = (plan: Plan): Promise<LoadedDenoiser> => {
    const shape = latentShape(plan);
    const key = `${shape.join()} ${plan.fps}`;
    let found = compiled.get(key);
    if (!found) {
      found = openDenoiser({ config, weights, runtime, shape, formulation, sigmaData, conditionSigma, ...(text ? { textTokens: text.tokens, masksText: true } : {}), ...(plan.chunk_frames > 1 ? { fps: plan.fps } : {}) });
      compiled.set(key, found);
    }
    return found;
  };
  const decode = async (latents: Float32Array, given: GivenFrames, plan: Plan): Promise<Clip> => {
    const shape = latentShape(plan);
    const { width, height } = sizeOf(plan.size);
    const pixels = await codec.decode(hostTensor("float32", shape, fromNetwork(latents, shape, given, space)), { frames: plan.chunk_frames, width, height });
    return fromTensor(pixels.data as Float32Array, pixels.shape, plan.fps);
  };
  /** With words, and where guidance is asked for also with those to keep away from, or none. */
  const denoise = async (loaded: LoadedDenoiser, frames: { latents?: Float32Array | undefined; latentFrames: number }, { prompt = "", negativePrompt = "" }: ClearedText, guidance: number): Promise<Denoiser> => {
    if (!text) return loaded.given(frames);
    const conditional = loaded.given({ ...frames, ...(await text.encode(prompt)) });
    return guidance === 0 ? conditional : guided(conditional, loaded.given({ ...frames, ...(await text.encode(negativePrompt)) }), guidance);
  };

  return {
    folder,
    sha256,
    adapters: adapters.map((one) => ({ path: one.path, scale: one.scale, sha256: one.sha256 })),
    generation,
    sideMultiple: spatial * Math.max(patchHeight, patchWidth),
    largestSide: { width: config.max_size[2] * spatial, height: config.max_size[1] * spatial },
    ...(text ? { unknownWords: (prompt: string) => text.unknown(prompt) } : {}),
    async chunk(plan, words, given, random, { label, progress, signal, glimpse }) {
      requireClearedText(words, plan);
      const shape = latentShape(plan);
      progress({ stage: `preparing ${label}`, done: 0 });
      const opening = given && (await codeOpening(given, given.frameCount, codec, shape, space));
      const latents = opening?.latents;
      const stated = opening?.given ?? { latentFrames: 0 };
      const denoiser = await denoise(await denoiserFor(plan), { latents, latentFrames: stated.latentFrames }, words, plan.guidance_scale ?? 0);
      const sampler = samplerNamed(plan.sampler!);
      const { sigmaMin, sigmaMax } = generation.sampler;
      const drawn = await sampler.sample(denoiser, random.standardNormalFloat32(size(shape)), {
        steps: plan.num_inference_steps, sigmaMin, sigmaMax, signal,
        onStep: async ({ done, total, x0 }) => {
          if (glimpse && done < total && done % glimpse.every === 0) await glimpse.show({ done, total, clip: await decode(Float32Array.from(x0), stated, plan) });
          progress({ stage: `sampling ${label}`, done, total, unit: "steps" });
        },
      });
      if (!drawn.every(Number.isFinite)) throw new OrreryError("diverged", `sampling ${label} ended in values that are not finite numbers; the model or its weights are broken`);
      // A sampler that ends a little above zero leaves its last noise in the given frames too.
      if (latents) keepFrames(drawn, latents, shape, stated.latentFrames);
      progress({ stage: `decoding ${label}`, done: 0 });
      return decode(drawn, stated, plan);
    },
    async close() {
      for (const one of compiled.values()) await (await one).release();
      compiled.clear();
      await text?.release();
      await codec.release();
    },
  };
}

/** Writes the first `frames` latent frames of `from` over those of `to`. */
function keepFrames(to: Float32Array, from: Float32Array, shape: readonly number[], frames: number): void {
  const [, channels, total, height, width] = shape as [number, number, number, number, number];
  const area = height * width;
  for (let c = 0; c < channels; c++) to.set(from.subarray(c * total * area, (c * total + frames) * area), c * total * area);
}
