/**
 * A training run on disk. Everything is written under another name first and renamed, so that a killed process leaves
 * either the old state or the new one:
 *
 *     config.json            the model's configuration (diffusers layout)
 *     run.json               the resolved settings of the run
 *     metrics.jsonl          one line a logged step; the truth about the curve
 *     events.out.tfevents.*  the same for TensorBoard
 *     samples/               sheets made on the way
 *     checkpoints/step-N/    state.safetensors (weights, moments, averages), trainer.json
 *     checkpoints/latest     the name of the newest whole checkpoint
 */
import { mkdir, readFile, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { fromSystemError, OrreryError } from "../errors.ts";
import { writeFileAtomic } from "../partial-file.ts";
import { openCheckpoint, writeSafetensors } from "../weights/index.ts";

export interface SavedTensor {
  name: string;
  shape: readonly number[];
  data: Float32Array;
}

export interface TrainerState {
  /** Steps finished. */
  step: number;
  seed: number;
}

const stepName = (step: number): string => `step-${String(step).padStart(8, "0")}`;

/** Writes a checkpoint and makes it the latest; older ones beyond `keep` are removed. */
export async function saveCheckpoint(out: string, state: TrainerState, tensors: readonly SavedTensor[], keep: number): Promise<void> {
  const folder = join(out, "checkpoints");
  const name = stepName(state.step);
  const temporary = join(folder, `.${name}.tmp-${process.pid}`);
  try {
    await rm(temporary, { recursive: true, force: true });
    await mkdir(temporary, { recursive: true });
    await writeSafetensors(join(temporary, "state.safetensors"), tensors.map((t) => ({ name: t.name, dtype: "F32" as const, shape: [...t.shape], data: t.data })));
    await writeFileAtomic(join(temporary, "trainer.json"), JSON.stringify(state));
    await rm(join(folder, name), { recursive: true, force: true });
    await rename(temporary, join(folder, name));
    await writeFileAtomic(join(folder, "latest"), name);
    const all = (await readdir(folder)).filter((n) => n.startsWith("step-")).sort();
    for (const old of all.slice(0, -keep)) await rm(join(folder, old), { recursive: true, force: true });
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw fromSystemError(error, join(folder, name));
  }
}

/** A checkpoint to go on from. */
export interface SavedRun {
  state: TrainerState;
  /** The values of a tensor. @throws `bad_checkpoint` when it is not there, or is not float32 of that shape. */
  read(name: string, shape: readonly number[]): Promise<Float32Array>;
  close(): Promise<void>;
}

/** The newest whole checkpoint, or undefined when the run has none. Throws `bad_checkpoint` when it is damaged. */
export async function loadCheckpoint(out: string): Promise<SavedRun | undefined> {
  const folder = join(out, "checkpoints");
  const name = await readFile(join(folder, "latest"), "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw fromSystemError(error, join(folder, "latest"));
  });
  if (name === undefined) return undefined;
  if (!/^step-\d{8,}$/.test(name)) throw new OrreryError("bad_checkpoint", `${join(folder, "latest")} holds ${JSON.stringify(name.slice(0, 40))}, not the name of a checkpoint; remove it to start over`);
  const stateFile = join(folder, name, "trainer.json");
  const state = parseState(
    await readFile(stateFile, "utf8").catch((error: unknown) => {
      throw fromSystemError(error, stateFile);
    }),
    stateFile,
  );
  const checkpoint = await openCheckpoint(join(folder, name, "state.safetensors"));
  const names = new Set(checkpoint.names());
  const read = async (tensor: string, shape: readonly number[]): Promise<Float32Array> => {
    if (!names.has(tensor)) throw new OrreryError("bad_checkpoint", `${checkpoint.path} has no ${tensor}; it belongs to another model. Use another --out`);
    const info = checkpoint.info(tensor);
    if (info.dtype !== "F32" || info.shape.join() !== shape.join())
      throw new OrreryError("bad_checkpoint", `${tensor} in ${checkpoint.path} is ${info.dtype} [${info.shape.join(", ")}]; this run needs F32 [${shape.join(", ")}]. It was changed, or belongs to another model: use another --out, or remove the checkpoint to go on from an older one`);
    return checkpoint.readF32(tensor);
  };
  return { state, read, close: () => checkpoint.close() };
}

function parseState(text: string, path: string): TrainerState {
  try {
    const { step, seed } = JSON.parse(text) as Record<string, unknown>;
    if (Number.isSafeInteger(step) && (step as number) >= 0 && Number.isSafeInteger(seed)) return { step: step as number, seed: seed as number };
  } catch {
    // Said below.
  }
  throw new OrreryError("bad_checkpoint", `${path} does not say which step it is of; it is damaged. Remove ${join(path, "../..", "latest")} and this checkpoint to start over`);
}

/**
 * Remembers the settings of a run, or checks that they are still the same: a run continued with other settings would not be
 * the run it claims to be. `free` names keys that may change (the number of steps, how often to save).
 */
export async function claimRun(out: string, settings: Readonly<Record<string, unknown>>, free: readonly string[]): Promise<void> {
  const path = join(out, "run.json");
  await mkdir(out, { recursive: true }).catch((error: unknown) => {
    throw fromSystemError(error, out);
  });
  const known = await readFile(path, "utf8").catch(() => undefined);
  if (known !== undefined) {
    const before = parseSettings(known, path);
    const plain = JSON.parse(JSON.stringify(settings)) as Record<string, unknown>;
    const changed = Object.keys({ ...before, ...plain }).filter((k) => !free.includes(k) && JSON.stringify(before[k]) !== JSON.stringify(plain[k]));
    if (changed.length)
      throw new OrreryError("bad_config", `${out} holds a run with other settings: ${changed.map((k) => `${k} was ${JSON.stringify(before[k])}, now ${JSON.stringify(plain[k])}`).join("; ")}. Use the old settings to continue it, or another --out`);
  }
  await writeFileAtomic(path, `${JSON.stringify(settings, null, 2)}\n`);
}

function parseSettings(text: string, path: string): Record<string, unknown> {
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw new OrreryError("bad_config", `${path} is not JSON, so it is not known what run is in this folder; use another --out, or remove the folder to start over`);
}
