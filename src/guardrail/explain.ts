/**
 * What the guards did, for people: one shape for checks that were just made and for records of the past, and its lines of
 * text. `explain-page.ts` makes a page of it. Written for the reviewer, so evidence is shown; what goes to whoever asked is
 * `Verdicts.message`, which never quotes.
 */
import type { ProcessStep } from "./postprocess.ts";
import type { RecordVerification, SafetyRecord } from "./record.ts";
import { categories, categoryIds, type CategoryId } from "./taxonomy.ts";
import type { Strength, Verdict, Verdicts } from "./verdict.ts";

export interface Explanation {
  /** "blocked", "allowed", "delivered", "failed". */
  outcome: "allowed" | SafetyRecord["outcome"];
  headline: string;
  policy: { name: string; version: number; sha256: string };
  stages: readonly Verdicts[];
  /** The words that were checked, by stage, where they are known; a record holds only their hashes. */
  texts: Readonly<Partial<Record<Verdicts["stage"], string>>>;
  postprocess: readonly ProcessStep[];
  /** Of a record: what it says of itself and of its signature. */
  record?: { id: string; createdAt: string; software: string; models: SafetyRecord["models"]; output?: SafetyRecord["output"]; upsampling?: SafetyRecord["upsampling"]; verification: Pick<RecordVerification, "valid" | "trusted" | "reason" | "keyId"> };
}

/** Explains checks of this moment. */
export function explainChecks(stages: readonly Verdicts[], texts: Explanation["texts"] = {}): Explanation {
  const blocked = stages.find((v) => v.decision === "block");
  return { outcome: blocked ? "blocked" : "allowed", headline: blocked?.message ?? "every required guard allowed it", policy: stages[0]!.policy, stages, texts, postprocess: [] };
}

/** Explains a record, whether it is valid or not: a reviewer wants to see what a bad one claims. */
export function explainRecord(record: SafetyRecord, verification: RecordVerification): Explanation {
  const { id, createdAt, software, models, output, upsampling, outcome, stages, policy, postprocess } = record;
  const blocked = stages.find((v) => v.decision === "block");
  const headline = outcome === "delivered" ? "delivered: every required guard allowed it" : outcome === "failed" ? `not delivered: ${record.failure ?? "no reason was given"}` : (blocked?.message ?? "blocked");
  return {
    outcome, headline, policy, stages, texts: {}, postprocess,
    record: { id, createdAt, software, models, ...(output ? { output } : {}), ...(upsampling ? { upsampling } : {}), verification },
  };
}

export const strengthWords: Readonly<Record<Strength, string>> = { pattern: "patterns", "small-model": "a small model", "large-model": "a large model" };

/** Who looked for a category at each stage, strongest first: the rows and columns of the coverage table. */
export function coverageTable(stages: readonly Verdicts[]): { id: CategoryId; label: string; cells: readonly (Strength | undefined)[] }[] {
  const order: readonly Strength[] = ["large-model", "small-model", "pattern"];
  return categoryIds.map((id) => ({
    id, label: categories[id],
    cells: stages.map(({ coverage }) => order.find((s) => coverage.covered[id]?.some(({ strength }) => strength === s))),
  }));
}

/** The threshold that counted for what a verdict found most. */
export function thresholdOf(verdict: Verdict): number {
  return (verdict.category && verdict.thresholds?.[verdict.category]) ?? verdict.threshold;
}

/** In a few words: what a guard found, or why it did not say. */
export function findingWords(verdict: Verdict): string {
  if (verdict.reason !== undefined) return verdict.reason;
  if (!verdict.category || verdict.confidence === undefined) return verdict.frames ? `nothing in ${verdict.frames.checked} of ${verdict.frames.of} frames` : "nothing found";
  const limit = thresholdOf(verdict);
  const enforced = verdict.enforces === undefined || verdict.enforces.includes(verdict.category);
  const sign = verdict.confidence >= limit ? ">=" : "<";
  const note = enforced ? "" : ", which the policy only notes";
  const hits = verdict.frames ? `, ${verdict.frames.hits[verdict.category] ?? 0} of ${verdict.frames.checked} frames (${verdict.frames.needed} needed)` : "";
  return `${categories[verdict.category]} ${figure(verdict.confidence)} ${sign} ${figure(limit)}${hits}${note}`;
}

export const figure = (n: number): string => String(+n.toFixed(3));
export const milliseconds = (n: number): string => (n < 10 ? `${n.toFixed(1)} ms` : n < 10_000 ? `${Math.round(n)} ms` : `${(n / 1000).toFixed(1)} s`);
export const stageWords = (stage: string): string => stage.replace("-", " ");

