/**
 * The safety record of one generation: which guards ran at which stage, on which hash, under which policy, with what verdict,
 * and which categories nobody looked for. It is signed with Ed25519 over its canonical JSON, so that a reviewer can tell
 * later that nothing was added, left out or changed. It holds hashes of prompts and frames, never the prompts themselves;
 * the evidence of guards, which may quote a word, is for the operator. Keys are the caller's (`provenance/` keeps them).
 */
import { createHash, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { z } from "zod";
import { OrreryError } from "../errors.ts";
import { canonicalJson } from "./canonical-json.ts";
import { isProcessed, type Processed, type ProcessStep } from "./postprocess.ts";
import { categoryIds, isCategoryId, type CategoryId } from "./taxonomy.ts";
import { isGenuine, stages, type Coverage, type Strength, type Verdicts } from "./verdict.ts";

export const safetyRecordType = "orrery-safety-record";
/** A longer file is no record. */
export const maxRecordBytes = 16 << 20;

/** A model that took part: `role` is "world-model", "adapter", "tokenizer", "upsampler", "text-encoder"; `sha256` of its weights where known. */
export interface RecordedModel {
  role: string;
  name: string;
  sha256?: string;
}

/** What became of a prompt that was made longer; hashes of the words before and after. */
export interface RecordedUpsampling {
  upsampler: string;
  version: string;
  outcome: "upsampled" | "left-alone" | "fell-back";
  reason?: string;
  attempts: number;
  originalSha256: string;
  resultSha256: string;
}

export interface SafetyRecordInput {
  /** Given by the caller, so that a record can be found again: a job's or a generation's id. */
  id: string;
  /** SHA-256 of the whole request, in the caller's canonical form. */
  requestSha256: string;
  /** The file that is delivered. Absent when nothing was. */
  output?: { sha256: string; bytes: number; mediaType: string };
  /** Outcomes of `Guards.check`, in the order of the stages as they ran. */
  stages: readonly Verdicts[];
  /** The request has no words at all (it continues a picture or a video), so there were none to check. The record says so. */
  withoutWords?: true;
  /** Outcome of `Guards.process`; needed when there is an output. */
  processed?: Processed;
  upsampling?: RecordedUpsampling;
  models: readonly RecordedModel[];
  /** Program and version that made this record. */
  software: string;
  /** Why there is no output, when no guard is to blame: "cancelled", "the model diverged". */
  failure?: string;
  createdAt?: Date;
}

/** One stage as it is recorded: a `Verdicts` without its gate. */
export type RecordedStage = Verdicts;

export interface SafetyRecord {
  type: typeof safetyRecordType;
  version: 1;
  id: string;
  createdAt: string;
  software: string;
  /** `delivered`: every required guard allowed, and a file was made. `blocked`: a guard stopped it. `failed`: something else did. */
  outcome: "delivered" | "blocked" | "failed";
  failure?: string;
  requestSha256: string;
  /** `none`: the request had no words. Said only of records without any stage of text. */
  words: "checked" | "none";
  output?: { sha256: string; bytes: number; mediaType: string };
  policy: { name: string; version: number; sha256: string };
  stages: readonly RecordedStage[];
  /** Work on the frames after they were allowed, with the hashes before and after. */
  postprocess: readonly ProcessStep[];
  upsampling?: RecordedUpsampling;
  models: readonly RecordedModel[];
  /** Over all stages of text, and of the video. */
  coverage: { text: RecordedCoverage; video: RecordedCoverage };
}

export interface RecordedCoverage {
  covered: Partial<Record<CategoryId, readonly { guard: string; strength: Strength }[]>>;
  uncovered: readonly CategoryId[];
  weaklyCovered: readonly CategoryId[];
}

export interface SignedSafetyRecord {
  record: SafetyRecord;
  signature: {
    algorithm: "Ed25519";
    /** SHA-256 of the public key's SPKI bytes. */
    keyId: string;
    /** The public key, SPKI DER in base64: proves that the record is whole, not who signed it. */
    publicKey: string;
    /** Over the UTF-8 bytes of the record's canonical JSON (RFC 8785), in base64. */
    value: string;
  };
}

/**
 * Builds the record of one generation. A record that says `delivered` can only be built of genuine verdicts: at least one of a
 * prompt and one of the video, all of them `allow`, and of frames that went through `Guards.process`.
 * @throws `blocked` when an output is claimed that the guards did not allow; `bad_argument` for verdicts that no runner made.
 */
export function buildSafetyRecord(input: SafetyRecordInput): SafetyRecord {
  const { id, requestSha256, output, stages: checked, withoutWords = false, processed, upsampling, models, software, failure, createdAt = new Date() } = input;
  if (checked.length === 0) throw new OrreryError("bad_argument", "a safety record needs the outcome of at least one stage; nothing may be made that no guard has seen");
  if (!checked.every(isGenuine)) throw new OrreryError("bad_argument", "a safety record takes the outcomes of Guards.check as they are, not copies of them");
  const policy = checked[0]!.policy;
  if (checked.some((v) => v.policy.sha256 !== policy.sha256)) throw new OrreryError("bad_argument", "the stages of one generation were checked under different policies; use one for all");
  const blocked = checked.some((v) => v.decision !== "allow" && !(v.stage === "upsampled-prompt" && upsampling));
  if (output) {
    const lacking = whyNotDelivered(checked, processed && isProcessed(processed) ? processed : undefined, withoutWords, upsampling);
    if (lacking !== undefined) throw new OrreryError("blocked", `no record of a delivered video: ${lacking}`);
  }
  const record: SafetyRecord = {
    type: safetyRecordType, version: 1, id, createdAt: createdAt.toISOString(), software,
    outcome: output ? "delivered" : blocked ? "blocked" : "failed",
    ...(output || blocked ? {} : { failure: failure ?? "no reason was given" }),
    requestSha256, words: withoutWords ? "none" : "checked",
    ...(output ? { output: { ...output } } : {}),
    policy, stages: checked,
    postprocess: processed?.steps ?? [],
    ...(upsampling ? { upsampling } : {}),
    models,
    coverage: { text: joinCoverage(checked.filter((v) => v.stage !== "video" && v.stage !== "negative-prompt")), video: joinCoverage(checked.filter((v) => v.stage === "video")) },
  };
  const problem = problemOf(record);
  if (problem !== undefined) throw new OrreryError("bad_argument", `a safety record cannot be built: ${problem}`);
  return record;
}

function whyNotDelivered(checked: readonly RecordedStage[], made: { inputSha256: string } | undefined, withoutWords: boolean, upsampling: RecordedUpsampling | undefined): string | undefined {
  // Words of an upsampler that a guard stopped are no obstacle if others were used: the hash says which were.
  const unused = (v: RecordedStage): boolean => v.stage === "upsampled-prompt" && v.blockedBy === "harm" && upsampling !== undefined && v.subjectSha256 !== upsampling.resultSha256;
  const bad = checked.find((v) => v.decision !== "allow" && !unused(v));
  if (bad) return `the ${bad.stage} was not allowed`;
  if (upsampling) {
    const { outcome, originalSha256, resultSha256 } = upsampling;
    const allowed = (stage: RecordedStage["stage"], hash: string): boolean => checked.some((v) => v.stage === stage && v.decision === "allow" && v.subjectSha256 === hash);
    if (!allowed("prompt", originalSha256)) return "the prompt that was made longer is not the one that was checked";
    if (outcome === "upsampled" ? !allowed("upsampled-prompt", resultSha256) : resultSha256 !== originalSha256) return "the words that were used are not those that were checked";
  } else if (checked.some((v) => v.stage === "upsampled-prompt")) return "an upsampled prompt was checked, but no upsampling is recorded";
  if (!withoutWords && !checked.some((v) => v.stage === "prompt")) return "no prompt was checked";
  const videos = checked.filter((v) => v.stage === "video");
  if (videos.length === 0) return "no video was checked";
  if (!made) return "its frames did not go through Guards.process";
  if (!videos.some((v) => v.subjectSha256 === made.inputSha256)) return "its frames are not those that were checked";
  return undefined;
}

/** A category is covered where every stage of the kind covered it: a prompt that was checked says nothing of its longer version. */
function joinCoverage(checked: readonly { coverage: Coverage }[]): RecordedCoverage {
  const covered: Partial<Record<CategoryId, { guard: string; strength: Strength }[]>> = {};
  for (const id of categoryIds) {
    const lists = checked.map((v) => v.coverage.covered[id] ?? []);
    if (lists.length === 0 || lists.some((l) => l.length === 0)) continue;
    const all = new Map(lists.flat().map((g) => [`${g.guard} ${g.strength}`, { ...g }]));
    covered[id] = [...all.values()];
  }
  return {
    covered,
    uncovered: categoryIds.filter((id) => !covered[id]),
    weaklyCovered: categoryIds.filter((id) => covered[id]?.every(({ strength }) => strength !== "large-model")),
  };
}

/** SHA-256 of a public key's SPKI bytes: the name of a key. */
export function keyIdOf(key: KeyObject): string {
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  return createHash("sha256").update(publicKey.export({ type: "spki", format: "der" })).digest("hex");
}

/** Signs a record. @throws `bad_argument` for a key that is not a private Ed25519 key. */
export function signRecord(record: SafetyRecord, privateKey: KeyObject): SignedSafetyRecord {
  if (privateKey.type !== "private" || privateKey.asymmetricKeyType !== "ed25519")
    throw new OrreryError("bad_argument", `a safety record is signed with a private Ed25519 key; this one is ${privateKey.type} ${privateKey.asymmetricKeyType ?? ""}`.trim());
  const text = canonicalJson(record);
  const publicKey = createPublicKey(privateKey);
  return {
    // What was signed, as it will be read: free of `undefined`, and of any object that somebody still holds.
    record: JSON.parse(text) as SafetyRecord,
    signature: {
      algorithm: "Ed25519",
      keyId: keyIdOf(publicKey),
      publicKey: publicKey.export({ type: "spki", format: "der" }).toString("base64"),
      value: sign(null, Buffer.from(text, "utf8"), privateKey).toString("base64"),
    },
  };
}

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "expected 64 hexadecimal digits");
const categoryId = z.custom<CategoryId>(isCategoryId, "there is no such category");
const strength = z.enum(["pattern", "small-model", "large-model"]);
const share = z.number().min(0).max(1);
const byCategory = <T extends z.ZodType>(value: T) => z.partialRecord(z.enum(categoryIds as [CategoryId, ...CategoryId[]]), value);
const coverageShape = z.strictObject({
  covered: byCategory(z.array(z.strictObject({ guard: z.string(), strength })).min(1)),
  uncovered: z.array(categoryId), weaklyCovered: z.array(categoryId),
});
const finding = z.strictObject({ category: categoryId, confidence: share, evidence: z.array(z.string()), frame: z.number().int().min(0).optional() });
const verdictShape = z.strictObject({
  guard: z.string(), verdict: z.enum(["allow", "block", "error", "skipped"]), required: z.boolean(),
  category: categoryId.optional(), confidence: share.optional(), evidence: z.array(z.string()), findings: z.array(finding),
  frames: z.strictObject({ of: z.number().int(), checked: z.number().int(), hits: byCategory(z.number().int()), needed: z.number().int() }).optional(),
  model: z.string(), version: z.string(), strength, threshold: share,
  thresholds: byCategory(share).optional(), enforces: z.array(categoryId).optional(),
  reason: z.string().optional(), durationMs: z.number().min(0),
});
const policyShape = z.strictObject({ name: z.string(), version: z.number().int(), sha256 });
const recordShape = z.strictObject({
  type: z.literal(safetyRecordType), version: z.literal(1), id: z.string().min(1).max(200), createdAt: z.iso.datetime(), software: z.string().min(1).max(200),
  outcome: z.enum(["delivered", "blocked", "failed"]), failure: z.string().max(2000).optional(),
  requestSha256: sha256, words: z.enum(["checked", "none"]),
  output: z.strictObject({ sha256, bytes: z.number().int().min(1), mediaType: z.string().max(100) }).optional(),
  policy: policyShape,
  stages: z
    .array(
      z.strictObject({
        decision: z.enum(["allow", "block"]), blockedBy: z.enum(["harm", "failure"]).optional(), message: z.string(), stage: z.enum(stages), subjectSha256: sha256, policy: policyShape,
        verdicts: z.array(verdictShape), coverage: coverageShape, checkedAt: z.iso.datetime(), durationMs: z.number().min(0),
      }),
    )
    .min(1),
  postprocess: z.array(
    z.strictObject({
      processor: z.string(), required: z.boolean(), outcome: z.enum(["done", "error", "skipped"]), model: z.string(), version: z.string(),
      framesChanged: z.number().int().min(0), notes: z.array(z.string()), reason: z.string().optional(), inputSha256: sha256, outputSha256: sha256, durationMs: z.number().min(0),
    }),
  ),
  upsampling: z
    .strictObject({
      upsampler: z.string(), version: z.string(), outcome: z.enum(["upsampled", "left-alone", "fell-back"]), reason: z.string().optional(),
      attempts: z.number().int().min(0), originalSha256: sha256, resultSha256: sha256,
    })
    .optional(),
  models: z.array(z.strictObject({ role: z.string(), name: z.string(), sha256: sha256.optional() })),
  coverage: z.strictObject({ text: coverageShape, video: coverageShape }),
});
const signedShape = z.strictObject({
  record: z.unknown(),
  signature: z.strictObject({ algorithm: z.literal("Ed25519"), keyId: sha256, publicKey: z.base64(), value: z.base64() }),
});

