/**
 * Faces of a video file of any length, in memory that does not grow with it. The file is read twice: first to look for faces,
 * of which only numbers are kept, then to write over them, since what is hidden in a frame depends on later ones. Every frame
 * of the second reading must be the one that was looked at, by its checksum; a frame that was not is never written.
 *
 * What was seen is noted beside the output as it goes (`journal.ts`), so a run that was stopped continues where it was.
 */
import { realpath, stat } from "node:fs/promises";
import { dirname, extname } from "node:path";
import { crc32 } from "node:zlib";
import { fromSystemError, OrreryError } from "../../errors.ts";
import { silent, throwIfCancelled, type Progress } from "../../progress.ts";
import { copiesSound, openVideoWriter, probeVideo, readFrames, type Picture, type ReadOptions, type VideoInfo, type WriteOptions } from "../../video/index.ts";
import type { FaceDetector } from "./face.ts";
import { openJournal, sourceOf } from "./journal.ts";
import { frameLooker } from "./look.ts";
import { hideFrame, planHiding, resolveHiding, type FacePlan, type FaceReport, type HidingOptions } from "./plan.ts";
import type { SeenFrame } from "./tracks.ts";

export interface HideVideoOptions extends HidingOptions, Pick<WriteOptions, "crf" | "encoder"> {
  /** Keep the sound. Default true. */
  sound?: boolean;
  /** Shown every frame after hiding, with what was hidden in it; valid until it returns. */
  onFrame?: (frame: Picture, index: number, plan: FacePlan) => void;
  onWarning?: (message: string) => void;
  progress?: Progress;
  signal?: AbortSignal | undefined;
}

export interface HiddenVideo {
  report: FaceReport;
  source: VideoInfo;
  /** What became of the sound. */
  sound: "none" | "left out" | "copied" | "encoded";
}

/** A rate to which frames of uneven times are brought, so that picture and sound stay together. */
const evenRate = ({ fps, nominalFps }: VideoInfo): number => (nominalFps <= 120 ? nominalFps : Math.min(fps, 120));

/** Finds out now, not after an hour of looking, that the result could not be written. */
async function checkOutput(path: string, out: string): Promise<void> {
  if (extname(out).toLowerCase() !== ".mp4") throw new OrreryError("bad_argument", `${out} was given as the video to write; its name must end in .mp4`);
  const [from, to, folder] = await Promise.all([realpath(path).catch(() => path), realpath(out).catch(() => out), stat(dirname(out)).catch((error: unknown) => {
    throw fromSystemError(error, dirname(out));
  })]);
  if (!folder.isDirectory()) throw new OrreryError("file_not_found", `${dirname(out)} is not a folder; give the name of a file in one`);
  if (from === to) throw new OrreryError("bad_argument", `${out} is the video itself; write to another file, so that nothing is lost`);
}

/**
 * Writes `out`, an mp4 like the video at `path` but without recognisable faces: same size, upright, same frame rate (an uneven
 * one becomes even), 8 bits, HDR as SDR, with its sound.
 * @throws as `readFrames` and `openVideoWriter`, and whatever the detector throws. There is no output then.
 */
export async function hideFacesInVideo(path: string, out: string, detector: FaceDetector, options: HideVideoOptions = {}): Promise<HiddenVideo> {
  const { sound = true, crf, encoder, onFrame, onWarning, progress = silent, signal, ...given } = options;
  const hiding = resolveHiding(given, detector);
  await checkOutput(path, out);
  const info = await probeVideo(path, { signal });
  const fps = info.isVariableFrameRate ? evenRate(info) : info.fps;
  const reading: ReadOptions = { info, signal, ...(info.isVariableFrameRate ? { fps } : {}) };
  const total = Math.max(1, info.isVariableFrameRate ? Math.round(info.durationS * fps) : (info.frameCount ?? Math.round(info.durationS * info.fps)));

  const journal = await openJournal(out, { source: await sourceOf(info), detector: [detector.model, detector.version], keep: hiding.keep });
  const seen: SeenFrame[] = [];
  const sums: number[] = [];
  let firstTimeS = 0;
  try {
    const looker = frameLooker(detector, hiding);
    const settle = async (frames: readonly SeenFrame[]): Promise<void> => {
      for (const frame of frames) {
        const index = seen.push(frame) - 1;
        await journal.note(index, sums[index]!, frame.looked ? frame.faces : undefined);
      }
    };
    const warn = onWarning ? { onWarning: ({ message }: { message: string }) => onWarning(message) } : {};
    for await (const frame of readFrames(path, { ...reading, ...warn })) {
      if (frame.index === 0) firstTimeS = frame.timeS;
      const sum = crc32(frame.pixels);
      sums.push(sum);
      await settle(await looker.next(frame, { faces: journal.known(frame.index, sum), sum }));
      progress({ stage: "looking for faces", done: frame.index + 1, total: Math.max(total, frame.index + 1), unit: "frames" });
    }
    await settle(await looker.end());
  } finally {
    await journal.close();
  }

  const plan = planHiding(seen, { width: info.width, height: info.height, fps }, detector, hiding);
  const kept = sound && info.audioCodec !== undefined;
  const writer = await openVideoWriter(out, { width: info.width, height: info.height, fps, signal, ...(crf === undefined ? {} : { crf }), ...(encoder === undefined ? {} : { encoder }), ...(kept ? { sound: { info, startS: firstTimeS } } : {}) });
  try {
    for await (const frame of readFrames(path, reading)) {
      if (crc32(frame.pixels) !== sums[frame.index]) throw new OrreryError("bad_video", `frame ${frame.index} of ${path} is not the one that was looked at; the file changed meanwhile, run the command again`);
      hideFrame(frame, plan.boxes[frame.index]!, hiding);
      onFrame?.(frame, frame.index, plan);
      await writer.write(frame.pixels);
      progress({ stage: "hiding faces", done: frame.index + 1, total: seen.length, unit: "frames" });
    }
    throwIfCancelled(signal, `writing ${out}`);
    if (writer.frameCount !== seen.length) throw new OrreryError("bad_video", `${path} gave ${seen.length} frames at first and ${writer.frameCount} the second time; the file changed meanwhile, run the command again`);
    await writer.close();
  } finally {
    await writer.abort();
  }
  await journal.remove();
  return { report: plan.report, source: info, sound: info.audioCodec === undefined ? "none" : !kept ? "left out" : copiesSound(info.audioCodec) ? "copied" : "encoded" };
}
