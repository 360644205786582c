/**
 * What every training of a world model begins with: a tokenizer that fits, clips, and all of their windows coded once. What is
 * learned of them is the business of `diffusion/train.ts` and `autoregressive/train.ts`.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { OrreryError, fromSystemError } from "../errors.ts";
import { openTrainingData, type DataSettings, type OpenData, type TrainingData } from "../dataset/index.ts";
import type { Lora } from "../nn/index.ts";
import type { Progress } from "../progress.ts";
import { openComponent, type Component } from "../registry/index.ts";
import type { Runtime } from "../tensor/runtime/node.ts";
import { loopOptions, train, type LoopSettings, type Task } from "../training/index.ts";
import { openCodec, paddedSize, type Codec } from "../tokenizer/codec.ts";
import { identifyTokenizer, tokenizerFolder } from "../tokenizer/model.ts";
import { openLatentCache, type LatentCache } from "./latent-cache.ts";
import type { Measure } from "./shown.ts";

interface WindowSettings {
  data: DataSettings;
  stride: number;
}

export interface WorldTraining<S extends WindowSettings> {
  /** Video files and folders of them, or what `openData` knows besides. */
  data: readonly string[];
  /** Default `openTrainingData`. */
  openData?: OpenData | undefined;
  /** Folder of the run; an unfinished run in it is continued. */
  out: string;
  /** The tokenizer's folder, or that of a pipeline with one. */
  tokenizer: string;
  settings: S;
  runtime: Runtime;
  /** A pipeline's folder, or a transformer's, to start from; its configuration takes the place of the settings'. */
  from?: string | undefined;
  /** Learns adapters beside the weights of `from` instead of those. */
  lora?: Lora | undefined;
  /** Figures of a continuation beside the truth, over the frames that were predicted. */
  measure?: Measure | undefined;
  onData?: ((data: TrainingData) => void) | undefined;
  progress?: Progress | undefined;
  signal?: AbortSignal | undefined;
}

export interface TrainedWorld {
  /** The pipeline's folder; with adapters, theirs. */
  model: string;
  step: number;
  /** That were learned. */
  parameters: number;
  /** Of the last step; absent when the run was finished before. */
  loss?: number;
  /** The last figures: of continuations, and as `NAME_repeat` of repeating the last given frame instead. */
  figures: Record<string, number>;
}

export interface Windows {
  data: TrainingData;
  cache: LatentCache;
  tokenizer: Codec;
  /** The tokenizer's folder. */
  vae: Component;
  /** Names the tokenizer exactly. */
  sha256: string;
}

/** What the tokenizer must be, and what is found out with it before clips are opened. */
interface Plan<P> {
  kind: "continuous" | "discrete";
  /** Checks what is asked against the tokenizer. */
  plan(tokenizer: Codec): Promise<P>;
  /** See `LatentCacheOptions`. */
  anchors?(planned: P): readonly number[];
}

/** Opens tokenizer, clips and coded windows, hands them to `learn`, and closes them again. @throws as `trainTokenizer`. */
export async function withWindows<S extends WindowSettings, P, T>(options: WorldTraining<S>, { kind, plan, anchors }: Plan<P>, learn: (windows: Windows, planned: P) => Promise<T>): Promise<T> {
  const { out, settings, runtime, progress, signal } = options;
  const folder = await tokenizerFolder(options.tokenizer);
  const { frames } = settings.data;
  const tokenizer = await openCodec(folder, runtime, { temporalWindow: frames, tile: 1 << 20 });
  try {
    if (tokenizer.discrete !== (kind === "discrete"))
      throw new OrreryError("bad_argument", kind === "discrete" ? `${folder} is a continuous tokenizer; an autoregressive model needs a discrete one (train kind=DV8x8x8)` : `${folder} is a discrete tokenizer; a diffusion model needs a continuous one (train kind=CV8x8x8)`);
    const planned = await plan(tokenizer);
    const data = await (options.openData ?? openTrainingData)(options.data, settings.data, { progress, signal });
    try {
      options.onData?.(data);
      await mkdir(out, { recursive: true }).catch((error: unknown) => {
        throw fromSystemError(error, out);
      });
      const { sha256 } = await identifyTokenizer(folder);
      const cache = await openLatentCache({ set: data.training, codec: tokenizer, tokenizerSha256: sha256, folder: join(out, "latents"), frames, stride: settings.stride, anchors: anchors?.(planned), progress, signal });
      try {
        return await learn({ data, cache, tokenizer, vae: await openComponent(folder), sha256 }, planned);
      } finally {
        await cache.close();
      }
    } finally {
      await data.close?.();
    }
  } finally {
    await tokenizer.release();
  }
}

/** @throws `bad_config` for windows that do not divide into latents, and those into patches of `patch` rows or columns. */
export function checkWindows({ frames, width, height }: DataSettings, { compression: { temporal, spatial } }: Codec, patch?: readonly number[]): void {
  const fits = paddedSize({ frames, width, height }, { temporal, spatial: spatial * (patch ? Math.max(patch[1]!, patch[2]!) : 1) });
  if (fits.frames !== frames || fits.width !== width || fits.height !== height)
    throw new OrreryError("bad_config", `windows of ${frames} frames of ${width} x ${height} do not fit a tokenizer that compresses by ${temporal}x${spatial}x${spatial}${patch ? ` and patches of ${patch.join("x")}` : ""}; the nearest that do are data.frames=${fits.frames} data.width=${fits.width} data.height=${fits.height}`);
}

/** @throws `bad_config` for numbers of given frames that are no latent frames, or leave nothing to predict. */
export function checkConditionFrames(conditionFrames: readonly number[], { frames }: DataSettings, temporal: number, { mayBeNone }: { mayBeNone: boolean }): void {
  for (const n of conditionFrames)
    if (n >= frames || (!(mayBeNone && n === 0) && (n - 1) % temporal)) throw new OrreryError("bad_config", `conditionFrames has ${n}; expected ${mayBeNone ? "0, or " : ""}1 more than a multiple of ${temporal}, below the ${frames} frames of a window`);
}

/** Runs the loop, with everything in the run's account that makes it what it is. */
export async function runTask<S extends WindowSettings & LoopSettings>(trains: string, task: Task, { data, out, from, lora, settings, runtime, progress, signal }: WorldTraining<S>, sha256: string): Promise<Pick<TrainedWorld, "step" | "parameters" | "loss">> {
  const run = { trains, clips: [...data], tokenizerSha256: sha256, from: from ?? null, ...(lora ? { lora } : {}), ...(settings as Readonly<Record<string, unknown>>) };
  const { step, parameters, loss } = await train(task, runtime, { ...loopOptions(settings), out, settings: run, ...(progress ? { progress } : {}), signal });
  return { step, parameters, ...(loss === undefined ? {} : { loss }) };
}
