/**
 * Runs the guards of a policy and decides. The one rule: a stage is allowed only if the policy requires at least one guard
 * for it and every required guard answered, in time and in the right shape, that it found nothing that blocks. Everything
 * else blocks, whatever the reason, so that there is no path on which a failure lets something through.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { throwIfCancelled } from "../progress.ts";
import type { Clip } from "../video/index.ts";
import { hashSubject } from "./hash.ts";
import { closeAll, type GuardFactory, type OpenedGuard, openGuard, type OpenedProcessor, openProcessor, type ProcessorFactory } from "./opened.ts";
import { copyFrames, sampledFrames, weigh } from "./frames.ts";
import type { Policy } from "./policy.ts";
import { processClip, type Processed } from "./postprocess.ts";
import { categories, categoryIds, isCategoryId, type CategoryId } from "./taxonomy.ts";
import { said, within } from "./time.ts";
import { issue, type Coverage, type Stage, stages, type Strength, type Subject, type Verdict, type Verdicts } from "./verdict.ts";

export interface Guards {
  readonly policy: Policy;
  /** Checks one subject with every guard of its stage, all at once. Failures of guards block; only `cancelled` is thrown. */
  check(subject: Subject, options?: { signal?: AbortSignal }): Promise<Verdicts>;
  /**
   * Does to an allowed video what the policy demands before anybody gets it, such as blurring faces.
   * @throws `blocked` for a video that `verdicts` do not allow, and when required work fails.
   */
  process(clip: Clip, verdicts: Verdicts, options?: { signal?: AbortSignal }): Promise<Processed>;
  /** What each guard is, or why it could not be opened. */
  describe(): readonly GuardDescription[];
  /** Ends the guards; a check afterwards blocks. */
  close(): Promise<void>;
}

export interface GuardDescription {
  name: string;
  kind: string;
  required: boolean;
  /** Empty for work on frames that were allowed. */
  stages: readonly Stage[];
  model?: string;
  version?: string;
  strength?: Strength;
  covers: readonly CategoryId[];
  /** Categories that may block, where the policy limits them. */
  enforces?: readonly CategoryId[];
  failure?: string;
}

const answer = z.object({
  findings: z
    .array(z.object({ category: z.custom<CategoryId>(isCategoryId), confidence: z.number().min(0).max(1), evidence: z.array(z.string().max(2000)).max(200), frame: z.number().int().min(0).optional() }))
    .max(20_000),
  framesChecked: z.number().int().min(0).optional(),
});

/** A verdict keeps so many findings, those of highest confidence; the numbers of hits are of all. */
const keptFindings = 100;

/** Opens every guard that the policy names, with factories by kind. A guard that does not open blocks later, if required. */
export async function runGuards(policy: Policy, factories: Readonly<Record<string, GuardFactory>>, processors: Readonly<Record<string, ProcessorFactory>> = {}): Promise<Guards> {
  const [guards, work] = await Promise.all([
    Promise.all(policy.guards.map((entry) => openGuard(entry, factories))),
    Promise.all(policy.postprocess.map((entry) => openProcessor(entry, processors))),
  ]);
  let closed = false;
  const shut = <T extends OpenedGuard | OpenedProcessor>(opened: readonly T[]): readonly T[] =>
    closed ? opened.map(({ entry }) => ({ entry, failure: "the guards have been closed" }) as T) : opened;
  return {
    policy,
    check: async (subject, { signal } = {}) => {
      throwIfCancelled(signal, "checking");
      const outcome = await checkSubject(policy, shut(guards), subject, signal);
      throwIfCancelled(signal, "checking");
      return issue(outcome);
    },
    process: (clip, verdicts, { signal } = {}) => processClip(policy, shut(work), clip, verdicts, signal),
    describe: () =>
      [...guards, ...work].map(({ entry, is, failure }) => ({
        covers: [],
        ...(is ?? { failure: failure! }),
        name: entry.name, kind: entry.kind, required: entry.required, stages: "stages" in entry ? entry.stages : [],
        ...("block" in entry && entry.block ? { enforces: entry.block } : {}),
      })),
    close: async () => {
      closed = true;
      await closeAll([...guards, ...work]);
    },
  };
}

