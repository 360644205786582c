/** LoRA adapters put into a model's weights for good, and taken out again. */
import { join } from "node:path";
import { OrreryError } from "../errors.ts";
import { adaptedWeight, checkAdapter, componentOf, kindOf, lockFile, openAdapter, openComponent, openPipeline, parseAdapterSpec, type Adapter } from "../registry/index.ts";
import { copyFolder, makeFolder, writeComponent, type ExportOptions } from "./export.ts";
import { parametersOf } from "./networks.ts";

export interface Merged {
  folder: string;
  /** Weights that were changed. */
  layers: number;
}

/**
 * Writes a copy of a pipeline, or of a transformer, with adapters ("DIR" or "DIR:0.8") in its weights, or with `undo` taken out of
 * them. What was put in with weights of float32 comes out again to the last digits.
 * @throws `bad_checkpoint` for an adapter of another network, `bad_argument` when one that brings whole parameters is to be taken out.
 */
export async function mergeAdapters(model: string, specs: readonly string[], out: string, { undo = false, ...options }: ExportOptions & { undo?: boolean } = {}): Promise<Merged> {
  const isPipeline = (await kindOf(model)) === "pipeline";
  const pipeline = isPipeline ? await openPipeline(model) : undefined;
  const component = await openComponent(pipeline ? componentOf(pipeline, "transformer").folder : model);
  const parameters = parametersOf(component);
  if (!parameters) throw new OrreryError("bad_argument", `${component.folder} is a ${component.className}, which Orrery has no network for`);
  const opened: { adapter: Adapter; scale: number }[] = [];
  try {
    for (const spec of specs) {
      const { folder, scale } = parseAdapterSpec(spec);
      const adapter = await openAdapter(folder);
      opened.push({ adapter, scale: undo ? -scale : scale });
      checkAdapter(adapter, parameters);
      if (undo && adapter.whole.length > 0) throw new OrreryError("bad_argument", `${folder} replaced ${adapter.whole.length} whole parameters (${adapter.whole[0]}, …), and what they were before is not in it; use the model that it was trained upon`);
    }
    const layers = new Set(opened.flatMap(({ adapter }) => [...adapter.updates.keys(), ...adapter.whole]));
    if (pipeline) {
      await makeFolder(out);
      for (const [name, { folder }] of pipeline.components) if (name !== "transformer") await copyFolder(folder, join(out, name));
    }
    await writeComponent(component, pipeline ? join(out, "transformer") : out, options, async (name, weight) => {
      let values = weight;
      for (const { adapter, scale } of opened) if (adapter.updates.has(name) || adapter.whole.includes(name)) values = await adaptedWeight(adapter, name, values, scale);
      return values;
    });
    // Last the index, because a folder with one is a whole pipeline; the lock was of the old weights.
    if (pipeline) await copyFolder(model, out, lockFile);
    return { folder: out, layers: layers.size };
  } finally {
    for (const { adapter } of opened) await adapter.close();
  }
}
