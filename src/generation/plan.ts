/**
 * A request made complete: everything that was left open is filled in from the model, and everything that the result depends
 * on is named, by digest where it is a file. A plan is what is stored beside a result as `sample_args.json`; made again from
 * it, on the same kind of machine, the result has the same bits.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { OrreryError } from "../errors.ts";
import { fileSha256 } from "../file-hash.ts";
import type { Generation } from "../registry/index.ts";
import type { Device } from "../tensor/runtime/node.ts";
import { samplerNamed } from "../world/index.ts";
import { absolute, parseObject, parseRequest, readText, type GenerationRequest } from "./request.ts";

/** A LoRA adapter in a model's transformer. */
export interface PlannedAdapter {
  /** Its folder. */
  path: string;
  /** How strong it is: 1 as it was learned. */
  scale: number;
  /** SHA-256 over what it does to weights. */
  sha256: string;
}

/** What must be known of a model to plan with it. */
export interface PlannedModel {
  /** The pipeline's folder. */
  readonly folder: string;
  /** SHA-256 over configuration and weights of all components. */
  readonly sha256: string;
  /** What is put into those weights, in order. */
  readonly adapters: readonly PlannedAdapter[];
  readonly generation: Generation;
  /** Sides of a frame must be multiples of this. */
  readonly sideMultiple: number;
  /** Largest sides, in pixels. */
  readonly largestSide: { width: number; height: number };
}

export interface Machine {
  device: Device;
  /** Threads of the arithmetic; another number may round sums differently. */
  threads: number;
}

export interface Plan extends Machine {
  orrery: string;
  family: Generation["family"];
  model: string;
  model_sha256: string;
  adapters?: readonly PlannedAdapter[];
  prompt?: string;
  negative_prompt?: string;
  image?: string;
  video?: string;
  input_sha256?: string;
  video_end_s?: number;
  /** Most frames that are given to the first chunk; fewer where the input has not as many. */
  condition_frames: number;
  num_frames: number;
  /** Frames that the model makes at once. */
  chunk_frames: number;
  fps: number;
  size: string;
  seed: number;
  num_inference_steps?: number;
  guidance_scale?: number;
  sampler?: string;
  temperature?: number;
  top_p?: number;
  top_k?: number;
}

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string };

const bad = (message: string): never => {
  throw new OrreryError("bad_argument", message);
};

/** Frames that later chunks are given of the chunk before. */
export const overlapOf = ({ conditionFrames }: Generation): number => conditionFrames.at(-1)!;

/** Frames of a first chunk and `extend` more. */
export const framesOf = (generation: Generation, extend: number): number => generation.frames + extend * (generation.frames - overlapOf(generation));

/** Chunks that `frames` frames need. */
export const chunksOf = (generation: Generation, frames: number): number => (frames <= generation.frames ? 1 : 1 + Math.ceil((frames - generation.frames) / (generation.frames - overlapOf(generation))));

/** The numbers of "320x192". */
export function sizeOf(text: string): { width: number; height: number } {
  const [width, height] = text.split("x").map(Number) as [number, number];
  return { width, height };
}

/** Completes a request for a model. @throws `bad_argument` for what the model cannot do, `file_not_found` for an input that is not there. */
export async function planRequest(request: GenerationRequest, model: PlannedModel, machine: Machine): Promise<Plan> {
  const { generation } = model;
  const input = request.video ?? request.image;
  const frames = plannedFrames(request, generation);
  return {
    orrery: version,
    family: generation.family,
    model: model.folder,
    model_sha256: model.sha256,
    ...(model.adapters.length === 0 ? {} : { adapters: model.adapters }),
    ...plannedText(request, generation),
    ...(request.image === undefined ? {} : { image: request.image }),
    ...(request.video === undefined ? {} : { video: request.video }),
    ...(input === undefined ? {} : { input_sha256: await fileSha256(input) }),
    ...(request.video_end_s === undefined ? {} : { video_end_s: request.video_end_s }),
    condition_frames: plannedCondition(request, generation),
    num_frames: frames,
    chunk_frames: generation.frames,
    fps: request.fps ?? generation.fps,
    size: plannedSize(request, model),
    seed: request.seed ?? 0,
    ...plannedSampling(request, generation),
    ...machine,
  };
}

