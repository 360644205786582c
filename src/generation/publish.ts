/**
 * From allowed frames to a file for a user: the marks, the mp4, and beside it what made it (NAME.orrery.json) and what every
 * guard said, signed (NAME.safety.json). Both are there before the video gets its name, so a video without its records cannot
 * be left behind, whenever the process is killed.
 */
import { createHash, randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { fromSystemError } from "../errors.ts";
import { buildSafetyRecord, canonicalJson, signRecord, type SafetyRecord, type SafetyRecordInput } from "../guardrail/index.ts";
import { PartialFile } from "../partial-file.ts";
import { writeJson } from "../registry/index.ts";
import type { Clip } from "../video/index.ts";
import { isWithoutWords, requireClearedVideo, type ClearedVideo, type Trail } from "./clearance.ts";
import { noteInRegistry, writeMarked, type Keys, type Marks } from "./marks.ts";
import type { Plan } from "./plan.ts";

/** Where a result goes. */
export interface Place {
  /** NAME.mp4. */
  video: string;
  /** What made it. */
  record: string;
  /** The signed safety record, of a blocked request too. */
  safety: string;
}

/** `out.mp4` with `out.orrery.json` and `out.safety.json` beside it. */
export function besides(video: string): Place {
  const name = join(dirname(video), basename(video, extname(video)));
  return { video, record: `${name}.orrery.json`, safety: `${name}.safety.json` };
}

export interface Output {
  /** Names of files beside the record. */
  files: readonly string[];
  /** Of the video file. */
  sha256: string;
  /** Of the frames as the guards left them, before the watermark; equal for results that are equal to the bit. */
  frames_sha256: string;
  width: number;
  height: number;
  num_frames: number;
  fps: number;
  duration_s: number;
}

/** The safety record in a few words, for people; the whole of it is signed and stands in a file of its own. */
export interface SafetySummary {
  outcome: SafetyRecord["outcome"];
  policy: string;
  words: SafetyRecord["words"];
  stages: readonly { stage: string; decision: "allow" | "block"; guards: readonly string[]; uncovered: readonly string[] }[];
  postprocess: readonly string[];
  upsampler: string;
  signed_by: string;
}

/** What stands beside every result, and is `sample_outputs.json` in a batch. */
export interface GenerationRecord {
  version: 1;
  id: string;
  status: "success" | "blocked";
  message: string;
  created_at: string;
  args: Plan;
  /** What the model read in place of the prompt, where an upsampler made it longer. */
  upsampled_prompt?: string;
  outputs: readonly Output[];
  safety: SafetySummary;
  /** Absent where there is no output. */
  marks?: Marks;
  previews: { shown: number; withheld: number };
  /** Seconds by stage. */
  durations_s: Readonly<Record<string, number>>;
}

/** What a result or a refusal is recorded with. */
export interface Account {
  plan: Plan;
  trail: Trail;
  previews: { shown: number; withheld: number };
  seconds: Readonly<Record<string, number>>;
  keys: Keys;
}

const digestOf = (plan: Plan): string => createHash("sha256").update(canonicalJson(plan)).digest("hex");

/** Writes the video and its records; gives the frames that are in the file. @throws `blocked` for frames without clearance, and as `writeMarked`. */
export async function publish(video: ClearedVideo, place: Place, account: Account, signal?: AbortSignal): Promise<{ record: GenerationRecord; clip: Clip }> {
  requireClearedVideo(video);
  const { plan, keys } = account;
  const requestSha256 = digestOf(plan);
  const framesSha256 = video.processed.outputSha256;
  const hidden = join(dirname(place.video), `.${basename(place.video, extname(place.video))}.${process.pid}-${randomBytes(4).toString("hex")}.mp4`);
  const file = await PartialFile.open(place.video, hidden);
  try {
    const made = await writeMarked(hidden, video.clip, keys, { requestSha256, framesSha256, name: basename(place.video) }, {
      source: "trainedAlgorithmicMedia",
      model: { name: basename(plan.model), sha256: plan.model_sha256 },
      // The signed record names this file by its digest, so it cannot be inside it; what is inside says what it says.
      safety: { policy: account.trail.verdicts[0]!.policy, stages: stagesOf(account.trail.verdicts), postprocess: video.processed.steps.map(({ processor, outcome, framesChanged }) => ({ processor, outcome, framesChanged })) },
    }, signal);
    const { width, height, frameCount, fps } = made.clip;
    const output: Output = { files: [basename(place.video)], sha256: made.sha256, frames_sha256: framesSha256, width, height, num_frames: frameCount, fps, duration_s: frameCount / fps };
    const record = await writeRecords(place, account, { output: { sha256: made.sha256, bytes: made.bytes, mediaType: "video/mp4" }, processed: video.processed }, { outputs: [output], marks: made.marks });
    await noteInRegistry(made, keys, { requestSha256, ...place });
    await file.commit();
    return { record, clip: made.clip };
  } catch (error) {
    await file.discard();
    throw fromSystemError(error, place.video);
  }
}

/** Records that a request was not allowed, and takes away a video that stood in its place: it would seem to belong to the record. */
export async function publishRefusal(place: Place, account: Account, message: string): Promise<GenerationRecord> {
  await rm(place.video, { force: true });
  return writeRecords(place, account, {}, { outputs: [] }, message);
}

async function writeRecords(
  place: Place, { plan, trail, previews, seconds, keys }: Account, made: Pick<SafetyRecordInput, "output" | "processed">, results: Pick<GenerationRecord, "outputs" | "marks">, message = "allowed",
): Promise<GenerationRecord> {
  const created = new Date();
  const requestSha256 = digestOf(plan);
  const id = `${created.toISOString().replace(/\D/g, "").slice(0, 14)}-${requestSha256.slice(0, 8)}-${randomBytes(4).toString("hex")}`;
  const signed = signRecord(
    buildSafetyRecord({
      id, requestSha256, ...made, stages: trail.verdicts, ...(isWithoutWords(plan) ? { withoutWords: true } : {}), ...(trail.upsampling ? { upsampling: trail.upsampling } : {}),
      models: [{ role: "world-model", name: basename(plan.model), sha256: plan.model_sha256 }, ...(plan.adapters ?? []).map(({ path, sha256 }) => ({ role: "adapter", name: basename(path), sha256 }))], software: `orrery ${plan.orrery}`, createdAt: created,
    }),
    keys.record,
  );
  const record: GenerationRecord = {
    version: 1, id, status: results.outputs.length > 0 ? "success" : "blocked", message, created_at: created.toISOString(), args: plan, ...(trail.upsampledPrompt === undefined ? {} : { upsampled_prompt: trail.upsampledPrompt }), ...results,
    safety: summaryOf(signed.record, signed.signature.keyId), previews: { ...previews }, durations_s: seconds,
  };
  await writeJson(place.safety, signed);
  await writeJson(place.record, record);
  return record;
}

const stagesOf = (stages: SafetyRecord["stages"]): SafetySummary["stages"] =>
  stages.map(({ stage, decision, verdicts, coverage }) => ({ stage, decision, guards: verdicts.map(({ guard, verdict }) => `${guard}: ${verdict}`), uncovered: coverage.uncovered }));

function summaryOf(record: SafetyRecord, keyId: string): SafetySummary {
  return {
    outcome: record.outcome,
    policy: `${record.policy.name} ${record.policy.version}`,
    words: record.words,
    stages: stagesOf(record.stages),
    postprocess: record.postprocess.map(({ processor, outcome, framesChanged }) => `${processor}: ${outcome}, ${framesChanged} frame(s) changed`),
    upsampler: record.upsampling ? `${record.upsampling.upsampler}: ${record.upsampling.outcome}` : "none",
    signed_by: keyId,
  };
}
