/**
 * Models by name: those that come with Orrery (`models/` of the package) and those that were pulled or put into the
 * installation's folder (`ORRERY_HOME/models`). Wherever a model is asked for, a path will do as well.
 */
import { readdir, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { OrreryError } from "../errors.ts";
import { orreryHome, type HomeOptions } from "../home.ts";
import { licenceOf, type Licence } from "./card.ts";
import { modelFiles, readLock } from "./lock.ts";
import { readJson, type Json } from "./model-folder.ts";
import { openPipeline } from "./pipeline.ts";

/** What a model's folder is. */
export type ModelKind = "pipeline" | "component" | "adapter" | "checkpoint";

export interface ModelSummary {
  /** By which it is asked for: its path below where it was found. */
  name: string;
  folder: string;
  kind: ModelKind;
  /** "diffusion", "autoregressive" or the class of a component; absent where the folder does not say. */
  family?: string;
  bytes: number;
  /** "shipped", "made here", or what it was pulled from. */
  source: string;
  licence?: Licence;
  /** Why it cannot be described further. */
  problem?: string;
}

export interface ModelRoot {
  folder: string;
  /** Of its models, where they do not say. */
  source: string;
}

/** Where models are looked for, first what comes with Orrery. */
export function modelRoots(options: HomeOptions = {}): ModelRoot[] {
  const shipped = fileURLToPath(new URL("../../models", import.meta.url));
  return [{ folder: shipped, source: "shipped" }, { folder: modelHome(options), source: "made here" }];
}

/** Where pulled models go. */
export const modelHome = (options: HomeOptions = {}): string => join(orreryHome(options), "models");

const checkpointFile = /\.(safetensors|pt|pth|jit|ckpt|bin)$/;

/** What lies in a folder, by the names of its files, or undefined when it is no model. */
export async function kindOf(folder: string): Promise<ModelKind | undefined> {
  const names = await readdir(folder).catch((): string[] => []);
  if (names.includes("model_index.json")) return "pipeline";
  if (names.includes("adapter_config.json")) return "adapter";
  if (names.includes("config.json")) return "component";
  return names.some((name) => checkpointFile.test(name)) ? "checkpoint" : undefined;
}

/** Levels of folders that a name may have: OWNER/NAME and a version below it. */
const deepest = 3;

/** All models below the roots, in order of name within each. */
export async function listModels(roots: readonly ModelRoot[]): Promise<ModelSummary[]> {
  const found: ModelSummary[] = [];
  for (const { folder: root, source } of roots) {
    const walk = async (folder: string, depth: number): Promise<void> => {
      if (depth > 0 && (await kindOf(folder))) {
        found.push(await describeModel(folder, { name: relative(root, folder).split(sep).join("/"), source }));
        return;
      }
      const items = depth < deepest ? await readdir(folder, { withFileTypes: true }).catch(() => []) : [];
      for (const item of items.sort((a, b) => (a.name < b.name ? -1 : 1))) if (item.isDirectory() && !item.name.startsWith(".")) await walk(join(folder, item.name), depth + 1);
    };
    await walk(root, 0);
  }
  return found;
}

/** What can be said of a model's folder without reading its weights. @throws `bad_argument` for a folder that is none. */
export async function describeModel(folder: string, { name = folder, source = "a folder" }: { name?: string; source?: string } = {}): Promise<ModelSummary> {
  const kind = await kindOf(folder);
  if (!kind) throw new OrreryError("bad_argument", `${folder} is no model: it has no model_index.json, config.json, adapter_config.json or checkpoint`);
  const licence = await licenceOf(folder);
  const bytes = (await modelFiles(folder)).reduce((sum, file) => sum + file.bytes, 0);
  const summary: ModelSummary = { name, folder, kind, bytes, source, ...(licence ? { licence } : {}) };
  try {
    const lock = await readLock(folder);
    const family = await familyOf(folder, kind);
    return { ...summary, ...(lock?.source === undefined ? {} : { source: lock.source }), ...(lock?.licence && !licence ? { licence: { name: lock.licence.name } } : {}), ...(family === undefined ? {} : { family }) };
  } catch (error) {
    // A list with one damaged model in it is still a list.
    if (!(error instanceof OrreryError)) throw error;
    return { ...summary, problem: error.message };
  }
}

async function familyOf(folder: string, kind: ModelKind): Promise<string | undefined> {
  if (kind === "pipeline") return (await openPipeline(folder)).generation.family;
  if (kind === "checkpoint") return undefined;
  const config: Json = await readJson(join(folder, kind === "adapter" ? "adapter_config.json" : "config.json"));
  const named = kind === "adapter" ? config["peft_type"] : config["_class_name"];
  return typeof named === "string" ? named : undefined;
}

/**
 * The folder of a model: a path as it is, else a name below the roots.
 * @throws `file_not_found` naming the nearest that there are.
 */
export async function findModel(nameOrPath: string, roots: readonly ModelRoot[] = modelRoots()): Promise<string> {
  if (await stat(nameOrPath).catch(() => undefined)) return nameOrPath;
  const isName = /^[\w.-]+(\/[\w.-]+)*$/.test(nameOrPath) && !nameOrPath.split("/").some((part) => part.startsWith("."));
  if (isName) for (const { folder } of roots) if (await kindOf(join(folder, nameOrPath))) return join(folder, nameOrPath);
  const known = (await listModels(roots)).map(({ name }) => name);
  throw new OrreryError("file_not_found", `there is no model ${nameOrPath}: no such path, and no such name in ${roots.map(({ folder }) => folder).join(" or ")}${known.length > 0 ? ` (they have ${known.slice(0, 8).join(", ")})` : ""}; orrery models list shows what there is`);
}
