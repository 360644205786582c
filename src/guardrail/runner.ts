/**
 * Runs the guards of a policy and decides. The one rule: a stage is allowed only if the policy requires at least one guard
 * for it and every required guard answered, in time and in the right shape, that it found nothing that blocks. Everything
 * else blocks, whatever the reason, so that there is no path on which a failure lets something through.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { OrreryError } from "../errors.ts";
import { throwIfCancelled } from "../progress.ts";
import type { Clip } from "../video/index.ts";
import type { Policy, PolicyEntry } from "./policy.ts";
import { categories, categoryIds, isCategoryId, type CategoryId } from "./taxonomy.ts";
import { issue, type Coverage, type Finding, type Guard, type Stage, stages, type Strength, type Subject, type Verdict, type Verdicts } from "./verdict.ts";

/** Opens a guard of one kind with a policy entry's settings. Throws when it cannot; the guard then counts as failed. */
export type GuardFactory = (entry: PolicyEntry) => Promise<Guard>;

export interface Guards {
  readonly policy: Policy;
  /** Checks one subject with every guard of its stage, all at once. Failures of guards block; only `cancelled` is thrown. */
  check(subject: Subject, options?: { signal?: AbortSignal }): Promise<Verdicts>;
  /** What each guard is, or why it could not be opened. */
  describe(): readonly { name: string; required: boolean; stages: readonly Stage[]; model?: string; version?: string; strength?: Strength; covers: readonly CategoryId[]; failure?: string }[];
  /** Ends the guards; a check afterwards blocks. */
  close(): Promise<void>;
}

interface Opened {
  entry: PolicyEntry;
  guard?: Guard;
  failure?: string;
}

const answer = z.object({
  findings: z.array(z.object({ category: z.custom<CategoryId>(isCategoryId), confidence: z.number().min(0).max(1), evidence: z.array(z.string().max(2000)).max(200) })).max(1000),
});

/** Opens every guard that the policy names, with `factories` by kind. A guard that does not open blocks later, if required. */
export async function runGuards(policy: Policy, factories: Readonly<Record<string, GuardFactory>>): Promise<Guards> {
  const opened = await Promise.all(policy.guards.map((entry) => openOne(entry, factories)));
  let closed = false;
  return {
    policy,
    check: async (subject, { signal } = {}) => {
      throwIfCancelled(signal, "checking");
      const outcome = await checkSubject(policy, closed ? opened.map(({ entry }) => ({ entry, failure: "the guards have been closed" })) : opened, subject, signal);
      throwIfCancelled(signal, "checking");
      return issue(outcome);
    },
    describe: () =>
      opened.map(({ entry, guard, failure }) => ({
        name: entry.name, required: entry.required, stages: entry.stages, covers: guard?.covers ?? [],
        ...(guard ? { model: guard.model, version: guard.version, strength: guard.strength } : { failure: failure! }),
      })),
    close: async () => {
      closed = true;
      await Promise.allSettled(opened.map(async ({ guard }) => guard?.close?.()));
    },
  };
}

async function openOne(entry: PolicyEntry, factories: Readonly<Record<string, GuardFactory>>): Promise<Opened> {
  const factory = Object.hasOwn(factories, entry.kind) ? factories[entry.kind] : undefined;
  if (!factory) return { entry, failure: `there is no guard of kind "${entry.kind}"; known are ${Object.keys(factories).join(", ")}` };
  try {
    const guard = await factory(entry);
    if (!Array.isArray(guard.covers) || !guard.covers.every(isCategoryId)) return { entry, failure: "it says that it covers a category that there is not" };
    return { entry, guard };
  } catch (error) {
    return { entry, failure: `it could not be opened: ${said(error)}` };
  }
}

