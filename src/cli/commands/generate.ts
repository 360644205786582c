/** `orrery generate`: a video that goes on from a picture, a video or a prompt, through the guarded door. */
import { dirname, extname, resolve } from "node:path";
import { mkdir, stat } from "node:fs/promises";
import { fromSystemError, OrreryError } from "../../errors.ts";
import type { BatchRequest, Door, GenerationRequest, Machine, StoredRequest, WorldModel } from "../../generation/index.ts";
import type { Progress } from "../../progress.ts";
import { defineCommand } from "../command.ts";
import { withDoor } from "../door.ts";
import { sayBatch, sayVideo } from "../generated.ts";
import { choice, integer, list, number, shared, size, text } from "../options.ts";
import type { Output } from "../output.ts";

interface Given {
  model: string | undefined;
  prompt: string | undefined;
  negativePrompt: string | undefined;
  image: string | undefined;
  video: string | undefined;
  at: number | undefined;
  frames: number | undefined;
  extend: number | undefined;
  fps: number | undefined;
  size: { width: number; height: number } | undefined;
  steps: number | undefined;
  guidance: number | undefined;
  sampler: string | undefined;
  temperature: number | undefined;
  topP: number | undefined;
  topK: number | undefined;
  seed: number | undefined;
}

/** What the flags say, in the names of a request; what was not said is absent. */
export function requestOf(o: Given): Record<string, unknown> {
  const named = {
    prompt: o.prompt, negative_prompt: o.negativePrompt, image: o.image && resolve(o.image), video: o.video && resolve(o.video), video_end_s: o.at,
    num_frames: o.frames, extend: o.extend, fps: o.fps, size: o.size && `${o.size.width}x${o.size.height}`, seed: o.seed,
    num_inference_steps: o.steps, guidance_scale: o.guidance, sampler: o.sampler, temperature: o.temperature, top_p: o.topP, top_k: o.topK,
  };
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined));
}

/** Flags win over what was stored; where they give another input, or another length, the stored one no longer counts. */
function mergeRequest(stored: GenerationRequest, flags: Record<string, unknown>): Record<string, unknown> {
  const replaced = [["video", "image"], ["image", "video"], ["image", "video_end_s"], ["num_frames", "extend"], ["extend", "num_frames"], ["top_p", "top_k"], ["top_k", "top_p"]] as const;
  const kept: Record<string, unknown> = { ...stored };
  for (const [given, dropped] of replaced) if (given in flags) delete kept[dropped];
  return { ...kept, ...flags };
}

