/**
 * Marks a video file: watermark into its pictures, content credential into the new file, entry into the registry, in this
 * order, because each stands for what was before it. Memory stays at a few frames, except for the credential, whose library
 * holds the whole file.
 */
import { rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { randomBytes } from "node:crypto";
import { OrreryError } from "../errors.ts";
import { silent, throwIfCancelled, type Progress } from "../progress.ts";
import { hashPackets, openVideoWriter, probeVideo, readFrames, type Frame } from "../video/index.ts";
import { signC2pa, type ContentStatement, type SignedFile } from "./c2pa.ts";
import { fingerprintMeter } from "./fingerprint.ts";
import type { HomeOptions } from "../home.ts";
import { openContentCredential, openRecordKey, openWatermarkKey } from "./keys.ts";
import { register } from "./registry.ts";
import type { Strength } from "./watermark/embed.ts";
import { openWatermarkModel } from "./watermark/onnx-model.ts";
import { carriesWatermark, embedWatermark, newWatermarkId, payloadOf, workingSize } from "./watermark/watermark.ts";

export interface SealOptions extends HomeOptions {
  /** Where the generation's record is, for the registry. */
  recordPath?: string;
  signal?: AbortSignal | undefined;
}

/**
 * The last two steps for a video whose frames carry watermark `statement.watermarkId` already: signs `inPath` into
 * `outPath` and enters it into the registry.
 */
export async function sealFile(inPath: string, outPath: string, statement: ContentStatement, options: SealOptions = {}): Promise<SignedFile> {
  const { signal, recordPath } = options;
  const signed = await signC2pa(inPath, outPath, statement, { ...options, signal });
  const info = await probeVideo(outPath, { signal });
  const meter = fingerprintMeter(info.durationS);
  const size = workingSize(info);
  const rate = 48 / Math.max(info.durationS, 1e-3);
  for await (const frame of readFrames(outPath, { info, ...size, fit: "stretch", ...(rate < info.fps * 0.8 ? { fps: Math.max(rate, 0.01) } : {}), signal })) meter.add(frame, frame.timeS);
  await register({
    fingerprint: meter.result().plain,
    sha256: signed.sha256,
    packetsSha256: await hashPackets(info, { signal }),
    ...(statement.watermarkId === undefined ? {} : { watermarkId: statement.watermarkId }),
    manifestId: signed.manifestId,
    ...(statement.requestSha256 === undefined ? {} : { requestSha256: statement.requestSha256 }),
    ...(recordPath === undefined ? {} : { recordPath }),
    name: basename(outPath), width: info.width, height: info.height, durationS: info.durationS, at: new Date().toISOString(),
  }, options);
  return signed;
}

export interface MarkFileOptions extends SealOptions {
  strength?: Strength;
  /** Folder of a watermark model of the user's, to be used instead of the built-in watermark. */
  watermarkModel?: string;
  /** Quality of the new file, lower is better. Default 18. */
  crf?: number;
  /** Default: a new number. */
  watermarkId?: string;
  /** More of the statement: how it was made, by which model. Without `source` it says that an existing video was marked. */
  statement?: ContentStatement;
  progress?: Progress;
}

export interface MarkedFile extends SignedFile {
  path: string;
  watermarkId: string;
  frameCount: number;
  /** How well a video of this size carries the built-in watermark; see `carriesWatermark`. */
  carries: "well" | "weakly" | "hardly";
}

/** Marks any video. Sound is not carried over. Errors as `readFrames`, `openVideoWriter` and `signC2pa`; on failure no file is left. */
export async function markFile(inPath: string, outPath: string, options: MarkFileOptions = {}): Promise<MarkedFile> {
  const { strength, crf, watermarkId = newWatermarkId(), statement = {}, progress = silent, signal } = options;
  if (!outPath.toLowerCase().endsWith(".mp4")) throw new OrreryError("bad_argument", `${outPath} was given as the video to write; its name must end in .mp4`);
  // What can be wrong should show before an hour of encoding.
  const [info, key] = await Promise.all([probeVideo(inPath, { signal }), openWatermarkKey(options), openContentCredential(options), openRecordKey(options)]);
  const temporary = join(dirname(outPath), `.${basename(outPath)}.${process.pid}-${randomBytes(4).toString("hex")}.marking.mp4`);
  let frameCount = 0;
  payloadOf(watermarkId);
  const model = options.watermarkModel === undefined ? undefined : await openWatermarkModel(options.watermarkModel);
  async function* markedByModel(frames: AsyncIterable<Frame>): AsyncGenerator<Frame, void, void> {
    for await (const frame of frames) {
      await model!.mark(frame, payloadOf(watermarkId));
      yield frame;
    }
  }
  try {
    const writer = await openVideoWriter(temporary, { width: info.width, height: info.height, fps: info.fps, ...(crf === undefined ? {} : { crf }), signal });
    try {
      const frames = readFrames(inPath, { info, ...(info.isVariableFrameRate ? { fps: info.fps } : {}), signal });
      const marked = model === undefined ? embedWatermark(frames, { key, id: watermarkId, ...(strength === undefined ? {} : { strength }) }) : markedByModel(frames);
      for await (const { pixels } of marked) {
        await writer.write(pixels);
        frameCount += 1;
        progress({ stage: `marking ${basename(inPath)}`, done: frameCount, ...(info.frameCount === undefined ? {} : { total: info.frameCount }), unit: "frames" });
      }
      await writer.close();
    } finally {
      await writer.abort();
    }
    throwIfCancelled(signal, `marking ${inPath}`);
    const parent = statement.source === undefined ? { parent: inPath } : {};
    const signed = await sealFile(temporary, outPath, { ...parent, ...statement, watermarkId }, options);
    return { ...signed, path: outPath, watermarkId, frameCount, carries: carriesWatermark(info.width, info.height) };
  } finally {
    await Promise.all([rm(temporary, { force: true }), model?.close()]);
  }
}