function plannedFrames(request: GenerationRequest, generation: Generation): number {
  const frames = request.num_frames ?? framesOf(generation, request.extend ?? 0);
  if (frames > generation.frames && overlapOf(generation) === 0)
    bad(`${frames} frames were asked for; this model makes ${generation.frames} at once and cannot be continued, because it takes no given frames`);
  return frames;
}

function plannedText(request: GenerationRequest, { text }: Generation): Pick<Plan, "prompt" | "negative_prompt"> {
  if (request.prompt !== undefined && !text) bad("a prompt was given, but this model reads no text: it continues a picture or a video. Leave --prompt out, or choose another --model");
  if (request.prompt === undefined && text && request.video === undefined && request.image === undefined) bad("this model reads text; say with --prompt what it shall show, or give it a --video or an --image to continue");
  return { ...(request.prompt === undefined ? {} : { prompt: request.prompt }), ...(request.negative_prompt === undefined ? {} : { negative_prompt: request.negative_prompt }) };
}

function plannedCondition(request: GenerationRequest, { conditionFrames }: Generation): number {
  const takes = conditionFrames.filter((n) => n > 0);
  if (request.video === undefined && request.image === undefined) {
    if (!conditionFrames.includes(0)) bad(`this model continues given frames (${takes.join(" or ")} of them); give --video CLIP${takes.includes(1) ? " or --image PICTURE" : ""}`);
    return 0;
  }
  if (takes.length === 0) bad("this model begins from nothing and takes no given frames; leave --video and --image out");
  if (request.image !== undefined && !takes.includes(1)) bad(`this model continues ${takes.join(" or ")} frames, not a single picture; give --video CLIP`);
  return request.image === undefined ? takes.at(-1)! : 1;
}

function plannedSize(request: GenerationRequest, { generation, sideMultiple, largestSide }: PlannedModel): string {
  const { width, height } = request.size === undefined ? generation : sizeOf(request.size);
  if (width % sideMultiple || height % sideMultiple) bad(`a size of ${width}x${height} was asked for; this model makes sides in multiples of ${sideMultiple} (it was made for ${generation.width}x${generation.height})`);
  if (width > largestSide.width || height > largestSide.height) bad(`a size of ${width}x${height} was asked for; this model makes at most ${largestSide.width}x${largestSide.height} (it was made for ${generation.width}x${generation.height})`);
  return `${width}x${height}`;
}

type SamplingFields = Pick<Plan, "num_inference_steps" | "guidance_scale" | "sampler" | "temperature" | "top_p" | "top_k">;

const ofFamily = {
  diffusion: ["num_inference_steps", "guidance_scale", "sampler"],
  autoregressive: ["temperature", "top_p", "top_k"],
} as const;

