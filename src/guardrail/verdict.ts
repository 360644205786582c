/**
 * What a guard is, what it answers, and what the runner makes of the answers. A guard only reports findings; whether a finding
 * blocks is the policy's business, and what a failure means is the runner's: nothing that fails ever allows.
 */
import { OrreryError } from "../errors.ts";
import type { Clip } from "../video/index.ts";
import type { CategoryId } from "./taxonomy.ts";

/** Where in a generation a check stands. */
export const stages = ["prompt", "upsampled-prompt", "negative-prompt", "video"] as const;
export type Stage = (typeof stages)[number];

/** Text of a request: the prompt, the upsampler's words, or the negative prompt. */
export interface TextSubject {
  stage: Exclude<Stage, "video">;
  text: string;
}

/** Frames of a finished generation, u8 RGB, before any blurring. A guard is given a copy of those that its policy entry samples. */
export interface VideoSubject {
  stage: "video";
  clip: Clip;
}

export type Subject = TextSubject | VideoSubject;

/** How much a guard understands: words and phrases, a small model, or a language model. Reported with every coverage. */
export type Strength = "pattern" | "small-model" | "large-model";

export interface Finding {
  category: CategoryId;
  /** 0..1; 1 is certain. */
  confidence: number;
  /** What was found, for a reviewer. Never shown to the person who asked. */
  evidence: readonly string[];
  /**
   * The frame that it was found in: an index into the clip that the guard was given; in a verdict, the frame's number in the
   * whole video. Absent for text, and for what was found in a video as a whole.
   */
  frame?: number;
}

/** What a guard answers: everything found, of any confidence; nothing found is an empty list. */
export interface Answer {
  findings: readonly Finding[];
  /** Of a video: how many frames it looked at. Fewer than it was given is a failure, so that no frame is skipped in silence. */
  framesChecked?: number;
}

/** One guard, opened. */
export interface Guard {
  /** The model that answers, with its size where it has sizes: "Qwen3Guard-Gen-0.6B". */
  readonly model: string;
  /** Version of model or lists: a digest where there is one. */
  readonly version: string;
  readonly strength: Strength;
  /** Categories that it can find at all. */
  readonly covers: readonly CategoryId[];
  readonly stages: readonly Stage[];
  /** Throws when it cannot tell. */
  check(subject: Subject, context: { signal: AbortSignal }): Promise<Answer>;
  close?(): Promise<void>;
}

/**
 * `allow` and `block` are answers; `error` is a guard that failed, was late or answered in a wrong shape; `skipped` is one
 * that was not asked, with the reason.
 */
export type VerdictKind = "allow" | "block" | "error" | "skipped";

export interface Verdict {
  guard: string;
  verdict: VerdictKind;
  required: boolean;
  /** The finding that counted most; absent where nothing was found. */
  category?: CategoryId;
  confidence?: number;
  evidence: readonly string[];
  /** The findings of highest confidence, at most 100, those below the threshold included. */
  findings: readonly Finding[];
  /** Of a video: the numbers of frames that there were, that were looked at, and that were over the threshold, by category. */
  frames?: { of: number; checked: number; hits: Partial<Record<CategoryId, number>>; needed: number };
  model: string;
  version: string;
  strength: Strength;
  threshold: number;
  /** Other thresholds for single categories, and the categories that may block, where the policy says so. */
  thresholds?: Partial<Record<CategoryId, number>>;
  enforces?: readonly CategoryId[];
  /** Why, for `error` and `skipped`. */
  reason?: string;
  durationMs: number;
}

export interface Coverage {
  /** Guards that answered, by category. */
  covered: Partial<Record<CategoryId, readonly { guard: string; strength: Strength }[]>>;
  /** Categories that no guard looked for. */
  uncovered: readonly CategoryId[];
  /** Categories that only patterns or small models looked for. */
  weaklyCovered: readonly CategoryId[];
}

/** The outcome of one stage. Frozen; `requireAllowed` accepts only those that a runner made. */
export interface Verdicts {
  decision: "allow" | "block";
  /** `harm`: a guard found something. `failure`: a required guard could not say, which blocks as well. */
  blockedBy?: "harm" | "failure";
  /** One sentence for the person who asked; names categories, never words that were found. */
  message: string;
  stage: Stage;
  /** SHA-256 of what was checked: the text as UTF-8, or the frames' bytes after their sizes. */
  subjectSha256: string;
  policy: { name: string; version: number; sha256: string };
  verdicts: readonly Verdict[];
  coverage: Coverage;
  checkedAt: string;
  durationMs: number;
}

const issued = new WeakSet<Verdicts>();

/** Freezes an outcome, findings included, and remembers that it is genuine. For the runner alone. */
export function issue(verdicts: Verdicts): Verdicts {
  deepFreeze(verdicts);
  issued.add(verdicts);
  return verdicts;
}

/** Whether an outcome comes from a runner of this process, unchanged. */
export function isGenuine(verdicts: Verdicts): boolean {
  return issued.has(verdicts);
}

/**
 * The gate: returns only if a runner of this process allowed exactly this subject.
 * @throws `blocked` for anything else: a block, an outcome of other content, or an object that no runner made.
 */
export function requireAllowed(verdicts: Verdicts, subjectSha256: string): void {
  if (!issued.has(verdicts)) throw new OrreryError("blocked", "this content carries no verdict of a guard; run it through openGuards(policy).check first");
  if (verdicts.decision !== "allow") throw new OrreryError("blocked", verdicts.message);
  if (verdicts.subjectSha256 !== subjectSha256) throw new OrreryError("blocked", "the verdict belongs to other content than this; check this content itself");
}

function deepFreeze(value: unknown): void {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const inner of Object.values(value)) deepFreeze(inner);
}
