/**
 * Many requests for one model, one folder each, with the file names of the Cosmos framework: `sample_args.json` (the plan,
 * written before the work), `vision.mp4`, `sample_outputs.json` (the record, written when it ended), and the signed `safety_record.json`. Run again, what is
 * finished stays: a sample counts as finished when its record says so, its request and model are still the same, and the video
 * has the digest that the record names. One sample that fails or is blocked does not stop the others.
 */
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fromSystemError, OrreryError, type ErrorCode } from "../errors.ts";
import { fileSha256 } from "../file-hash.ts";
import { silent, throwIfCancelled, type Progress } from "../progress.ts";
import { writeJson } from "../registry/index.ts";
import { generateVideo, type Door } from "./generate.ts";
import { planRequest, type Plan } from "./plan.ts";
import type { GenerationRecord, Place } from "./publish.ts";
import type { BatchRequest } from "./request.ts";

export interface SampleResult {
  name: string;
  folder: string;
  /** `kept`: it was there already. */
  status: "success" | "kept" | "blocked" | "error";
  message: string;
  code?: ErrorCode;
}

export interface BatchOptions {
  progress?: Progress;
  signal?: AbortSignal | undefined;
  /** Told after each sample. */
  onSample?: (result: SampleResult) => void;
}

const placeIn = (folder: string): Place => ({ video: join(folder, "vision.mp4"), record: join(folder, "sample_outputs.json"), safety: join(folder, "safety_record.json") });

/** Makes every sample that is not finished. @throws `cancelled`; failures of single samples are in the results. */
export async function generateBatch(requests: readonly BatchRequest[], door: Door, folder: string, { progress = silent, signal, onSample }: BatchOptions = {}): Promise<SampleResult[]> {
  const results: SampleResult[] = [];
  for (const [i, { name, ...request }] of requests.entries()) {
    throwIfCancelled(signal, "the batch");
    const place = placeIn(join(folder, name));
    const label = requests.length > 1 ? `${name} (${i + 1} of ${requests.length}): ` : `${name}: `;
    const result: SampleResult = { name, folder: join(folder, name), status: "success", message: "allowed" };
    try {
      const plan = await planRequest(request, door.model, door.machine);
      if (await isFinished(plan, place)) result.status = "kept";
      else {
        await clear(join(folder, name), place);
        await generateVideo(request, door, place, {
          onPlan: (made) => writeJson(join(folder, name, "sample_args.json"), made),
          progress: (event) => progress({ ...event, stage: `${label}${event.stage}` }),
          signal,
        });
      }
    } catch (error) {
      if (!(error instanceof OrreryError) || error.code === "cancelled" || error.code === "disk_full") throw error;
      Object.assign(result, { status: error.code === "blocked" ? "blocked" : "error", message: error.message, code: error.code });
      if (error.code !== "blocked") await noteFailure(join(folder, name), place, error);
    }
    results.push(result);
    onSample?.(result);
  }
  return results;
}

/** Whether the result of exactly this plan is there, whole. */
async function isFinished(plan: Plan, place: Place): Promise<boolean> {
  const text = await readFile(place.record, "utf8").catch(() => undefined);
  if (text === undefined) return false;
  try {
    const record = JSON.parse(text) as GenerationRecord;
    return record.status === "success" && JSON.stringify(record.args) === JSON.stringify(plan) && (await fileSha256(place.video)) === record.outputs[0]?.sha256;
  } catch {
    return false;
  }
}

/** Makes the folder and takes away what an earlier request left in it. */
async function clear(folder: string, place: Place): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    for (const path of [place.video, place.record, place.safety]) await rm(path, { force: true });
  } catch (error) {
    throw fromSystemError(error, folder);
  }
}

async function noteFailure(folder: string, place: Place, error: OrreryError): Promise<void> {
  await clear(folder, place);
  await writeJson(place.record, { version: 1, status: "error", message: error.message, code: error.code, created_at: new Date().toISOString(), outputs: [] });
}
