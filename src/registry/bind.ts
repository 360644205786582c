/**
 * Brings a checkpoint's tensors to a model's parameters. Weights stay in their file and are mapped by ONNX Runtime where
 * they lie there as plain little-endian numbers; only what a runtime cannot map is read into memory.
 */
import { basename, dirname } from "node:path";
import { OrreryError } from "../errors.ts";
import type { Parameter } from "../nn/index.ts";
import { sameShape, type ExternalWeight, type Weight } from "../tensor/index.ts";
import type { Checkpoint } from "../weights/index.ts";
import type { Component } from "./model-folder.ts";

export interface Bound {
  weights: Map<string, Weight>;
  /** Folder that external weights are relative to; absent when everything is in memory. */
  weightsFolder?: string;
  /** Tensors of the checkpoint that the model has no use for. */
  unused: string[];
}

const mappable: Record<string, ExternalWeight["dtype"]> = { F32: "float32", F16: "float16", BF16: "bfloat16" };

/** Throws `bad_checkpoint` naming every parameter that is missing or has another shape. */
export function checkParameters(checkpoint: Checkpoint, parameters: Iterable<Parameter>): void {
  const names = new Set(checkpoint.names());
  const problems: string[] = [];
  for (const { name, shape } of parameters) {
    if (!names.has(name)) problems.push(`${name} is missing`);
    else {
      const found = checkpoint.info(name).shape;
      if (!sameShape(found, shape)) problems.push(`${name} is [${found.join(", ")}] but the configuration makes it [${shape.join(", ")}]`);
    }
  }
  if (problems.length === 0) return;
  const shown = problems.slice(0, 5).join("; ");
  throw new OrreryError("bad_checkpoint", `${checkpoint.path} does not hold this model: ${shown}${problems.length > 5 ? ` and ${problems.length - 5} more` : ""}. Check that config.json belongs to these weights`);
}

const unusedNames = (checkpoint: Checkpoint, parameters: readonly Parameter[]): string[] => {
  const declared = new Set(parameters.map((p) => p.name));
  return checkpoint.names().filter((n) => !declared.has(n));
};

/** Weights for `compile`, left in their file where possible. */
export async function bindWeights(checkpoint: Checkpoint, all: Iterable<Parameter>): Promise<Bound> {
  const parameters = [...all];
  checkParameters(checkpoint, parameters);
  const weights = new Map<string, Weight>();
  let folder: string | undefined;
  for (const { name } of parameters) {
    const place = checkpoint.location(name);
    const dtype = mappable[checkpoint.info(name).dtype];
    if (place && dtype && (folder === undefined || folder === dirname(place.path))) {
      folder = dirname(place.path);
      weights.set(name, { location: basename(place.path), offset: place.offset, length: place.length, dtype });
    } else weights.set(name, await checkpoint.readF32(name));
  }
  return { weights, ...(folder === undefined ? {} : { weightsFolder: folder }), unused: unusedNames(checkpoint, parameters) };
}

/** The same, read into memory: for training, where weights are state. */
export async function readWeights(checkpoint: Checkpoint, all: Iterable<Parameter>): Promise<Map<string, Float32Array>> {
  const parameters = [...all];
  checkParameters(checkpoint, parameters);
  const out = new Map<string, Float32Array>();
  for (const { name } of parameters) out.set(name, await checkpoint.readF32(name));
  return out;
}

/** The same of a component's folder, opened for it. */
export async function readComponentWeights(component: Component, all: Iterable<Parameter>): Promise<Map<string, Float32Array>> {
  const checkpoint = await component.checkpoint();
  try {
    return await readWeights(checkpoint, all);
  } finally {
    await checkpoint.close();
  }
}
