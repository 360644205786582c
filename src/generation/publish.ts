/**
 * From allowed frames to a file for a user: the marks, the mp4, and beside it the record of what made it and what every guard
 * said. The record is there before the video gets its name, so a video without a record cannot be left behind, whenever the
 * process is killed. What Orrery does not do yet stands in the record as "none".
 */
import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { fromSystemError } from "../errors.ts";
import type { Verdicts } from "../guardrail/index.ts";
import { PartialFile } from "../partial-file.ts";
import { writeJson } from "../registry/index.ts";
import { writeClip } from "../video/index.ts";
import { requireClearedVideo, type ClearedVideo, type Trail } from "./clearance.ts";
import type { Plan } from "./plan.ts";
import { fileSha256 } from "./request.ts";

/** Where a result goes. */
export interface Place {
  /** NAME.mp4. */
  video: string;
  /** The record of a finished video. */
  record: string;
  /** The record of a request that was not allowed. */
  blocked: string;
}

/** `out.mp4` with `out.orrery.json`, or `out.blocked.json`, beside it. */
export function besides(video: string): Place {
  const name = join(dirname(video), basename(video, extname(video)));
  return { video, record: `${name}.orrery.json`, blocked: `${name}.blocked.json` };
}

export interface Output {
  /** Names of files beside the record. */
  files: readonly string[];
  /** Of the video file. */
  sha256: string;
  /** Of the frames that were generated and allowed, before any mark; equal for results that are equal to the bit. */
  frames_sha256: string;
  width: number;
  height: number;
  num_frames: number;
  fps: number;
  duration_s: number;
}

/** The prompt stages of a request, said in a word: a request without words says so. */
export type TextStage = "checked" | "none: the request has no words";

export interface Safety {
  policy: Verdicts["policy"];
  text: TextStage;
  upsampler: Trail["upsampler"];
  /** What every guard said, stage by stage, in the order in which they were asked. */
  stages: readonly Verdicts[];
  previews: { shown: number; withheld: number };
  watermark: string;
  c2pa: string;
  signature: string;
}

/** What stands beside every result, and is `sample_outputs.json` in a batch. */
export interface GenerationRecord {
  version: 1;
  status: "success" | "blocked" | "error";
  message: string;
  created_at: string;
  args: Plan;
  outputs: readonly Output[];
  safety: Safety;
  /** Seconds by stage. */
  durations_s: Readonly<Record<string, number>>;
}

/** Writes the video and its record. @throws `blocked` for frames without clearance, and as `writeClip`. */
export async function publish(video: ClearedVideo, place: Place, record: Omit<GenerationRecord, "version" | "status" | "message" | "created_at" | "outputs">, signal?: AbortSignal): Promise<GenerationRecord> {
  requireClearedVideo(video);
  const { clip } = video;
  const hidden = join(dirname(place.video), `.${basename(place.video, extname(place.video))}.${process.pid}-${randomBytes(4).toString("hex")}.mp4`);
  const file = await PartialFile.open(place.video, hidden);
  try {
    await writeClip(hidden, clip, { signal });
    const whole: GenerationRecord = {
      version: 1,
      status: "success",
      message: "allowed",
      created_at: new Date().toISOString(),
      ...record,
      outputs: [
        {
          files: [basename(place.video)], sha256: await fileSha256(hidden), frames_sha256: video.verdicts.subjectSha256,
          width: clip.width, height: clip.height, num_frames: clip.frameCount, fps: clip.fps, duration_s: clip.frameCount / clip.fps,
        },
      ],
    };
    await writeJson(place.record, whole);
    await file.commit();
    await rm(place.blocked, { force: true });
    return whole;
  } catch (error) {
    await file.discard();
    throw fromSystemError(error, place.video);
  }
}
