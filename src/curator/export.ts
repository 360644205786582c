/**
 * A curated dataset as Cosmos-Predict's post-training reads it: `videos/{id}.mp4` and `metas/{id}.txt`, the caption of the clip's
 * first window. `t5_xxl/` is left out: it holds embeddings of a text encoder that the reference's own script computes.
 */
import { constants } from "node:fs";
import { copyFile, mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { fromSystemError, OrreryError } from "../errors.ts";
import { writeFileAtomic } from "../partial-file.ts";
import { silent, throwIfCancelled, type Progress } from "../progress.ts";
import { readJson } from "../registry/index.ts";
import { paths } from "./layout.ts";
import { curationStatus } from "./status.ts";
import { loadDecided } from "./work.ts";

export interface Exported {
  clips: number;
  /** Clips without a caption, which a text-conditioned model cannot learn from. */
  uncaptioned: number;
}

const metaSchema = z.object({ captioner: z.string(), windows: z.array(z.record(z.string(), z.unknown())) });

/** Copies the clips that stay into `target`, a new or empty folder. Throws `bad_argument` where it is not, or the dataset is not finished. */
export async function exportPredict(dataset: string, target: string, { progress = silent, signal }: { progress?: Progress; signal?: AbortSignal | undefined } = {}): Promise<Exported> {
  const { finished } = await curationStatus(dataset);
  const decided = await loadDecided(dataset);
  if (!finished || !decided || decided.scoreOnly || decided.lost > 0)
    throw new OrreryError("bad_argument", `${dataset} does not hold all of its clips; see orrery curate status ${dataset}, and finish it with orrery curate (without --score-only)`);
  const [videos, metas] = [join(target, "videos"), join(target, "metas")];
  if ((await readdir(target).catch(() => [])).length > 0) throw new OrreryError("bad_argument", `${target} is not empty; name a new folder`);
  let uncaptioned = 0;
  try {
    await mkdir(videos, { recursive: true });
    await mkdir(metas, { recursive: true });
    for (const [done, id] of decided.kept.entries()) {
      throwIfCancelled(signal, "exporting");
      progress({ stage: "exporting", done, total: decided.kept.length, unit: "clips" });
      const { captioner, windows } = metaSchema.parse(await readJson(join(paths(dataset).metas, `${id}.json`)));
      const caption = windows[0]?.[`${captioner}_caption`];
      if (typeof caption !== "string" || caption === "") uncaptioned++;
      else {
        await copyFile(join(paths(dataset).clips, `${id}.mp4`), join(videos, `${id}.mp4`), constants.COPYFILE_FICLONE);
        await writeFileAtomic(join(metas, `${id}.txt`), `${caption}\n`);
      }
    }
  } catch (error) {
    // The folder was empty, so all in these two is ours; half an export must not be taken for a whole one.
    for (const folder of [videos, metas]) await rm(folder, { recursive: true, force: true });
    if (error instanceof z.ZodError) throw new OrreryError("bad_config", `the metadata in ${paths(dataset).metas} is not as orrery curate writes it; run it again`, { cause: error });
    throw fromSystemError(error, target);
  }
  return { clips: decided.kept.length - uncaptioned, uncaptioned };
}
