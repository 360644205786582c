/**
 * What somebody asks for, in the names of the videos API (`num_inference_steps`, `guidance_scale`, …), so that a line of a
 * batch, a stored `sample_args.json` and a request over HTTP are the same thing. Nothing here decides whether it may be made:
 * that is `clearance.ts`. Nothing here knows a model: what is left out is filled in from the model by `plan.ts`.
 */
import { readFile, stat } from "node:fs/promises";
import { isAbsolute, resolve } from "node:path";
import { z } from "zod";
import { fromSystemError, OrreryError } from "../errors.ts";
import { samplerNames } from "../world/index.ts";

/** Longest texts that are read at all; a policy usually takes less. */
const maxCharacters = 100_000;
/** A stored request is small. */
const maxRequestBytes = 1 << 20;

const words = z.string().max(maxCharacters).refine((text) => text.trim() !== "", "is empty; leave it out to ask without words");
const file = z.string().min(1).max(4096);
const frameSize = z.string().regex(/^[1-9]\d{0,4}x[1-9]\d{0,4}$/, "must be WIDTHxHEIGHT in pixels, such as 320x192");

const fields = {
  prompt: words.optional(),
  negative_prompt: words.optional(),
  /** A picture to begin with. */
  image: file.optional(),
  /** A video to continue. */
  video: file.optional(),
  /** Second of `video` at which it is continued; its end, if absent. */
  video_end_s: z.number().positive().finite().optional(),
  /** Frames of the result, the given ones included. Beyond what the model makes at once it is rolled out in chunks. */
  num_frames: z.int().min(1).max(100_000).optional(),
  /** Chunks after the first, instead of `num_frames`. */
  extend: z.int().min(0).max(1000).optional(),
  fps: z.number().positive().max(240).optional(),
  size: frameSize.optional(),
  seed: z.int().min(0).max(0xffffffff).optional(),
  /** Diffusion: how many noise levels. */
  num_inference_steps: z.int().min(1).max(1000).optional(),
  /** Diffusion: cond + g (cond - uncond), so that 0 is none. */
  guidance_scale: z.number().min(0).max(100).optional(),
  sampler: z.enum(samplerNames as [string, ...string[]]).optional(),
  /** Autoregressive: 0 takes the likeliest token. */
  temperature: z.number().min(0).max(10).optional(),
  top_p: z.number().min(0).max(1).optional(),
  top_k: z.int().min(1).optional(),
};

const contradictions = (r: z.output<typeof shape>, context: z.RefinementCtx): void => {
  const wrong = (path: string, message: string): void => context.addIssue({ code: "custom", path: [path], message });
  if (r.image !== undefined && r.video !== undefined) wrong("image", "and video were both given; give one of them");
  if (r.video_end_s !== undefined && r.video === undefined) wrong("video_end_s", "needs a video");
  if (r.num_frames !== undefined && r.extend !== undefined) wrong("extend", "and num_frames were both given; give the frames of the whole result, or the chunks after the first");
  if (r.top_p !== undefined && r.top_k !== undefined) wrong("top_k", "and top_p were both given; give one of them");
  if (r.negative_prompt !== undefined && r.prompt === undefined) wrong("negative_prompt", "needs a prompt");
};

const shape = z.strictObject(fields);
const schema = shape.superRefine(contradictions);

export type GenerationRequest = z.output<typeof schema>;

/** The name of a sample in a batch, which becomes that of its folder. */
export const sampleName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

/** One line of a batch. */
export type BatchRequest = GenerationRequest & { name: string };

function check<T>(result: z.ZodSafeParseResult<T>, origin: string): T {
  if (result.success) return result.data;
  const known = Object.keys(fields).join(", ");
  const said = result.error.issues.map((issue) =>
    issue.code === "unrecognized_keys" ? `${issue.keys.join(", ")} is not known (known are ${known})` : `${issue.path.join(".") || "it"} ${issue.code === "custom" ? issue.message : `is not valid: ${issue.message}`}`,
  );
  throw new OrreryError("bad_argument", `${origin}: ${said.join("; ")}`, { cause: result.error });
}

/** Checks a request. `origin` names it in messages. Throws `bad_argument`. */
export function parseRequest(given: unknown, origin = "the request"): GenerationRequest {
  return check(schema.safeParse(given), origin);
}

/**
 * Reads a batch: one JSON object a line, empty lines and lines that begin with # left out. A line without a `name` gets its
 * number. Paths are relative to the batch's folder. Throws `bad_argument` with the line, `file_not_found`.
 */
export async function readBatch(path: string, folder: string): Promise<BatchRequest[]> {
  const text = await readText(path, 64 << 20);
  const lines = text.split(/\r?\n/).map((line, i) => ({ line: line.trim(), origin: `${path}, line ${i + 1}` })).filter(({ line }) => line !== "" && !line.startsWith("#"));
  if (lines.length === 0) throw new OrreryError("bad_argument", `${path} holds no request; write one JSON object a line, such as {"video": "clip.mp4", "seed": 1}`);
  const width = String(lines.length - 1).length;
  const batch = lines.map(({ line, origin }, i) => {
    const { name = `sample_${String(i).padStart(width, "0")}`, ...rest } = parseObject(line, origin);
    if (typeof name !== "string" || !sampleName.test(name)) throw new OrreryError("bad_argument", `${origin}: name ${JSON.stringify(name)} cannot be that of a folder; use letters, digits, dots, dashes and underscores`);
    return { name, origin, ...absolute(parseRequest(rest, origin), folder) };
  });
  const seen = new Map<string, string>();
  return batch.map(({ origin, ...request }) => {
    const other = seen.get(request.name);
    if (other !== undefined) throw new OrreryError("bad_argument", `${origin}: the name "${request.name}" is that of ${other} as well`);
    seen.set(request.name, origin);
    return request;
  });
}

/** The request with its files named from the root, so that it means the same from any folder. */
export function absolute<R extends GenerationRequest>(request: R, folder: string): R {
  const from = (path: string): string => (isAbsolute(path) ? path : resolve(folder, path));
  return { ...request, ...(request.image === undefined ? {} : { image: from(request.image) }), ...(request.video === undefined ? {} : { video: from(request.video) }) };
}

export function parseObject(text: string, origin: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new OrreryError("bad_argument", `${origin} is not JSON: ${(cause as Error).message}`, { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new OrreryError("bad_argument", `${origin} must be a JSON object`);
  return value as Record<string, unknown>;
}

export async function readText(path: string, limit = maxRequestBytes): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size > limit) throw new OrreryError("bad_argument", `${path} has ${size} bytes; requests have at most ${limit}`);
    return await readFile(path, "utf8");
  } catch (error) {
    throw fromSystemError(error, path);
  }
}