function plannedSampling(request: GenerationRequest, generation: Generation): SamplingFields {
  const other = generation.family === "diffusion" ? "autoregressive" : "diffusion";
  const foreign = ofFamily[other].filter((name) => request[name] !== undefined);
  if (foreign.length > 0) bad(`${foreign.join(", ")}: only ${other} models have that, and this one is ${generation.family} (it takes ${ofFamily[generation.family].join(", ")})`);
  if (generation.family === "autoregressive") {
    const { temperature, topP, topK } = generation.sampling;
    const chosen = request.top_p !== undefined || request.top_k !== undefined ? { top_p: request.top_p, top_k: request.top_k } : { top_p: topP, top_k: topP === undefined ? topK : undefined };
    return { temperature: request.temperature ?? temperature, ...(chosen.top_p === undefined ? {} : { top_p: chosen.top_p }), ...(chosen.top_k === undefined ? {} : { top_k: chosen.top_k }) };
  }
  const sampler = request.sampler ?? generation.sampler.name;
  const kind = generation.formulation === "flow" ? "flow" : "edm";
  if (samplerNamed(sampler).kind !== kind) bad(`sampler "${sampler}" is for ${kind === "edm" ? "flow" : "EDM"} models; this one takes ${kind === "edm" ? "res2ab or euler" : "unipc"}`);
  if (request.guidance_scale && request.prompt === undefined) bad(`a guidance of ${request.guidance_scale} was asked for, but there is no prompt to be guided by; leave --guidance out`);
  return { num_inference_steps: request.num_inference_steps ?? generation.sampler.steps, guidance_scale: request.guidance_scale ?? (request.prompt === undefined ? 0 : generation.guidance), sampler };
}

const digest = z.string().regex(/^[0-9a-f]{64}$/);
const stored = z.object({
  model: z.string().min(1),
  model_sha256: digest,
  adapters: z.array(z.strictObject({ path: z.string().min(1).max(4096), scale: z.number().min(-100).max(100), sha256: digest })).max(100).default([]),
  input_sha256: digest.optional(),
  device: z.enum(["cpu", "webgpu", "cuda"]),
  threads: z.int().min(1).max(1024),
});

/** A request that was stored with a result, and what it was made with. */
export interface StoredRequest {
  request: GenerationRequest;
  model: string;
  modelSha256: string;
  adapters: readonly PlannedAdapter[];
  inputSha256: string | undefined;
  machine: Machine;
}

/** Fields of a plan that follow from the model and the input, and so are no request's. */
const derived = new Set(["orrery", "family", "model", "model_sha256", "adapters", "input_sha256", "condition_frames", "chunk_frames", "device", "threads"]);

/** Reads what was stored with a result: a `sample_args.json`, or a record that holds it as `args`. @throws `bad_argument`, `file_not_found`. */
export async function readStoredRequest(path: string): Promise<StoredRequest> {
  const top = parseObject(await readText(path, 16 << 20), path);
  const args = (typeof top["args"] === "object" && top["args"] !== null ? top["args"] : top) as Record<string, unknown>;
  const made = stored.safeParse(args);
  if (!made.success) throw new OrreryError("bad_argument", `${path} was not stored with a result of orrery generate: ${made.error.issues.map((i) => `${i.path.join(".")}: ${i.message}`).join("; ")}`);
  const request = parseRequest(Object.fromEntries(Object.entries(args).filter(([key]) => !derived.has(key))), path);
  const { model, model_sha256: modelSha256, adapters, input_sha256: inputSha256, device, threads } = made.data;
  return { request: absolute(request, join(path, "..")), model, modelSha256, adapters, inputSha256, machine: { device, threads } };
}

/** Whether a plan is the one that was stored. @throws `bad_argument` naming what has changed since. */
export function requireSame(plan: Plan, { modelSha256, adapters, inputSha256 }: StoredRequest): void {
  if (plan.model_sha256 !== modelSha256) bad(`the model in ${plan.model} is not the one that this result was made with; restore it, or make a new result without --request`);
  const now = plan.adapters ?? [];
  const isSame = now.length === adapters.length && adapters.every(({ scale, sha256 }, i) => now[i]!.sha256 === sha256 && now[i]!.scale === scale);
  if (!isSame) bad(`the adapters (${now.map(({ path }) => path).join(", ") || "none"}) are not those that this result was made with (${adapters.map(({ path }) => path).join(", ") || "none"}); restore them, or make a new result without --request`);
  if (inputSha256 !== undefined && plan.input_sha256 !== inputSha256) bad(`${plan.video ?? plan.image} has changed since this result was made; restore it, or make a new result without --request`);
}
