/**
 * The policy: a versioned YAML file that says which guards must run at which stage, how long they may take and from what
 * confidence on a finding blocks. Its digest stands in every verdict and every safety record, so that what was in force can
 * be shown later. There is no switch that turns guards off: a stage for which a policy requires no guard lets nothing pass.
 */
import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { z } from "zod";
import { fromSystemError, OrreryError } from "../errors.ts";
import { categoryIds, type CategoryId } from "./taxonomy.ts";
import { stages, type Stage } from "./verdict.ts";

const maxPolicyBytes = 1 << 20;
const category = z.enum(categoryIds as [CategoryId, ...CategoryId[]]);
const confidence = z.number().gt(0).max(1);

const guardName = z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/, "expected small letters, digits and dashes");
const timeoutMs = z.number().int().min(1).max(600_000);

/** Which frames of a video a guard is shown, and how many of them must be found guilty. `frames.ts` does what this says. */
const frames = z.strictObject({
  /** Frames per second that are shown, evenly spread, the first and the last among them. All frames, if absent. */
  sampleFps: z.number().gt(0).max(1000).optional(),
  /** Never more frames than this, however long the video is. */
  maxFrames: z.number().int().min(1).max(100_000).optional(),
  /** The part of the frames shown in which a category must be found for it to block; 0: one frame is enough. */
  minFraction: z.number().min(0).max(1).default(0),
  /** Categories for which one frame is always enough. */
  oneFrame: z.array(category).default(["O7"]),
  /** One frame of this confidence is enough in any category. */
  oneFrameThreshold: confidence.default(1),
});

const entry = z.strictObject({
  /** How verdicts call it. */
  name: guardName,
  /** What it is: `blocklist`, `built-in-classifier`, `language-model`, or one that the program adds. The name, if absent. */
  kind: z.string().min(1).max(64).optional(),
  stages: z.array(z.enum(stages)).min(1),
  required: z.boolean().default(true),
  timeoutMs: timeoutMs.default(10_000),
  /** How long it may take to open, models included. */
  openTimeoutMs: timeoutMs.default(60_000),
  /** Findings of at least this confidence block. */
  threshold: confidence.default(0.5),
  /** Other thresholds for single categories. */
  thresholds: z.partialRecord(category, confidence).default({}),
  /** Categories that block; what is found of others is recorded only. All of them, if absent. */
  block: z.array(category).min(1).optional(),
  frames: frames.prefault({}),
  /** Runs in a thread of its own with this much memory; needed to stop a guard that neither answers nor yields. */
  isolateMb: z.number().int().min(32).max(65_536).optional(),
  /** Settings of the guard itself. */
  options: z.record(z.string(), z.unknown()).default({}),
});

/** Work on the frames that were allowed, before anybody gets them: blurring faces. */
const processor = z.strictObject({
  name: guardName,
  kind: z.string().min(1).max(64).optional(),
  required: z.boolean().default(true),
  timeoutMs: timeoutMs.default(600_000),
  openTimeoutMs: timeoutMs.default(60_000),
  options: z.record(z.string(), z.unknown()).default({}),
});

const schema = z.strictObject({
  policy: z.string().min(1).max(100),
  version: z.number().int().min(1),
  /** Longer texts are refused unread. */
  maxCharacters: z.number().int().min(1).max(1_000_000).default(20_000),
  /** Categories that at least one guard that answered must have looked for: at every stage, or stage by stage. */
  mustCover: z.union([z.array(category), z.partialRecord(z.enum(stages), z.array(category))]).default([]),
  guards: z.array(entry).min(1).max(32),
  /** In this order, each on the result of the one before. */
  postprocess: z.array(processor).max(8).default([]),
});

/** One guard of a policy. `folder` is where relative paths of its options start: the policy file's own folder. */
export type PolicyEntry = z.output<typeof entry> & { kind: string; folder: string };
export type ProcessorEntry = z.output<typeof processor> & { kind: string; folder: string };
export type FrameRule = z.output<typeof frames>;

export interface Policy {
  name: string;
  version: number;
  /** SHA-256 of the file as it was read. */
  sha256: string;
  maxCharacters: number;
  mustCover: Readonly<Record<Stage, readonly CategoryId[]>>;
  guards: readonly PolicyEntry[];
  postprocess: readonly ProcessorEntry[];
}

const everywhere = (ids: readonly CategoryId[]): Record<Stage, readonly CategoryId[]> => ({ prompt: ids, "upsampled-prompt": ids, "negative-prompt": ids, video: ids });

/** Checks a policy's text. `origin` names it in messages; relative paths in it start at `folder`. Throws `bad_config`. */
export function parsePolicy(yaml: string, origin = "the policy", folder = process.cwd()): Policy {
  const fail = (what: string, cause?: unknown): never => {
    throw new OrreryError("bad_config", `${origin} is not a valid guard policy: ${what}`, { cause });
  };
  let tree: unknown;
  try {
    tree = parse(yaml, { maxAliasCount: 100 });
  } catch (error) {
    return fail(`it is not YAML (${(error as Error).message.split("\n")[0]})`, error);
  }
  const result = schema.safeParse(tree);
  if (!result.success) return fail(result.error.issues.map((i) => `${i.path.join(".") || "fields"}: ${i.message}`).join("; "), result.error);
  const { policy: name, version, maxCharacters, mustCover, guards, postprocess } = result.data;
  const names = [...guards, ...postprocess].map((g) => g.name);
  const twice = names.find((n, i) => names.indexOf(n) !== i);
  if (twice !== undefined) return fail(`two guards are called "${twice}"; give each a name of its own and say what it is with "kind"`);
  return {
    name, version, maxCharacters,
    mustCover: Array.isArray(mustCover) ? everywhere(mustCover) : { ...everywhere([]), ...mustCover },
    sha256: createHash("sha256").update(yaml).digest("hex"),
    guards: guards.map((g) => ({ ...g, kind: g.kind ?? g.name, folder })),
    postprocess: postprocess.map((p) => ({ ...p, kind: p.kind ?? p.name, folder })),
  };
}

/** The policy that is part of Orrery. */
export const standardPolicyPath: string = fileURLToPath(new URL("./policies/standard.yaml", import.meta.url));

/** Reads a policy from a file, or the standard one. Throws `bad_config` or `file_not_found`. */
export async function readPolicy(path: string = standardPolicyPath): Promise<Policy> {
  try {
    const { size } = await stat(path);
    if (size > maxPolicyBytes) throw new OrreryError("bad_config", `${path} has ${size} bytes; a guard policy has at most ${maxPolicyBytes}`);
    return parsePolicy(await readFile(path, "utf8"), path, dirname(resolve(path)));
  } catch (error) {
    throw fromSystemError(error, path);
  }
}
