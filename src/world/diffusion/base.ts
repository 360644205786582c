/** What a diffusion model is fine-tuned from: a pipeline's folder, whose ways are kept, or a transformer's alone. */
import { OrreryError } from "../../errors.ts";
import { componentOf, isPipeline, openComponent, openPipeline, type Component, type DiffusionGeneration } from "../../registry/index.ts";
import { readTextEncoder } from "../text/encoder.ts";
import type { T5Config } from "../text/t5.ts";
import type { Words } from "../text/words.ts";

export interface DiffusionBase {
  /** As it was named. */
  folder: string;
  transformer: Component;
  /** How the pipeline generates; absent for a transformer alone. */
  generation?: DiffusionGeneration;
  text?: { component: Component; config: T5Config; words: Words };
  /** Why the model is trained without words though it reads some. */
  wordless?: string;
}

/** @throws `file_not_found`, `bad_config`; `bad_argument` for a pipeline of another family. */
export async function openDiffusionBase(folder: string): Promise<DiffusionBase> {
  if (!(await isPipeline(folder))) return { folder, transformer: await openComponent(folder) };
  const pipeline = await openPipeline(folder);
  const { generation } = pipeline;
  if (generation.family !== "diffusion") throw new OrreryError("bad_argument", `${folder} is an autoregressive model; a diffusion model is trained from another one`);
  const base = { folder, transformer: await openComponent(componentOf(pipeline, "transformer").folder), generation };
  if (!generation.text) return base;
  try {
    return { ...base, text: { component: await openComponent(componentOf(pipeline, generation.text.component).folder), ...(await readTextEncoder(folder)) } };
  } catch (error) {
    // An official checkpoint's encoder is beyond Orrery; zeros in its place are what its training showed instead of a dropped prompt.
    if (!(error instanceof OrreryError)) throw error;
    return { ...base, generation: { ...generation, text: null, guidance: 0 }, wordless: error.message };
  }
}
