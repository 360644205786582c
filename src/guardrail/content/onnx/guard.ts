/**
 * Any image classifier in ONNX as a guard of frames: a file, or a folder as transformers and Optimum lay it out (`model.onnx`,
 * `config.json` with the names of the classes, `preprocessor_config.json`). Every class must be mapped to one of our categories
 * or be called harmless.
 */
import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { z } from "zod";
import { fromSystemError, OrreryError } from "../../../errors.ts";
import { readJson } from "../../../registry/index.ts";
import { readForeignModel, type ForeignModel, type ForeignValue } from "../../../tensor/index.ts";
import { hostTensor, openRuntime } from "../../../tensor/runtime/node.ts";
import type { PolicyEntry } from "../../policy.ts";
import type { Guard } from "../../verdict.ts";
import { classTable, frameGuard, parseOptions } from "../frames.ts";
import { preprocess, preprocessingOf, processorSchema, type Preprocessing } from "./preprocess.ts";

const schema = z.strictObject({
  /** An .onnx file, or a folder with `model.onnx`. */
  model: z.string().min(1),
  /** Names of the classes in the model's order; those of `config.json`, if absent. */
  labels: z.array(z.string().min(1)).min(1).max(10_000).optional(),
  /** Our category of every class that means harm: `{ nsfw: O2 }`. */
  categories: z.record(z.string(), z.string()),
  /** Classes that mean none. */
  harmless: z.array(z.string()).default([]),
  /** What makes probabilities of the model's answers. */
  activation: z.enum(["softmax", "sigmoid", "none"]).default("softmax"),
  channels: z.enum(["rgb", "bgr"]).default("rgb"),
  /** Settings as in `preprocessor_config.json`, over those of the file. */
  preprocessor: z.record(z.string(), z.unknown()).default({}),
  /** Which output, where there are several. */
  output: z.string().optional(),
  device: z.enum(["cpu", "webgpu", "cuda"]).default("cpu"),
  threads: z.int().min(1).max(1024).optional(),
});

const largestModel = 2 ** 31;
const exists = (path: string): Promise<boolean> => stat(path).then(() => true, () => false);

/** A guard of kind `image-classifier`. */
export async function openImageClassifier(entry: PolicyEntry): Promise<Guard> {
  const options = parseOptions(schema, entry);
  const path = resolve(entry.folder, options.model);
  const status = await stat(path).catch((error: unknown) => {
    throw fromSystemError(error, path);
  });
  const file = status.isDirectory() ? join(path, "model.onnx") : path;
  const { size } = await stat(file).catch((error: unknown) => {
    throw fromSystemError(error, file);
  });
  if (size >= largestModel) throw new OrreryError("bad_checkpoint", `${file} has ${size} bytes; an ONNX file with its weights inside has less than 2 GiB, larger ones keep them beside it`);
  const bytes = new Uint8Array(await readFile(file));
  const model = opened(file, bytes);
  const input = onlyInput(file, model);
  const output = options.output === undefined ? model.outputs[0]! : model.outputs.find(({ name }) => name === options.output);
  if (!output) throw new OrreryError("bad_config", `"${entry.name}": ${file} has no output "${options.output}"; it has ${model.outputs.map(({ name }) => name).join(", ")}`);
  const folder = dirname(file);
  const labels = options.labels ?? (await labelsOf(join(folder, "config.json"), entry.name));
  const table = classTable(labels, { categories: options.categories, harmless: options.harmless, where: entry.name });
  const settings = await preprocessingFor(join(folder, "preprocessor_config.json"), options.preprocessor, input, options.channels, entry.name);
  const runtime = await openRuntime({ device: options.device, ...(options.threads === undefined ? {} : { threads: options.threads }) });
  try {
    const shape = settings.layout === "NCHW" ? [1, 3, settings.height, settings.width] : [1, settings.height, settings.width, 3];
    const executable = await runtime.load(model.program({ [input.name]: shape }, options.device), { weightsFolder: folder }).catch((error: Error) => {
      throw new OrreryError("bad_checkpoint", `${file} cannot be run: ${error.message.split("\n")[0]}`, { cause: error });
    });
    return frameGuard({
      model: `${basename(folder)}/${basename(file)}`,
      version: createHash("sha256").update(bytes).digest("hex"),
      table, against: "all",
      classify: async (picture) => activated((await executable.run({ [input.name]: hostTensor("float32", shape, preprocess(picture, settings)) }))[output.name]!.data, options.activation),
      close: () => runtime.close(),
    });
  } catch (error) {
    await runtime.close();
    throw error;
  }
}