export interface TextStyle {
  good(text: string): string;
  bad(text: string): string;
  warn(text: string): string;
  dim(text: string): string;
  bold(text: string): string;
}

/** The explanation as lines of text. */
export function explainText({ outcome, headline, policy, stages, texts, postprocess, record }: Explanation, style: TextStyle): string[] {
  const lines: string[] = [];
  const good = outcome === "allowed" || outcome === "delivered";
  lines.push(`${good ? style.good(outcome.toUpperCase()) : style.bad(outcome.toUpperCase())}  ${headline}`, style.dim(`policy ${policy.name} ${policy.version} (${policy.sha256.slice(0, 12)})`));
  if (record) {
    const { valid, trusted, reason, keyId } = record.verification;
    lines.push(`record ${record.id} of ${record.createdAt} by ${record.software}`);
    const signature = !valid ? style.bad("NOT VALID") : trusted ? style.good("valid") : style.warn("whole, by an unknown key");
    lines.push(`signature ${signature}${reason === undefined ? "" : `: ${reason}`}${keyId ? style.dim(`  key ${keyId.slice(0, 16)}`) : ""}`);
    for (const { role, name, sha256 } of record.models) lines.push(`${role} ${name}${sha256 ? style.dim(`  ${sha256.slice(0, 12)}`) : ""}`);
    if (record.upsampling) lines.push(`prompt upsampler ${record.upsampling.upsampler}: ${record.upsampling.outcome}${record.upsampling.reason ? ` (${record.upsampling.reason})` : ""}`);
    if (record.output) lines.push(`file ${record.output.bytes} bytes, SHA-256 ${record.output.sha256}`);
  }
  for (const v of stages) {
    const text = texts[v.stage];
    lines.push("", `${style.bold(stageWords(v.stage))}  ${v.decision === "allow" ? style.good("allowed") : style.bad(v.blockedBy === "failure" ? "blocked, because it could not be checked" : "blocked")}  ${style.dim(`${milliseconds(v.durationMs)}, SHA-256 ${v.subjectSha256.slice(0, 12)}`)}`);
    if (text !== undefined) lines.push(`  "${text.length > 300 ? `${text.slice(0, 300)}…` : text}"`);
    if (v.verdicts.length === 0) lines.push(`  ${style.bad("no guard was asked")}`);
    const width = Math.max(0, ...v.verdicts.map((g) => g.guard.length));
    for (const g of v.verdicts) {
      const kind = g.verdict === "allow" ? style.good("allow  ") : g.verdict === "block" ? style.bad("block  ") : g.verdict === "error" ? style.bad("error  ") : style.warn("skipped");
      lines.push(`  ${g.guard.padEnd(width)}  ${kind}  ${findingWords(g)}  ${style.dim(`${g.model === "none" ? "" : `${g.model}, ${strengthWords[g.strength]}, `}${milliseconds(g.durationMs)}${g.required ? "" : ", not required"}`)}`);
      for (const f of g.findings.slice(0, 5)) {
        const where = f.frame === undefined ? "" : `frame ${f.frame}: `;
        lines.push(`  ${" ".repeat(width)}    ${style.dim("-")} ${where}${categories[f.category]} ${figure(f.confidence)}${f.evidence.length > 0 ? `: ${f.evidence.slice(0, 4).join("; ").slice(0, 200)}` : ""}`);
      }
      if (g.findings.length > 5) lines.push(`  ${" ".repeat(width)}    ${style.dim(`- and ${g.findings.length - 5} more`)}`);
    }
    const named = (ids: readonly CategoryId[]): string => ids.map((id) => categories[id]).join(", ");
    if (v.coverage.uncovered.length > 0) lines.push(`  ${style.warn("nobody looked for")} ${named(v.coverage.uncovered)}`);
    if (v.coverage.weaklyCovered.length > 0) lines.push(`  ${style.dim(`looked for only by patterns or small models: ${named(v.coverage.weaklyCovered)}`)}`);
  }
  if (postprocess.length > 0) lines.push("", style.bold("after that"));
  for (const s of postprocess) lines.push(`  ${s.processor}  ${s.outcome === "done" ? style.good("done") : style.bad(s.outcome)}  ${s.reason ?? `${s.framesChanged} frame(s) changed`}${s.notes.length > 0 ? `: ${s.notes.join("; ").slice(0, 200)}` : ""}  ${style.dim(`${s.model}, ${milliseconds(s.durationMs)}`)}`);
  return lines;
}
