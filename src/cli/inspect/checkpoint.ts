/** What is in a checkpoint: its tensors, how many parameters they are, and whose names they bear. Descriptions only; no tensor is read. */
import { OrreryError } from "../../errors.ts";
import { isLatentsMetadata } from "../../tokenizer/latents-info.ts";
import { openLatents } from "../../tokenizer/latents-file.ts";
import { detectNaming, openCheckpoint, translateKeys, type Checkpoint, type KeyNaming, type StoredDType } from "../../weights/index.ts";

export interface TensorLine {
  name: string;
  dtype: StoredDType;
  shape: readonly number[];
  bytes: number;
}

export interface WeightsSummary {
  format: Checkpoint["format"];
  /** Whose names the tensors bear; absent when they are none that is known. */
  naming?: KeyNaming;
  tensorCount: number;
  /** Numbers that are learned: floating point, each once, without buffers and without training's averages. */
  parameters: number;
  bytes: number;
  /** Bytes by type of element. */
  dtypes: Partial<Record<StoredDType, number>>;
}

export interface CheckpointReport extends WeightsSummary {
  kind: "checkpoint";
  path: string;
  metadata: Record<string, string>;
  /** Those that match, in the order of the file. */
  tensors: TensorLine[];
}

export interface LatentsReport {
  kind: "latents";
  path: string;
  dtype: StoredDType;
  shape: readonly number[];
  bytes: number;
  [field: string]: unknown;
}

const diffusers: Partial<Record<KeyNaming, KeyNaming>> = {
  "cosmos-tokenizer": "diffusers-tokenizer",
  "cosmos-transformer-1": "diffusers-transformer",
  "cosmos-transformer-2": "diffusers-transformer",
};

/** What PyTorch's batch norms keep beside their weights. */
const isBuffer = (name: string): boolean => /(^|\.)(running_mean|running_var|num_batches_tracked)$/.test(name);

/** The tensors that are weights: translating leaves out what is not. */
function weightNames(all: readonly string[], naming: KeyNaming | undefined): Iterable<string> {
  const names = all.filter((name) => !isBuffer(name));
  const home = naming && diffusers[naming];
  if (!home) return names;
  try {
    return translateKeys(names, naming, home).values();
  } catch (error) {
    // Not every network with these names has a counterpart in diffusers; then all of them count.
    if (error instanceof OrreryError) return names;
    throw error;
  }
}

export function summarize(checkpoint: Checkpoint): WeightsSummary {
  const names = checkpoint.names();
  const naming = detectNaming(names);
  const dtypes: WeightsSummary["dtypes"] = {};
  let bytes = 0;
  for (const name of names) {
    const { dtype, byteLength } = checkpoint.info(name);
    dtypes[dtype] = (dtypes[dtype] ?? 0) + byteLength;
    bytes += byteLength;
  }
  let parameters = 0;
  for (const name of weightNames(names, naming)) {
    const { dtype, shape } = checkpoint.info(name);
    if (/^B?F/.test(dtype)) parameters += shape.reduce((a, b) => a * b, 1);
  }
  return { format: checkpoint.format, ...(naming ? { naming } : {}), tensorCount: names.length, parameters, bytes, dtypes };
}

/** Names that a pattern means: with `*` or `?` the whole name, otherwise any part of it. */
export function matcher(pattern: string | undefined): (name: string) => boolean {
  if (pattern === undefined) return () => true;
  if (!/[*?]/.test(pattern)) return (name) => name.includes(pattern);
  const expression = new RegExp(`^${pattern.replace(/\*+/g, "*").replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".")}$`, "s");
  return (name) => expression.test(name);
}

/** The tensors that a pattern means. @throws `bad_argument` when there are none. */
export function tensorLines(checkpoint: Checkpoint, pattern: string | undefined): TensorLine[] {
  const names = checkpoint.names();
  const found = names.filter(matcher(pattern)).map((name): TensorLine => {
    const { dtype, shape, byteLength } = checkpoint.info(name);
    return { name, dtype, shape, bytes: byteLength };
  });
  if (found.length === 0 && names.length > 0) throw new OrreryError("bad_argument", `no tensor of ${checkpoint.path} matches "${pattern}"; it has ${names.length}, such as ${names.slice(0, 3).join(", ")}`);
  return found;
}

/** Opens a checkpoint, or a file of latents. Errors as `openCheckpoint` and `openLatents`. */
export async function inspectCheckpoint(path: string, pattern: string | undefined): Promise<CheckpointReport | LatentsReport> {
  const checkpoint = await openCheckpoint(path);
  try {
    if (!isLatentsMetadata(checkpoint.metadata))
      return { kind: "checkpoint", path, ...summarize(checkpoint), metadata: Object.fromEntries(checkpoint.metadata), tensors: tensorLines(checkpoint, pattern) };
    const latents = await openLatents(path);
    try {
      const { info: { kind: coding, ...info }, layout, dtype, shape } = latents;
      return { kind: "latents", path, coding, dtype, shape, bytes: checkpoint.info(checkpoint.names()[0]!).byteLength, ...info, ...layout };
    } finally {
      await latents.close();
    }
  } finally {
    await checkpoint.close();
  }
}
