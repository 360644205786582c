/**
 * A world model at work: a pipeline folder opened on a device, of either family, behind one interface. It draws one chunk of
 * frames at a time; how chunks become a longer video is `roll-out.ts`'s business. It reads words only from a clearance.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { OrreryError } from "../errors.ts";
import type { Progress } from "../progress.ts";
import { adapterSha256, componentOf, openAdapter, openComponent, openPipeline, type Adapter, type Component, type Pipeline, type ScaledAdapter } from "../registry/index.ts";
import type { RandomState } from "../tensor/random.ts";
import type { Runtime } from "../tensor/runtime/node.ts";
import { tokenizerClassNames } from "../tokenizer/index.ts";
import type { Clip } from "../video/index.ts";
import { openTextEncoder } from "../world/text/encoder.ts";
import { openAutoregressive } from "./autoregressive.ts";
import type { ClearedText } from "./clearance.ts";
import { openDiffusion } from "./diffusion.ts";
import type { Plan, PlannedAdapter, PlannedModel } from "./plan.ts";

/** What a chunk looks like while it is being made. Not guarded: see `previews.ts`. */
export interface Glimpse {
  /** Steps or tokens done, and of how many. */
  done: number;
  total: number;
  /** Frames as they are now; of an autoregressive model, those that are finished. */
  clip: Clip;
}

export interface ChunkOptions {
  /** A few words for the progress bar: "chunk 2 of 3". */
  label: string;
  progress: Progress;
  signal?: AbortSignal | undefined;
  /** Called after about every `every` steps (tokens, for an autoregressive model: after every latent frame). */
  glimpse?: { every: number; show(glimpse: Glimpse): Promise<void> } | undefined;
}

export interface WorldModel extends PlannedModel {
  /**
   * Draws `plan.chunk_frames` frames; the first `given.frameCount` of them are the given ones as the tokenizer gives them back.
   * `given` has a number of frames that `generation.conditionFrames` names, or is absent.
   */
  chunk(plan: Plan, text: ClearedText, given: Clip | undefined, random: RandomState, options: ChunkOptions): Promise<Clip>;
  /** Words of a prompt that the model never met, which cannot lead it; absent where it reads none. */
  unknownWords?(prompt: string): string[];
  close(): Promise<void>;
}

/** An adapter that is put into a model. */
export interface OpenedAdapter extends ScaledAdapter, PlannedAdapter {}

/**
 * Opens a pipeline folder, with LoRA adapters put into its transformer in their order; its folder stays as it is.
 * @throws `file_not_found`, `bad_config`, `bad_checkpoint`, also for an adapter of another network, `missing_dependency` for what it needs and Orrery has not.
 */
export async function openWorldModel(folder: string, runtime: Runtime, given: readonly Omit<PlannedAdapter, "sha256">[] = []): Promise<WorldModel> {
  const opened: Adapter[] = [];
  try {
    const adapters: OpenedAdapter[] = [];
    for (const { path, scale } of given) {
      const adapter = await openAdapter(path);
      opened.push(adapter);
      adapters.push({ adapter, path, scale, sha256: await adapterSha256(adapter) });
    }
    return await openAdapted(folder, runtime, adapters);
  } finally {
    // What they hold is in the weights by now.
    for (const adapter of opened) await adapter.close();
  }
}

async function openAdapted(folder: string, runtime: Runtime, adapters: readonly OpenedAdapter[]): Promise<WorldModel> {
  const pipeline = await openPipeline(folder);
  const { generation } = pipeline;
  const tokenizer = tokenizerOf(pipeline);
  const transformer = componentOf(pipeline, "transformer").folder;
  const encoder = generation.text && componentOf(pipeline, generation.text.component).folder;
  const sha256 = await identify(pipeline, [tokenizer, transformer, ...(encoder ? [encoder] : [])]);
  const opened = { folder, sha256, tokenizer, transformer, adapters, runtime };
  if (generation.family === "autoregressive") {
    if (generation.text) throw new OrreryError("missing_dependency", `${folder} is an autoregressive model that reads text, which Orrery cannot give it; give one that continues frames without words ("text": null in its orrery.json)`);
    return openAutoregressive({ ...opened, generation });
  }
  return openDiffusion({ ...opened, generation, text: generation.text ? await openTextEncoder(folder, generation.text.tokens, runtime) : undefined });
}

/** The folder of the pipeline's tokenizer. */
function tokenizerOf(pipeline: Pipeline): string {
  const found = [...pipeline.components.values()].find(({ className }) => (tokenizerClassNames as string[]).includes(className));
  if (!found) throw new OrreryError("bad_config", `${join(pipeline.folder, "model_index.json")} names no tokenizer that is known (${tokenizerClassNames.join(", ")})`);
  return found.folder;
}

/** SHA-256 over what a pipeline generates with: `orrery.json`, configurations and weights, whatever file format they are in. */
async function identify(pipeline: Pipeline, folders: readonly string[]): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify(pipeline.generation, (key, value: unknown) => (key === "training" ? undefined : value)));
  for (const folder of folders) {
    const component = await openComponent(folder);
    hash.update(JSON.stringify(sorted(component)));
    const checkpoint = await component.checkpoint();
    try {
      for (const name of checkpoint.names().sort()) {
        const { dtype, shape } = checkpoint.info(name);
        hash.update(JSON.stringify([name, dtype, shape])).update(await checkpoint.read(name));
      }
    } finally {
      await checkpoint.close();
    }
  }
  return hash.digest("hex");
}

const sorted = ({ config }: Component): [string, unknown][] => Object.entries(config).sort(([a], [b]) => (a < b ? -1 : 1));
