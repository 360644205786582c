/**
 * Pictures of a video while it is being made: at a step, a few frames of what the model then expects the video to be. They
 * are frames like any others and go through the same guards; one that is not allowed is withheld, which does not stop the
 * work, because the finished video is judged on its own.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fromSystemError, OrreryError } from "../errors.ts";
import { contactSheet, writePng } from "../video/index.ts";
import type { ClearedVideo } from "./clearance.ts";
import type { Glimpse } from "./model.ts";

export interface Preview {
  /** Steps or tokens done, and of how many. */
  done: number;
  total: number;
  video: ClearedVideo;
}

export interface PreviewOptions {
  /** Steps from one preview to the next. */
  every: number;
  show(preview: Preview): Promise<void>;
}

/** Previews as contact sheets in a folder: `preview-007.png` after seven steps. A later chunk writes on after the earlier one. */
export async function previewFolder(folder: string): Promise<PreviewOptions["show"]> {
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw fromSystemError(error, folder);
  });
  let [before, last] = [0, 0];
  return async ({ done, total, video }) => {
    // Not further than before: the next chunk has begun.
    if (done <= last) before += total;
    last = done;
    const label = `${done} of ${total}`;
    await writePng(join(folder, `preview-${String(before + done).padStart(5, "0")}.png`), contactSheet([{ label, clip: video.clip }]));
  };
}

/** What a model is to call: guards each glimpse and shows it if it is allowed. `counts` goes into the record. */
export function guardedGlimpse(options: PreviewOptions | undefined, clear: (glimpse: Glimpse) => Promise<ClearedVideo>, counts: { shown: number; withheld: number }): { every: number; show(glimpse: Glimpse): Promise<void> } | undefined {
  return (
    options && {
      every: options.every,
      async show(glimpse) {
        let video: ClearedVideo;
        try {
          video = await clear(glimpse);
        } catch (error) {
          if (!(error instanceof OrreryError) || error.code !== "blocked") throw error;
          counts.withheld++;
          return;
        }
        counts.shown++;
        await options.show({ done: glimpse.done, total: glimpse.total, video });
      },
    }
  );
}