export const command = defineCommand({
  name: "generate",
  summary: "make a video that goes on from a picture, a video or a prompt",
  description:
    "Checks the request, lets the world model draw, checks the frames, and only then writes the mp4, with a record beside it (NAME.orrery.json) of the request, the model and what every guard said. What a guard does not allow ends with exit status 3 and no video. The model decides the family, diffusion or autoregressive; the flags are the same. A result is made again, bit for bit on the CPU, with --request.",
  examples: [
    { type: "orrery generate --model models/my-camera --video clip.mp4 --frames 33 --seed 7 -o next.mp4", does: "go on from the end of a clip" },
    { type: "orrery generate --model models/my-camera --video clip.mp4 --at 2.5 --extend 3 --previews previews -o next.mp4", does: "go on from second 2.5, for three chunks more, with pictures on the way" },
    { type: "orrery generate --model models/base --lora runs/mine/adapter:0.8 --video clip.mp4 -o mine.mp4", does: "with an adapter at four fifths of its strength" },
    { type: "orrery generate --request next.orrery.json -o again.mp4", does: "make a result again" },
    { type: "orrery generate --model models/my-camera --batch requests.jsonl -o results", does: "make many, a folder for each; run again, only what is missing is made" },
  ],
  options: {
    model: text({ short: "m", metavar: "NAME|DIR", help: "the world model: a name from `orrery models list`, or a pipeline's folder, with model_index.json" }),
    lora: list({ metavar: "ADAPTER", help: "a LoRA adapter to put into the model: its folder, such as the adapter/ of `orrery finetune --lora`, with :SCALE behind it where it is to count more or less than 1; the model's folder stays as it is" }),
    out: text({ short: "o", required: true, metavar: "PATH", help: "NAME.mp4, or with --batch a folder" }),
    video: text({ metavar: "CLIP", help: "a video to continue; its last frames are given to the model" }),
    at: number({ min: 0.001, metavar: "SECONDS", help: "continue the video from here (default: its end)" }),
    image: text({ metavar: "PICTURE", help: "a picture to begin with" }),
    prompt: text({ help: "what the video shall show, for models that read text" }),
    negativePrompt: text({ help: "what it shall not show" }),
    frames: integer({ min: 1, max: 100_000, help: "frames of the result, the given ones included; more than the model makes at once are made chunk by chunk (default: one chunk)" }),
    extend: integer({ min: 0, max: 1000, help: "go on for this many chunks after the first, instead of --frames" }),
    fps: number({ min: 0.1, max: 240, help: "frames per second (default: what the model was made for)" }),
    size: size({ min: 8, max: 16_384, help: "picture (default: what the model was made for)" }),
    steps: integer({ min: 1, max: 1000, help: "diffusion: noise levels (default: the model's)" }),
    guidance: number({ min: 0, max: 100, help: "diffusion: how strongly the prompt counts; 0 is none (default: the model's)" }),
    sampler: choice(["res2ab", "euler", "unipc"], { help: "diffusion: how noise becomes video (default: the model's)" }),
    temperature: number({ min: 0, max: 10, help: "autoregressive: 0 takes the likeliest token (default: the model's)" }),
    topP: number({ min: 0, max: 1, help: "autoregressive: draw from the likeliest tokens of this total probability" }),
    topK: integer({ min: 1, help: "autoregressive: draw from this many likeliest tokens" }),
    seed: integer({ min: 0, max: 4_294_967_295, help: "where chance starts; the same seed gives the same video (default: 0)" }),
    request: text({ metavar: "FILE", help: "make a stored result again: NAME.orrery.json or sample_args.json; other flags win over it" }),
    batch: text({ metavar: "FILE", help: "requests, one JSON object a line, in the names of sample_args.json; flags hold for all of them" }),
    previews: text({ metavar: "DIR", help: "write pictures of the video while it is being made (they are guarded too)" }),
    previewEvery: integer({ min: 1, default: 5, help: "diffusion: steps from one preview to the next" }),
    policy: text({ metavar: "FILE", help: "guard policy (default: the standard one)" }),
    upsampler: text({ metavar: "grammar|FILE", help: "make the prompt longer first: the built-in grammar, or the language model that a YAML file describes (see orrery upsample)" }),
    device: choice(["cpu", "webgpu", "cuda"], { help: "where the arithmetic runs (default: cpu)" }),
    threads: shared.threads,
  },
  async run({ options, output, progress, signal }) {
    const { batch, request: storedPath, previews } = options;
    if (batch !== undefined && storedPath !== undefined) throw new OrreryError("bad_argument", "--batch and --request were both given; give one of them");
    if (batch !== undefined && previews !== undefined) throw new OrreryError("bad_argument", "--previews is for a single video; leave it out with --batch");
    const { besides, generateVideo, parseRequest, planRequest, previewFolder, readBatch, readStoredRequest, requireSame } = await import("../../generation/index.ts");
    const { parseAdapterSpec } = await import("../../registry/index.ts");
    const flags = requestOf(options);
    const lora = options.lora.map(parseAdapterSpec).map(({ folder, scale }) => ({ path: resolve(folder), scale }));
    const stored: StoredRequest | undefined = storedPath === undefined ? undefined : await readStoredRequest(storedPath);
    const model = options.model ?? stored?.model;
    if (model === undefined) throw new OrreryError("bad_argument", "--model is missing (the folder of a world model); see orrery generate --help");
    const machine = { device: options.device ?? stored?.machine.device ?? "cpu", threads: options.threads ?? stored?.machine.threads };
    const opening = { model, adapters: lora.length > 0 ? lora : stored?.adapters, policy: options.policy, upsampler: options.upsampler, ...machine, progress };
    const hasWords = (one: GenerationRequest): boolean => one.prompt !== undefined || one.negative_prompt !== undefined;

    if (batch !== undefined) {
      const requests = await readBatch(batch, dirname(resolve(batch)));
      const merged = requests.map(({ name, ...line }): BatchRequest => ({ name, ...parseRequest(mergeRequest(line, flags), `${batch}, "${name}"`) }));
      await makeFolder(options.out);
      await withDoor({ ...opening, hasWords: merged.some(hasWords) }, (door) => makeBatch(merged, door, options.out, { output, progress, signal }));
      return;
    }
    if (extname(options.out).toLowerCase() !== ".mp4") throw new OrreryError("bad_argument", `--out is ${options.out}; expected NAME.mp4${storedPath === undefined ? ", or a folder together with --batch" : ""}`);
    const request = parseRequest(stored ? mergeRequest(stored.request, flags) : flags);
    await requireFolder(dirname(options.out));
    const show = previews === undefined ? undefined : await previewFolder(previews);
    const onModel = (...made: [WorldModel, Machine]): Promise<unknown> => planRequest(request, ...made);
    await withDoor({ ...opening, hasWords: hasWords(request), onModel }, async (door) => {
      const { record, unknownWords } = await generateVideo(request, door, besides(options.out), {
        // Of a stored result only what the flags changed may differ.
        onPlan: (plan) => {
          if (stored) requireSame(plan, { ...stored, ...(options.model === undefined ? {} : { modelSha256: plan.model_sha256 }), ...(lora.length === 0 ? {} : { adapters: plan.adapters ?? [] }), ...(flags["video"] ?? flags["image"] ? { inputSha256: undefined } : {}) });
        },
        ...(show ? { previews: { every: options.previewEvery, show } } : {}),
        progress, signal,
      });
      sayVideo(output, options.out, record, unknownWords);
      output.data(record);
    });
  },
});