/** What is wrong with a record itself, whoever signed it: its shape, or that its parts do not agree. */
function problemOf(record: unknown): string | undefined {
  const shaped = recordShape.safeParse(record);
  if (!shaped.success) return shaped.error.issues.slice(0, 3).map((i) => `${i.path.join(".") || "record"}: ${i.message}`).join("; ");
  const { outcome, output, words, stages: checked, policy, postprocess, coverage, upsampling } = shaped.data as unknown as SafetyRecord;
  for (const v of checked) {
    const required = v.verdicts.filter((g) => g.required);
    const passed = required.length > 0 && required.every((g) => g.verdict === "allow") && v.verdicts.every((g) => g.verdict !== "block");
    if (v.decision === "allow" && !passed) return `the ${v.stage} is said to be allowed, but its guards did not all allow it`;
    if (v.policy.sha256 !== policy.sha256) return `the ${v.stage} was checked under another policy than the record names`;
  }
  if (words === "none" && checked.some((v) => v.stage !== "video")) return "it is said to have no words, but words were checked";
  if ((outcome === "delivered") !== (output !== undefined)) return `the outcome is "${outcome}", but ${output ? "there is" : "there is no"} output`;
  if (outcome === "blocked" && checked.every((v) => v.decision === "allow")) return "it is said to be blocked, but every stage was allowed";
  let last = checked.findLast((v) => v.stage === "video")?.subjectSha256;
  for (const step of postprocess) {
    if (step.inputSha256 !== last) return `${step.processor} worked on other frames than those before it`;
    if (outcome === "delivered" && step.required && step.outcome !== "done") return `${step.processor} is required and did not do its work`;
    last = step.outputSha256;
  }
  if (outcome === "delivered") {
    const lacking = whyNotDelivered(checked, { inputSha256: postprocess[0]?.inputSha256 ?? last ?? "" }, words === "none", upsampling);
    if (lacking !== undefined) return `it is said to be delivered, but ${lacking}`;
  }
  const recount = { text: joinCoverage(checked.filter((v) => v.stage !== "video" && v.stage !== "negative-prompt")), video: joinCoverage(checked.filter((v) => v.stage === "video")) };
  if (canonicalJson(recount) !== canonicalJson(coverage)) return "its coverage is not that of its stages";
  return undefined;
}