async function checkSubject(policy: Policy, guards: readonly Opened[], given: Subject, signal: AbortSignal | undefined): Promise<Verdicts> {
  // A copy, so that a caller who changes the text meanwhile changes nothing; frames are too many to copy and are hashed twice.
  const subject = { ...given };
  const begun = performance.now();
  const checkedAt = new Date().toISOString();
  const wrong = refusal(policy, subject);
  const concerned = guards.filter(({ entry }) => entry.stages.includes(subject.stage));
  const subjectSha256 = wrong?.hopeless ? createHash("sha256").digest("hex") : hashSubject(subject);
  const verdicts = wrong
    ? concerned.map((g) => verdictOf(g, { verdict: "skipped", reason: wrong.message, durationMs: 0 }))
    : await Promise.all(concerned.map((g) => ask(g, { ...subject }, signal)));
  const meddled = !wrong && subject.stage === "video" && hashSubject(subject) !== subjectSha256;
  const coverage = coverageOf(verdicts, guards);
  const missing = policy.mustCover.filter((id) => coverage.uncovered.includes(id));

  const found = verdicts.filter((v) => v.verdict === "block");
  const failed = verdicts.filter((v) => v.required && (v.verdict === "error" || v.verdict === "skipped"));
  const anyRequired = verdicts.some((v) => v.required);
  let blockedBy: Verdicts["blockedBy"];
  let message = "allowed";
  if (found.length > 0) {
    blockedBy = "harm";
    const named = [...new Set(found.flatMap((v) => (v.category ? [categories[v.category]] : [])))];
    message = `the ${words(subject.stage)} was blocked: ${named.join(", ")}`;
  } else if (wrong) {
    blockedBy = "failure";
    message = wrong.message;
  } else if (!anyRequired) {
    blockedBy = "failure";
    message = `policy "${policy.name}" requires no guard for the ${words(subject.stage)}, and unguarded content is not let through`;
  } else if (failed.length > 0) {
    blockedBy = "failure";
    message = `the ${words(subject.stage)} could not be checked: ${failed.map((v) => `${v.guard} (${v.reason})`).join("; ")}`;
  } else if (missing.length > 0) {
    blockedBy = "failure";
    message = `no guard looked for ${missing.map((id) => categories[id]).join(", ")}, which policy "${policy.name}" demands`;
  } else if (meddled) {
    blockedBy = "failure";
    message = "a guard changed the frames that it was given to look at";
  }
  return {
    // Said positively, and once: allowed is what has a required guard, all of them answering "allow", and nothing wrong.
    decision: blockedBy === undefined && anyRequired && verdicts.every((v) => v.verdict === "allow" || !v.required) ? "allow" : "block",
    ...(blockedBy ? { blockedBy } : {}),
    message,
    stage: subject.stage,
    subjectSha256,
    policy: { name: policy.name, version: policy.version, sha256: policy.sha256 },
    verdicts, coverage, checkedAt,
    durationMs: performance.now() - begun,
  };
}

const words = (stage: Stage): string => stage.replace("-", " ");

/** Why a subject is not even shown to the guards. `hopeless` ones cannot be hashed either. */
function refusal(policy: Policy, subject: Subject): { message: string; hopeless: boolean } | undefined {
  if (!stages.includes(subject.stage)) return { message: `the subject is of no stage of a generation (${stages.join(", ")})`, hopeless: true };
  if (subject.stage === "video") {
    const { frames, width, height, frameCount } = subject.clip ?? {};
    if (!(frames instanceof Uint8Array) || frameCount < 1 || frames.length !== frameCount * width * height * 3) return { message: "the video has no frames, or not as many bytes as its size says", hopeless: true };
    return undefined;
  }
  if (typeof subject.text !== "string") return { message: `the ${words(subject.stage)} is not text`, hopeless: true };
  if (subject.text.trim() === "") return { message: `the ${words(subject.stage)} is empty`, hopeless: false };
  if (subject.text.length > policy.maxCharacters) return { message: `the ${words(subject.stage)} has ${subject.text.length} characters; policy "${policy.name}" reads at most ${policy.maxCharacters}`, hopeless: false };
  return undefined;
}

/** SHA-256 by which verdicts name what they are about: the text as UTF-8, or `WIDTHxHEIGHTxFRAMES@FPS\n` and the RGB bytes. */
export function hashSubject(subject: Subject): string {
  const hash = createHash("sha256");
  if (subject.stage !== "video") return hash.update(subject.text, "utf8").digest("hex");
  return hashClip(subject.clip);
}

