/**
 * A diffusion pipeline: the tokenizer gives latents of the given frames, the denoiser carries noise to latents that go on from
 * them, the tokenizer gives frames back. The noise is NumPy's `RandomState(seed).standard_normal`, as in the reference, so a
 * seed means the same noise everywhere; later chunks draw on from the same stream.
 */
import { OrreryError } from "../errors.ts";
import { bindWeights, openComponent, type DiffusionGeneration } from "../registry/index.ts";
import { size } from "../tensor/index.ts";
import { hostTensor, type Runtime } from "../tensor/runtime/node.ts";
import { openCodec } from "../tokenizer/codec.ts";
import { restoreLatents, standardizeLatents, statisticsOf } from "../tokenizer/index.ts";
import { fromTensor, toTensor, type Clip } from "../video/index.ts";
import { openDenoiser, transformerParameters, type LoadedDenoiser } from "../world/diffusion/denoiser.ts";
import { parseTransformerConfig, samplerNamed } from "../world/index.ts";
import { requireClearedText } from "./clearance.ts";
import type { WorldModel } from "./model.ts";
import { sizeOf, type Plan } from "./plan.ts";

export interface OpenDiffusion {
  folder: string;
  sha256: string;
  generation: DiffusionGeneration;
  /** Folders of the components. */
  tokenizer: string;
  transformer: string;
  runtime: Runtime;
}

export async function openDiffusion({ folder, sha256, generation, tokenizer, transformer, runtime }: OpenDiffusion): Promise<WorldModel> {
  const codec = await openCodec(tokenizer, runtime, {});
  const component = await openComponent(transformer);
  const config = parseTransformerConfig(component.config);
  const checkpoint = await component.checkpoint();
  const weights = await bindWeights(checkpoint, transformerParameters(config).all.values());
  await checkpoint.close();
  if (codec.discrete) throw new OrreryError("bad_config", `${folder} joins a diffusion transformer and a tokenizer of code indices; it needs one of continuous latents`);
  const { temporal, spatial, latentChannels } = codec.compression;
  if (latentChannels !== config.out_channels) throw new OrreryError("bad_config", `${folder}: the tokenizer's latents have ${latentChannels} channels, the transformer's ${config.out_channels}`);
  if ((generation.frames - 1) % temporal) throw new OrreryError("bad_config", `${folder}: chunks of ${generation.frames} frames do not fit a tokenizer that takes 1 + k * ${temporal}`);
  const statistics = generation.latents ?? statisticsOf(codec.config);
  const { sigmaData, formulation, conditionSigma } = generation;
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
      found = openDenoiser({ config, weights, runtime, shape, formulation, sigmaData, conditionSigma, ...(plan.chunk_frames > 1 ? { fps: plan.fps } : {}) });
      compiled.set(key, found);
    }
    return found;
  };
  const encode = async (clip: Clip): Promise<{ data: Float32Array; frames: number }> => {
    const { data, shape } = await codec.encode(toTensor(clip), [1, 3, clip.frameCount, clip.height, clip.width]);
    const plain = data as Float32Array;
    return { data: statistics ? standardizeLatents(plain, shape, statistics, sigmaData) : plain, frames: shape[2]! };
  };
  const decode = async (latents: Float32Array, plan: Plan): Promise<Clip> => {
    const shape = latentShape(plan);
    const { width, height } = sizeOf(plan.size);
    const plain = statistics ? restoreLatents(latents, shape, statistics, sigmaData) : latents;
    const pixels = await codec.decode(hostTensor("float32", shape, plain), { frames: plan.chunk_frames, width, height });
    return fromTensor(pixels.data as Float32Array, pixels.shape, plan.fps);
  };

  return {
    folder,
    sha256,
    generation,
    sideMultiple: spatial * Math.max(patchHeight, patchWidth),
    largestSide: { width: config.max_size[2] * spatial, height: config.max_size[1] * spatial },
    async chunk(plan, text, given, random, { label, progress, signal, glimpse }) {
      requireClearedText(text, plan);
      const shape = latentShape(plan);
      progress({ stage: `preparing ${label}`, done: 0 });
      const opening = given && (await encode(given));
      const latents = opening && spreadFrames(opening.data, shape, opening.frames);
      const denoiser = (await denoiserFor(plan)).given({ latents, latentFrames: opening?.frames ?? 0 });
      const sampler = samplerNamed(plan.sampler!);
      const { sigmaMin, sigmaMax } = generation.sampler;
      const drawn = await sampler.sample(denoiser, random.standardNormalFloat32(size(shape)), {
        steps: plan.num_inference_steps, sigmaMin, sigmaMax, signal,
        onStep: async ({ done, total, x0 }) => {
          if (glimpse && done < total && done % glimpse.every === 0) await glimpse.show({ done, total, clip: await decode(Float32Array.from(x0), plan) });
          progress({ stage: `sampling ${label}`, done, total, unit: "steps" });
        },
      });
      if (!drawn.every(Number.isFinite)) throw new OrreryError("diverged", `sampling ${label} ended in values that are not finite numbers; the model or its weights are broken`);
      // A sampler that ends a little above zero leaves its last noise in the given frames too.
      if (latents) keepFrames(drawn, latents, shape, opening.frames);
      progress({ stage: `decoding ${label}`, done: 0 });
      return decode(drawn, plan);
    },
    async close() {
      for (const one of compiled.values()) await (await one).release();
      compiled.clear();
      await codec.release();
    },
  };
}

/** The first `frames` latent frames, [1, C, frames, H, W], at the beginning of `shape`, zeros behind. */
export function spreadFrames(data: Float32Array, shape: readonly number[], frames: number): Float32Array {
  const [, channels, total, height, width] = shape as [number, number, number, number, number];
  const area = height * width;
  const out = new Float32Array(size(shape));
  for (let c = 0; c < channels; c++) out.set(data.subarray(c * frames * area, (c + 1) * frames * area), c * total * area);
  return out;
}

/** Writes the first `frames` latent frames of `from` over those of `to`. */
function keepFrames(to: Float32Array, from: Float32Array, shape: readonly number[], frames: number): void {
  const [, channels, total, height, width] = shape as [number, number, number, number, number];
  const area = height * width;
  for (let c = 0; c < channels; c++) to.set(from.subarray(c * total * area, (c * total + frames) * area), c * total * area);
}
