/**
 * Many short clips of one size through one encoder. Starting ffmpeg costs more than encoding a second of small frames, so a
 * data set of thousands of clips is written in batches. What a file holds does not depend on the batch it was written in:
 * each clip begins with a key frame, its quality is constant rather than planned over time, and between two clips lies one
 * frame that is thrown away. (H.264 numbers key frames alternately 0 and 1; with that frame every clip's is 0. Its other
 * entropy coder, CABAC, would put the frame's number into the padding.)
 */
import { mkdtemp, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { OrreryError, fromSystemError } from "../errors.ts";
import { PartialFile } from "../partial-file.ts";
import { throwIfCancelled } from "../progress.ts";
import type { Clip } from "./clip.ts";
import { fileUrl, startTool } from "./ffmpeg.ts";
import { bitExact, colourTags, encodingFailure, encodingFilters, rawInput } from "./writer.ts";

export interface BatchEntry {
  /** Ends in .mp4. */
  path: string;
  clip: Clip;
}

/** Quantiser of every frame: hardly visible loss. */
const quantiser = 12;

/**
 * Writes mp4 files (H.264, 4:2:0, BT.709), each whole or not at all. All clips must have one size, rate and number of frames.
 * @throws `bad_argument`, `file_not_found` (folder), `io_failed`, `disk_full`, `missing_dependency`, `cancelled`.
 */
export async function writeClips(entries: readonly BatchEntry[], { signal, timeoutS = 120 }: { signal?: AbortSignal | undefined; timeoutS?: number } = {}): Promise<void> {
  const first = entries[0];
  if (first === undefined) return;
  const { width, height, fps, frameCount } = first.clip;
  const odd = entries.find(({ clip }) => clip.width !== width || clip.height !== height || clip.fps !== fps || clip.frameCount !== frameCount);
  if (odd) throw new OrreryError("bad_argument", `clips of one size, rate and length were expected; ${odd.path} has ${odd.clip.frameCount} frames of ${odd.clip.width} x ${odd.clip.height} at ${odd.clip.fps} fps, ${first.path} ${frameCount} of ${width} x ${height} at ${fps}`);
  const what = `writing ${first.path}${entries.length > 1 ? ` and ${entries.length - 1} more` : ""}`;
  const folder = await mkdtemp(join(dirname(first.path), ".batch-")).catch((error: unknown) => {
    throw fromSystemError(error, dirname(first.path));
  });
  const period = frameCount + 1;
  const cuts = entries.flatMap((_, i) => [i * period + frameCount, (i + 1) * period]);
  try {
    const child = await startTool("ffmpeg", [
      ...rawInput(first.clip), "-map", "0:v:0", "-vf", encodingFilters(first.clip),
      "-force_key_frames", `expr:not(mod(n,${period}))+eq(mod(n,${period}),${frameCount})`,
      "-c:v", "libx264", "-preset", "veryfast", "-qp", String(quantiser), "-coder", "0", "-g", "1000000", "-sc_threshold", "0", "-bf", "0", "-threads", "1",
      "-x264-params", "rc-lookahead=0:sync-lookahead=0",
      // The encoder's greeting stands in the first file only.
      "-bsf:v", "filter_units=remove_types=6", ...colourTags, ...bitExact,
      "-f", "segment", "-segment_frames", cuts.join(","), "-segment_format", "mp4", "-segment_format_options", "movflags=+faststart:fflags=+bitexact", "-reset_timestamps", "1",
      "-y", fileUrl(join(folder.replaceAll("%", "%%"), "%06d.mp4")),
    ], { what, signal, timeoutCode: "io_failed" });
    child.stdout.resume();
    child.side.resume();
    try {
      for (const { clip } of entries) {
        const frame = clip.frames.length / frameCount;
        for (const bytes of [clip.frames, clip.frames.subarray(clip.frames.length - frame)]) {
          const taken = new Promise<boolean>((resolve) => child.stdin.write(bytes, (error) => resolve(!error)));
          const died = child.exit.then(() => false);
          if (!(await child.within(Promise.race([taken, died]), timeoutS))) throw encodingFailure(await child.exit, first.path);
        }
      }
      child.stdin.end();
      const exit = await child.within(child.exit, timeoutS);
      if (exit.code !== 0) throw encodingFailure(exit, first.path);
    } catch (error) {
      throwIfCancelled(signal, what);
      throw error;
    } finally {
      child.kill();
      await child.exit;
    }
    for (const [i, { path }] of entries.entries()) {
      const file = await PartialFile.open(path, join(folder, `${String(2 * i).padStart(6, "0")}.mp4`));
      await file.commit();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
