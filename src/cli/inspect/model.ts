/** What is in a model's folder: a component (config.json and weights) or a pipeline of several (model_index.json). */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { OrreryError } from "../../errors.ts";
import { licenceOf, readJson, type Json } from "../../registry/index.ts";
import { compression, isDiscrete, parseTokenizerConfig, tokenizerClassNames } from "../../tokenizer/index.ts";
import { openCheckpoint } from "../../weights/index.ts";
import { summarize, tensorLines, type TensorLine, type WeightsSummary } from "./checkpoint.ts";

export interface ComponentReport {
  kind: "model";
  path: string;
  /** `_class_name`, or what transformers writes instead. */
  className?: string;
  config: Json;
  license?: string;
  /** What a tokenizer does to a video. */
  tokenizer?: { coding: "continuous" | "discrete"; temporal: number; spatial: number; latentChannels: number };
  weights?: WeightsSummary;
  /** What is wrong with the configuration or the weights, if anything. */
  problems: string[];
  tensors?: TensorLine[];
}

export interface PipelineReport {
  kind: "pipeline";
  path: string;
  className?: string;
  license?: string;
  components: { name: string; library: string; className: string; report?: ComponentReport; problem?: string }[];
}

const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

/** @throws `file_not_found` or `bad_config` when config.json cannot be read, `bad_argument` when no tensor matches. */
export async function inspectComponent(folder: string, pattern?: string): Promise<ComponentReport> {
  const config = await readJson(join(folder, "config.json"));
  const architectures = config["architectures"];
  const className = textOf(config["_class_name"]) ?? (Array.isArray(architectures) ? textOf(architectures[0]) : undefined) ?? textOf(config["model_type"]);
  const license = (await licenceOf(folder))?.name;
  const report: ComponentReport = { kind: "model", path: folder, ...(className ? { className } : {}), config, ...(license ? { license } : {}), problems: [] };
  const complain = (error: unknown): void => {
    if (!(error instanceof OrreryError)) throw error;
    report.problems.push(error.message);
  };
  if ((tokenizerClassNames as (string | undefined)[]).includes(className)) {
    try {
      const parsed = parseTokenizerConfig(config);
      const { temporal, spatial, latentChannels } = compression(parsed);
      report.tokenizer = { coding: isDiscrete(parsed) ? "discrete" : "continuous", temporal, spatial, latentChannels };
    } catch (error) {
      complain(error);
    }
  }
  let checkpoint;
  try {
    checkpoint = await openCheckpoint(folder);
  } catch (error) {
    complain(error);
    return report;
  }
  try {
    report.weights = summarize(checkpoint);
    if (pattern !== undefined) report.tensors = tensorLines(checkpoint, pattern);
  } finally {
    await checkpoint.close();
  }
  return report;
}

/** @throws `file_not_found` or `bad_config` when model_index.json cannot be read. */
export async function inspectPipeline(folder: string): Promise<PipelineReport> {
  const index = await readJson(join(folder, "model_index.json"));
  const [className, license] = [textOf(index["_class_name"]), (await licenceOf(folder))?.name];
  const components: PipelineReport["components"] = [];
  for (const [name, value] of Object.entries(index)) {
    if (!Array.isArray(value)) continue;
    const [library, part] = [textOf(value[0]), textOf(value[1])];
    // A component that a pipeline goes without is written as [null, null].
    if (library === undefined || part === undefined) continue;
    const component: PipelineReport["components"][number] = { name, library, className: part };
    // Names come from the file and become part of a path.
    const path = /^\w[\w.-]*$/.test(name) ? join(folder, name) : undefined;
    const here = (file: string): Promise<boolean> => stat(path === undefined ? "" : join(path, file)).then((s) => s.isFile(), () => false);
    if (path === undefined || !(await stat(path).catch(() => undefined))?.isDirectory()) component.problem = "its folder is missing";
    else if (await here("config.json")) {
      try {
        component.report = await inspectComponent(path);
      } catch (error) {
        if (!(error instanceof OrreryError)) throw error;
        component.problem = error.message;
      }
    }
    components.push(component);
  }
  return { kind: "pipeline", path: folder, ...(className ? { className } : {}), ...(license ? { license } : {}), components };
}