function hashClip({ frames, width, height, frameCount, fps }: Clip): string {
  return createHash("sha256").update(`${width}x${height}x${frameCount}@${fps}\n`).update(frames).digest("hex");
}

type Outcome = Pick<Verdict, "verdict" | "durationMs"> & Partial<Pick<Verdict, "category" | "confidence" | "evidence" | "findings" | "reason">>;

function verdictOf({ entry, guard }: Opened, outcome: Outcome): Verdict {
  return {
    guard: entry.name, required: entry.required,
    model: guard?.model ?? "none", version: guard?.version ?? "none", strength: guard?.strength ?? "pattern",
    threshold: entry.threshold, evidence: [], findings: [],
    ...outcome,
  };
}

/** Asks one guard. Never rejects: whatever goes wrong is an `error` verdict. */
async function ask(opened: Opened, subject: Subject, signal: AbortSignal | undefined): Promise<Verdict> {
  const { entry, guard, failure } = opened;
  const begun = performance.now();
  const elapsed = (): number => performance.now() - begun;
  const failed = (reason: string): Verdict => verdictOf(opened, { verdict: "error", reason, durationMs: elapsed() });
  if (!guard) return entry.required ? failed(failure ?? "it is missing") : verdictOf(opened, { verdict: "skipped", reason: failure ?? "it is missing", durationMs: 0 });
  if (!guard.stages.includes(subject.stage)) return failed(`it cannot check the ${words(subject.stage)}`);
  const deadline = new AbortController();
  const late = `it took longer than ${entry.timeoutMs} ms`;
  let timer: NodeJS.Timeout | undefined;
  let stop: (() => void) | undefined;
  try {
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(late)), entry.timeoutMs);
      stop = () => reject(new Error("the request was cancelled"));
      signal?.addEventListener("abort", stop, { once: true });
    });
    const given = await Promise.race([guard.check(subject, { signal: deadline.signal }), timeout]);
    // A guard that never yields defeats the timer, not the clock.
    if (elapsed() > entry.timeoutMs) return failed(late);
    const shaped = answer.safeParse(given);
    if (!shaped.success) return failed(`its answer is malformed (${shaped.error.issues[0]?.path.join(".") || "shape"}: ${shaped.error.issues[0]?.message})`);
    return judge(opened, shaped.data.findings, elapsed());
  } catch (error) {
    return failed(said(error));
  } finally {
    clearTimeout(timer);
    if (stop) signal?.removeEventListener("abort", stop);
    // A guard that is still at it is told to stop.
    deadline.abort();
  }
}

function judge(opened: Opened, findings: readonly Finding[], durationMs: number): Verdict {
  const { entry } = opened;
  const sorted = [...findings].sort((a, b) => b.confidence - a.confidence);
  const blocks = (f: Finding): boolean => (entry.block?.includes(f.category) ?? true) && f.confidence >= (entry.thresholds[f.category] ?? entry.threshold);
  const top = sorted.find(blocks) ?? sorted[0];
  return verdictOf(opened, {
    verdict: sorted.some(blocks) ? "block" : "allow",
    ...(top ? { category: top.category, confidence: top.confidence, evidence: top.evidence } : {}),
    findings: sorted,
    durationMs,
  });
}

function coverageOf(verdicts: readonly Verdict[], guards: readonly Opened[]): Coverage {
  const covered: Partial<Record<CategoryId, { guard: string; strength: Strength }[]>> = {};
  for (const { guard: name, verdict, strength } of verdicts) {
    if (verdict !== "allow" && verdict !== "block") continue;
    const opened = guards.find(({ entry }) => entry.name === name);
    const enforced = opened?.entry.block;
    for (const id of opened?.guard?.covers ?? []) if (enforced?.includes(id) ?? true) (covered[id] ??= []).push({ guard: name, strength });
  }
  return {
    covered,
    uncovered: categoryIds.filter((id) => !covered[id]),
    weaklyCovered: categoryIds.filter((id) => covered[id]?.every(({ strength }) => strength !== "large-model")),
  };
}

function said(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return `${error instanceof OrreryError ? "" : "it failed: "}${text.split("\n")[0]!.slice(0, 300)}`;
}
