/**
 * Models on disk, as diffusers lays them out: a component is a folder with `config.json` (whose `_class_name` says what it
 * is) and safetensors; a pipeline is a folder of components with `model_index.json`.
 */
import { mkdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { fromSystemError, OrreryError } from "../errors.ts";
import { writeFileAtomic } from "../partial-file.ts";
import { size } from "../tensor/index.ts";
import type { Parameter } from "../nn/index.ts";
import { detectNaming, openCheckpoint, withNaming, writeSafetensors, type Checkpoint, type KeyNaming } from "../weights/index.ts";

export type Json = Record<string, unknown>;

/** Names that libraries give a component's weights. */
const weightsFile = "diffusion_pytorch_model.safetensors";
/** Configurations are small; anything larger is not one. */
const largestConfig = 1 << 20;

/** A JSON object from a file. Throws `file_not_found` or `bad_config`. */
export async function readJson(path: string): Promise<Json> {
  let text: string;
  try {
    if ((await stat(path)).size > largestConfig) throw new OrreryError("bad_config", `${path} is larger than ${largestConfig} bytes, which no configuration is`);
    text = await readFile(path, "utf8");
  } catch (error) {
    throw fromSystemError(error, path);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new OrreryError("bad_config", `${path} is not JSON: ${(cause as Error).message}`, { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new OrreryError("bad_config", `${path} must hold a JSON object`);
  return value as Json;
}

export interface Component {
  folder: string;
  className: string;
  config: Json;
  /** Under the names that its network has in Orrery. */
  checkpoint(): Promise<Checkpoint>;
}

/** The names that a class' parameters have here, where checkpoints come under others too. */
const namings: Readonly<Record<string, KeyNaming>> = { CosmosTransformer3DModel: "diffusers-transformer", AutoencoderKLCosmos: "diffusers-tokenizer" };

/** A checkpoint under the names of its class, whichever known naming it was written in. */
async function openNamed(path: string, className: string): Promise<Checkpoint> {
  const checkpoint = await openCheckpoint(path);
  const [wanted, found] = [namings[className], detectNaming(checkpoint.names())];
  if (wanted === undefined || found === undefined || found === wanted) return checkpoint;
  try {
    return withNaming(checkpoint, wanted);
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

/** Opens a component folder. Throws `file_not_found` when there is no config.json, `bad_config` when it names no class. */
export async function openComponent(folder: string): Promise<Component> {
  const config = await readJson(join(folder, "config.json"));
  // diffusers names the class, transformers lists it.
  const architectures = config["architectures"];
  const className = config["_class_name"] ?? (Array.isArray(architectures) ? architectures[0] : undefined);
  if (typeof className !== "string") throw new OrreryError("bad_config", `${join(folder, "config.json")} has neither "_class_name" nor "architectures", so it is not clear which network it configures`);
  return { folder, className, config, checkpoint: () => openNamed(folder, className) };
}

/** Writes a component: configuration and float32 weights, in a file that diffusers expects or another. */
export async function saveComponent(folder: string, config: Json, parameters: Iterable<Parameter>, weights: ReadonlyMap<string, Float32Array>, { file = weightsFile }: { file?: string } = {}): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw fromSystemError(error, folder);
  }
  const entries = [...parameters].map(({ name, shape }) => {
    const data = weights.get(name);
    if (!data || data.length !== size(shape)) throw new OrreryError("internal", `no values of the right size for ${name}`);
    return { name, dtype: "F32" as const, shape: [...shape], data };
  });
  await writeSafetensors(join(folder, file), entries, { format: "pt" });
  await writeJson(join(folder, "config.json"), config);
}

/** Writes a JSON file whole or not at all. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);
}