function opened(file: string, bytes: Uint8Array): ForeignModel {
  try {
    return readForeignModel(bytes);
  } catch (error) {
    throw new OrreryError("bad_checkpoint", `${file}: ${(error as Error).message}`, { cause: error });
  }
}

/** The one picture that goes in, and the order of its axes. */
function onlyInput(file: string, { inputs }: ForeignModel): ForeignValue & { layout: Preprocessing["layout"]; width: number; height: number } {
  const [input, ...others] = inputs;
  const bad = (what: string): OrreryError => new OrreryError("bad_checkpoint", `${file} ${what}; an image classifier takes one float32 picture [1, 3, H, W] or [1, H, W, 3]`);
  if (!input || others.length > 0) throw bad(`takes ${inputs.length} inputs (${inputs.map(({ name }) => name).join(", ")})`);
  const { shape, dtype } = input;
  const layout = shape.length !== 4 ? undefined : shape[1] === 3 ? "NCHW" : shape[3] === 3 ? "NHWC" : shape[1] === -1 ? "NCHW" : undefined;
  if (!layout || dtype !== "float32") throw bad(`takes ${dtype} [${shape.map((d) => (d < 0 ? "?" : d)).join(", ")}]`);
  const [height, width] = layout === "NCHW" ? [shape[2]!, shape[3]!] : [shape[1]!, shape[2]!];
  return { ...input, layout, width, height };
}

/** `id2label` of transformers, in the order of its numbers, every one of which must be there. */
async function labelsOf(path: string, where: string): Promise<string[]> {
  if (!(await exists(path))) throw new OrreryError("bad_config", `"${where}": there is no ${path} that names the classes; give them in "labels", in the model's order`);
  const given = z.record(z.string(), z.string()).safeParse((await readJson(path))["id2label"]);
  const names = given.success ? Array.from({ length: Object.keys(given.data).length }, (_, i) => given.data[String(i)]) : [];
  if (names.length === 0 || names.some((name) => name === undefined)) throw new OrreryError("bad_config", `${path} has no "id2label" that names the classes 0, 1, …; give them in "labels"`);
  return names as string[];
}

async function preprocessingFor(path: string, given: Record<string, unknown>, input: ReturnType<typeof onlyInput>, channels: "rgb" | "bgr", where: string): Promise<Preprocessing> {
  const result = processorSchema.safeParse({ ...((await exists(path)) ? await readJson(path) : {}), ...given });
  if (!result.success) throw new OrreryError("bad_config", `"${where}": the preprocessor's settings are not valid: ${result.error.issues.map((i) => `${i.path.join(".")}: ${i.message}`).join("; ")}`);
  const settings = preprocessingOf(result.data, input, channels);
  if (!settings) throw new OrreryError("bad_config", `"${where}": neither the model nor ${path} says how large its picture is; give "preprocessor: { size: 224 }"`);
  return settings;
}

/** Probabilities of a classifier's answers. */
export function activated(answers: ArrayLike<number | bigint>, activation: "softmax" | "sigmoid" | "none"): number[] {
  const values = Array.from(answers, Number);
  if (activation === "none") return values;
  if (activation === "sigmoid") return values.map((v) => 1 / (1 + Math.exp(-v)));
  const most = Math.max(...values);
  const powers = values.map((v) => Math.exp(v - most));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((v) => v / total);
}