/** Found out before the work and not after it. */
async function requireFolder(path: string): Promise<void> {
  const status = await stat(path).catch((error: unknown) => {
    throw fromSystemError(error, path);
  });
  if (!status.isDirectory()) throw new OrreryError("bad_argument", `--out is in ${path}, which is not a folder`);
}

async function makeFolder(path: string): Promise<void> {
  if ((await stat(path).catch(() => undefined))?.isFile()) throw new OrreryError("bad_argument", `--out is ${path}, a file; with --batch it is a folder`);
  await mkdir(path, { recursive: true }).catch((error: unknown) => {
    throw fromSystemError(error, path);
  });
}

async function makeBatch(requests: readonly BatchRequest[], door: Door, folder: string, { output, progress, signal }: { output: Output; progress: Progress; signal: AbortSignal }): Promise<void> {
  const { generateBatch } = await import("../../generation/index.ts");
  const results = await generateBatch(requests, door, folder, { progress, signal, onSample: (result) => sayBatch(output, result) });
  output.data({ folder, samples: results });
  const of = (status: string): string[] => results.filter((r) => r.status === status).map((r) => r.name);
  const [blocked, failed] = [of("blocked"), of("error")];
  const rest = `of ${results.length}; the others are done, and sample_outputs.json of each says why`;
  if (failed.length > 0) throw new OrreryError(results.find((r) => r.status === "error")!.code ?? "internal", `${failed.length} sample(s) failed (${failed.join(", ")})${blocked.length > 0 ? ` and ${blocked.length} were blocked (${blocked.join(", ")})` : ""} ${rest}`);
  if (blocked.length > 0) throw new OrreryError("blocked", `${blocked.length} sample(s) were blocked by a guard (${blocked.join(", ")}) ${rest}`);
}