export interface RecordVerification {
  /** The signature is of this record by this key, and the record agrees with itself. */
  valid: boolean;
  /** The key is the one that the caller gave. False when none was given: the record is whole, but anybody may have signed it. */
  trusted: boolean;
  /** Why it is not valid or not trusted. */
  reason?: string;
  keyId?: string;
  record?: SafetyRecord;
}

/**
 * Verifies a signed record, given as JSON text or parsed. Never throws for what a stranger wrote. With `publicKey`, a record
 * signed by any other key is not valid.
 */
export function verifyRecord(json: string | SignedSafetyRecord, publicKey?: KeyObject): RecordVerification {
  const invalid = (reason: string, more: Partial<RecordVerification> = {}): RecordVerification => ({ valid: false, trusted: false, reason, ...more });
  let tree: unknown = json;
  if (typeof json === "string") {
    if (json.length > maxRecordBytes) return invalid(`it has ${json.length} characters; a record has at most ${maxRecordBytes}`);
    try {
      tree = JSON.parse(json);
    } catch {
      return invalid("it is not JSON");
    }
  }
  const shaped = signedShape.safeParse(tree);
  if (!shaped.success) return invalid(`it is not a signed safety record (${shaped.error.issues[0]!.path.join(".") || "shape"}: ${shaped.error.issues[0]!.message})`);
  const { record, signature } = shaped.data;
  try {
    const signer = createPublicKey({ key: Buffer.from(signature.publicKey, "base64"), format: "der", type: "spki" });
    const keyId = keyIdOf(signer);
    if (signer.asymmetricKeyType !== "ed25519") return invalid(`its key is of type ${signer.asymmetricKeyType}, not ed25519`);
    if (keyId !== signature.keyId) return invalid("its key and the name of its key do not belong together");
    if (!verify(null, Buffer.from(canonicalJson(record), "utf8"), signer, Buffer.from(signature.value, "base64"))) return invalid("its signature does not fit: it was changed after it was signed, or not signed by this key", { keyId });
    const problem = problemOf(record);
    if (problem !== undefined) return invalid(problem, { keyId });
    const whole = { keyId, record: record as SafetyRecord };
    if (!publicKey) return { valid: true, trusted: false, reason: "no public key was given to compare with, so anybody may have signed it", ...whole };
    if (keyIdOf(publicKey) !== keyId) return invalid(`it was signed by key ${keyId.slice(0, 16)}…, not by the one that was given (${keyIdOf(publicKey).slice(0, 16)}…)`, whole);
    return { valid: true, trusted: true, ...whole };
  } catch (error) {
    return invalid(`it cannot be verified: ${(error as Error).message.split("\n")[0]}`);
  }
}
