/**
 * Models for other programs: a folder that diffusers opens, and ONNX files that any runtime opens. What a pipeline knows besides
 * its networks (sizes, sampler, statistics of latents) comes along as its `orrery.json`.
 */
import { copyFile, mkdir, readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { fromSystemError, OrreryError } from "../errors.ts";
import { exportOnnx, kindOf, licenceFiles, openComponent, openPipeline, savePipeline, writeJson, type Component, type OnnxFile, type WeightType } from "../registry/index.ts";
import { throwIfCancelled, type Progress } from "../progress.ts";
import { isDiscrete, parseTokenizerConfig, tokenizerClassNames } from "../tokenizer/index.ts";
import { writeSharded, type SafetensorsEntry } from "../weights/index.ts";
import { pipelineGraphs, tokenizerGraphs, type GraphSizes, type NetworkGraphs } from "./graphs.ts";
import { parametersOf } from "./networks.ts";

export interface ExportOptions {
  weights?: WeightType;
  progress?: Progress;
  signal?: AbortSignal | undefined;
}

const dtypes = { f32: "F32", f16: "F16", bf16: "BF16" } as const;

export const makeFolder = (path: string): Promise<unknown> => mkdir(path, { recursive: true }).catch((error: unknown) => {
  throw fromSystemError(error, path);
});

/** Card and licence go with every copy of a model. */
async function copyPapers(from: string, to: string): Promise<void> {
  const names = new Set(await readdir(from));
  for (const name of ["README.md", ...licenceFiles]) if (names.has(name)) await copyFile(join(from, name), join(to, name));
}

/** Opens the components of a pipeline that are networks of Orrery's; others by name. */
async function networksIn(folder: string): Promise<{ pipeline: Awaited<ReturnType<typeof openPipeline>>; networks: [string, Component][]; others: string[] }> {
  const pipeline = await openPipeline(folder);
  const networks: [string, Component][] = [];
  const others: string[] = [];
  for (const [name, { folder: place }] of pipeline.components) {
    if (name === "scheduler") continue;
    const component = await openComponent(place).catch((error: unknown) => {
      if (error instanceof OrreryError) return undefined;
      throw error;
    });
    if (component && parametersOf(component)) networks.push([name, component]);
    else others.push(name);
  }
  return { pipeline, networks, others };
}

/** Writes a network under the names of its class; `change` may make other values of its weights. */
export async function writeComponent(component: Component, folder: string, { weights: type = "f32", progress, signal }: ExportOptions, change: (name: string, values: Float32Array) => Float32Array | Promise<Float32Array> = (_, values) => values): Promise<void> {
  await makeFolder(folder);
  const parameters = parametersOf(component)!;
  const checkpoint = await component.checkpoint();
  try {
    let done = 0;
    const entries = parameters.map(({ name, shape }): SafetensorsEntry => ({
      name, dtype: dtypes[type], shape: [...shape],
      async data() {
        throwIfCancelled(signal, "writing the model");
        progress?.({ stage: `writing ${basename(folder)}`, done: done++, total: parameters.length, unit: "tensors" });
        return change(name, await checkpoint.readF32(name));
      },
    }));
    await writeSharded(folder, entries, { format: "pt" });
  } finally {
    await checkpoint.close();
  }
  await writeJson(join(folder, "config.json"), { ...component.config, _class_name: component.className });
}

/**
 * Writes a pipeline, or a component, as diffusers opens it. Parts that Orrery has no network for are copied as they are.
 * @throws `bad_argument` for classes that diffusers has not, `bad_checkpoint`, `disk_full`.
 */
export async function exportDiffusers(model: string, out: string, options: ExportOptions = {}): Promise<string[]> {
  const foreign = (name: string, { className }: Pick<Component, "className">): void => {
    const isTokenizer = (tokenizerClassNames as readonly string[]).includes(className);
    if (className === "CosmosTransformer3DModel" || className === "AutoencoderKLCosmos") return;
    throw new OrreryError("bad_argument", `diffusers has no class for ${name}, a ${className}${isTokenizer ? "; continuous video tokenizers (CV) have one" : ""}. Export it as ONNX instead`);
  };
  if ((await kindOf(model)) !== "pipeline") {
    const component = await openComponent(model);
    foreign(model, component);
    await writeComponent(component, out, options);
    await copyPapers(model, out);
    return ["."];
  }
  const { pipeline, networks, others } = await networksIn(model);
  for (const [name, component] of networks) foreign(name, component);
  await makeFolder(out);
  const written: Record<string, readonly [string, string]> = {};
  for (const [name, component] of networks) {
    await writeComponent(component, join(out, name), options);
    written[name] = ["diffusers", component.className];
  }
  for (const name of others) {
    const { library, className, folder } = pipeline.components.get(name)!;
    if (library !== "transformers" && library !== "diffusers") throw new OrreryError("bad_argument", `${name} is a ${className} of ${library}, which diffusers cannot open`);
    await copyFolder(folder, join(out, name));
    written[name] = [library, className];
  }
  await copyPapers(model, out);
  await savePipeline(out, written, pipeline.generation);
  return Object.keys(written);
}

/** The plain files of a folder, and not those of folders in it. */
export async function copyFolder(from: string, to: string, except = ""): Promise<void> {
  await makeFolder(to);
  for (const item of await readdir(from, { withFileTypes: true })) if (item.isFile() && item.name !== except) await copyFile(join(from, item.name), join(to, item.name));
}

export interface OnnxExport {
  sizes: GraphSizes;
  files: OnnxFile[];
  /** Parts that have no network here and were left out. */
  leftOut: string[];
}

/**
 * Writes the networks of a pipeline, or of a tokenizer, as ONNX with weights beside; `orrery-onnx.json` says what goes in and out.
 * @throws `bad_argument` for sizes that do not fit, `bad_config`, `bad_checkpoint`, `disk_full`.
 */
export async function exportOnnxFolder(model: string, out: string, asked: Partial<GraphSizes> & ExportOptions = {}): Promise<OnnxExport> {
  const { width, height, frames, ...options } = asked;
  const isPipeline = (await kindOf(model)) === "pipeline";
  const opened = isPipeline ? await networksIn(model) : undefined;
  const generation = opened?.pipeline.generation;
  const sizes = { width: width ?? generation?.width ?? 64, height: height ?? generation?.height ?? 64, frames: frames ?? generation?.frames ?? 17 };
  await makeFolder(out);
  const single = async (): Promise<{ name: string; component: Component; networks: NetworkGraphs }[]> => {
    const component = await openComponent(model);
    if (!(tokenizerClassNames as readonly string[]).includes(component.className)) throw new OrreryError("bad_argument", `${model} is a ${component.className} by itself; its sizes and what it is given are the pipeline's to say, so give the pipeline's folder`);
    return [{ name: isDiscrete(parseTokenizerConfig(component.config)) ? "tokenizer" : "vae", component, networks: tokenizerGraphs("tokenizer", component, sizes) }];
  };
  const parts = opened && generation ? pipelineGraphs(generation, opened.networks, sizes) : await single();
  const files: OnnxFile[] = [];
  for (const { name, component, networks } of parts) {
    const checkpoint = await component.checkpoint();
    try {
      files.push(...(await exportOnnx(out, name, networks.graphs, { ...options, checkpoint, parameters: networks.parameters.all.values() })));
    } finally {
      await checkpoint.close();
    }
  }
  await copyPapers(model, out);
  await writeJson(join(out, "orrery-onnx.json"), { version: 1, sizes, ...(generation ? { generation } : {}), configurations: Object.fromEntries(parts.map(({ name, component }) => [name, component.config])), files });
  return { sizes, files, leftOut: opened?.others ?? [] };
}