async function checkSubject(policy: Policy, guards: readonly OpenedGuard[], given: Subject, signal: AbortSignal | undefined): Promise<Verdicts> {
  // A copy, so that a caller who changes the text meanwhile changes nothing. Of frames, each guard gets its own copy below.
  const subject = { ...given };
  const begun = performance.now();
  const checkedAt = new Date().toISOString();
  const wrong = refusal(policy, subject);
  const concerned = guards.filter(({ entry }) => entry.stages.includes(subject.stage));
  const subjectSha256 = wrong?.hopeless ? createHash("sha256").digest("hex") : hashSubject(subject);
  const verdicts = wrong
    ? concerned.map((g) => verdictOf(g, { verdict: "skipped", reason: wrong.message, durationMs: 0 }))
    : await Promise.all(concerned.map((g) => ask(g, subject, signal)));
  const coverage = coverageOf(verdicts, guards);
  const missing = (policy.mustCover[subject.stage] ?? []).filter((id) => coverage.uncovered.includes(id));

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
    // Why is in the verdicts: addresses, paths and what a server said are not for whoever asked.
    message = `the ${words(subject.stage)} could not be checked, and what is not checked is not let through: no answer from ${failed.map((v) => v.guard).join(", ")} (the operator sees why with orrery guard policy, and in the safety record)`;
  } else if (missing.length > 0) {
    blockedBy = "failure";
    message = `no guard looked for ${missing.map((id) => categories[id]).join(", ")}, which policy "${policy.name}" demands`;
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
    const { frames, width, height, frameCount, fps } = subject.clip ?? {};
    const counts = [width, height, frameCount].every((n) => Number.isInteger(n) && n > 0) && fps > 0 && Number.isFinite(fps);
    if (!(frames instanceof Uint8Array) || !counts || frames.length !== frameCount * width * height * 3) return { message: "the video has no frames, or not as many bytes as its size says", hopeless: true };
    return undefined;
  }
  if (typeof subject.text !== "string") return { message: `the ${words(subject.stage)} is not text`, hopeless: true };
  if (/\p{Surrogate}/u.test(subject.text)) return { message: `the ${words(subject.stage)} holds halves of characters (lone surrogates), so it is not text`, hopeless: true };
  if (subject.text.trim() === "") return { message: `the ${words(subject.stage)} is empty`, hopeless: false };
  if (subject.text.length > policy.maxCharacters) return { message: `the ${words(subject.stage)} has ${subject.text.length} characters; policy "${policy.name}" reads at most ${policy.maxCharacters}`, hopeless: false };
  return undefined;
}

type Outcome = Pick<Verdict, "verdict" | "durationMs"> & Partial<Pick<Verdict, "category" | "confidence" | "evidence" | "findings" | "frames" | "reason">>;

function verdictOf({ entry, is }: OpenedGuard, outcome: Outcome): Verdict {
  return {
    guard: entry.name, required: entry.required,
    model: is?.model ?? "none", version: is?.version ?? "none", strength: is?.strength ?? "pattern",
    threshold: entry.threshold, evidence: [], findings: [],
    ...(Object.keys(entry.thresholds).length > 0 ? { thresholds: { ...entry.thresholds } } : {}),
    ...(entry.block ? { enforces: [...entry.block] } : {}),
    ...outcome,
  };
}

/** Asks one guard. Never rejects: whatever goes wrong is an `error` verdict. */
async function ask(opened: OpenedGuard, subject: Subject, signal: AbortSignal | undefined): Promise<Verdict> {
  const { entry, guard, is, failure } = opened;
  const begun = performance.now();
  const elapsed = (): number => performance.now() - begun;
  const failed = (reason: string): Verdict => verdictOf(opened, { verdict: "error", reason, durationMs: elapsed() });
  if (!guard || !is) return entry.required ? failed(failure ?? "it is missing") : verdictOf(opened, { verdict: "skipped", reason: failure ?? "it is missing", durationMs: 0 });
  if (!is.stages.includes(subject.stage)) return failed(`it cannot check the ${words(subject.stage)}`);
  try {
    const shown = subject.stage === "video" ? sampledFrames(entry.frames, subject.clip.frameCount, subject.clip.fps) : [];
    const own: Subject = subject.stage === "video" ? { stage: "video", clip: copyFrames(subject.clip, shown) } : { ...subject };
    const given = await within(entry.timeoutMs, (stop) => guard.check(own, { signal: stop }), signal);
    const shaped = answer.safeParse(given);
    if (!shaped.success) return failed(`its answer is malformed (${shaped.error.issues[0]?.path.join(".") || "shape"}: ${shaped.error.issues[0]?.message})`);
    const { findings, framesChecked } = shaped.data;
    if (subject.stage === "video" && framesChecked !== shown.length) return failed(`it looked at ${framesChecked ?? "an unknown number"} of the ${shown.length} frames that it was given`);
    if (findings.some(({ frame }) => frame !== undefined && frame >= shown.length)) return failed("it found something in a frame that it was not given");
    const weighed = weigh(entry, findings, shown.length);
    const kept = weighed.findings.slice(0, keptFindings).map((f) => (f.frame === undefined ? f : { ...f, frame: shown[f.frame]! }));
    const top = kept[0];
    return verdictOf(opened, {
      verdict: weighed.blocks ? "block" : "allow",
      ...(top ? { category: top.category, confidence: top.confidence, evidence: top.evidence } : {}),
      findings: kept,
      ...(subject.stage === "video" ? { frames: { of: subject.clip.frameCount, checked: shown.length, hits: weighed.hits, needed: weighed.needed } } : {}),
      durationMs: elapsed(),
    });
  } catch (error) {
    return failed(said(error));
  }
}

function coverageOf(verdicts: readonly Verdict[], guards: readonly OpenedGuard[]): Coverage {
  const covered: Partial<Record<CategoryId, { guard: string; strength: Strength }[]>> = {};
  for (const { guard: name, verdict, strength } of verdicts) {
    if (verdict !== "allow" && verdict !== "block") continue;
    const opened = guards.find(({ entry }) => entry.name === name);
    const enforced = opened?.entry.block;
    for (const id of opened?.is?.covers ?? []) if (enforced?.includes(id) ?? true) (covered[id] ??= []).push({ guard: name, strength });
  }
  return {
    covered,
    uncovered: categoryIds.filter((id) => !covered[id]),
    weaklyCovered: categoryIds.filter((id) => covered[id]?.every(({ strength }) => strength !== "large-model")),
  };
}
