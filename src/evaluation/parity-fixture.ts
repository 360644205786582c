/**
 * A parity fixture: a folder with `config.json` (a reference network's arguments and its `_class_name`), its weights, and
 * `golden.safetensors`: what it was given and what it answered.
 */
import { join } from "node:path";
import { OrreryError } from "../errors.ts";
import type { Parameters } from "../nn/index.ts";
import { bindWeights, openComponent, type Bound, type Json } from "../registry/index.ts";
import { size } from "../tensor/index.ts";
import { hostTensor, type HostTensor, type Runtime } from "../tensor/runtime/node.ts";
import { detectNaming, openSafetensors, renameCheckpoint, toBigInt64, toFloat32, translateKeys, type Checkpoint, type KeyNaming, type StoredDType } from "../weights/index.ts";

/** What a golden tensor holds, as numbers of double precision. */
export interface GoldenTensor {
  dtype: StoredDType;
  shape: readonly number[];
  data: Float64Array;
}

const integers: readonly StoredDType[] = ["I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"];

export const isInteger = (dtype: StoredDType): boolean => integers.includes(dtype);

/** The golden tensors of a fixture. Every reader throws `bad_checkpoint`, naming what was expected and what was found. */
export class Goldens {
  readonly #file: Checkpoint;

  constructor(file: Checkpoint) {
    this.#file = file;
  }

  get path(): string {
    return this.#file.path;
  }

  get metadata(): ReadonlyMap<string, string> {
    return this.#file.metadata;
  }

  /** In the order of the file. */
  names(): string[] {
    return this.#file.names();
  }

  has(name: string): boolean {
    return this.names().includes(name);
  }

  wrong(what: string): OrreryError {
    return new OrreryError("bad_checkpoint", `${this.path} ${what}`);
  }

  /** Shape and stored type, without reading. `rank`, `shape` and `kind` say what they must be. */
  describe(name: string, expected: { rank?: number; shape?: readonly number[]; kind?: "float" | "integer" } = {}): { shape: readonly number[]; dtype: StoredDType } {
    if (!this.has(name)) throw this.wrong(`has no tensor "${name}"; it has ${this.names().slice(0, 6).join(", ") || "none"}`);
    const { shape, dtype } = this.#file.info(name);
    const show = (s: readonly number[]): string => `[${s.join(", ")}]`;
    if (expected.rank !== undefined && shape.length !== expected.rank) throw this.wrong(`has "${name}" of shape ${show(shape)}; expected ${expected.rank} axes, found ${shape.length}`);
    if (expected.shape && show(shape) !== show(expected.shape)) throw this.wrong(`has "${name}" of the wrong shape: expected ${show(expected.shape)}, found ${show(shape)}`);
    if (expected.kind && (expected.kind === "integer") !== isInteger(dtype)) throw this.wrong(`has "${name}" of the wrong type: expected ${expected.kind === "integer" ? "integers (I32 or I64)" : "F32"}, found ${dtype}`);
    if (size(shape) === 0) throw this.wrong(`has an empty "${name}" of shape ${show(shape)}`);
    return { shape, dtype };
  }

  async tensor(name: string): Promise<GoldenTensor> {
    const { shape, dtype } = this.describe(name);
    const bytes = await this.#file.read(name);
    if (dtype === "F64") return { dtype, shape, data: new Float64Array(new Uint8Array(bytes).buffer) };
    return { dtype, shape, data: isInteger(dtype) ? Float64Array.from(toBigInt64(dtype, bytes), Number) : Float64Array.from(toFloat32(dtype, bytes)) };
  }

  /** As float32, to be fed. */
  async float32(name: string): Promise<HostTensor> {
    const { shape, data } = await this.tensor(name);
    return hostTensor("float32", shape, Float32Array.from(data));
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

export interface Fixture {
  folder: string;
  className: string;
  config: Json;
  goldens: Goldens;
  /** Opened on first use. */
  checkpoint(): Promise<Checkpoint>;
  close(): Promise<void>;
}

/** Opens a fixture folder. Throws `file_not_found`, `bad_config` or `bad_checkpoint`. */
export async function openFixture(folder: string): Promise<Fixture> {
  const component = await openComponent(folder);
  const goldens = new Goldens(await openSafetensors(join(folder, "golden.safetensors")));
  let opened: Promise<Checkpoint> | undefined;
  return {
    folder,
    className: component.className,
    config: component.config,
    goldens,
    // Not by looking into the folder, where golden.safetensors could be taken for the only checkpoint.
    checkpoint: () => (opened ??= component.checkpoint().then((c) => {
      if (c.path !== goldens.path) return c;
      return c.close().then(() => Promise.reject(new OrreryError("file_not_found", `${folder} holds no weights beside golden.safetensors; expected model.safetensors, diffusion_pytorch_model.safetensors or model.pth`)));
    })),
    close: async () => {
      await goldens.close();
      await (await opened?.catch(() => undefined))?.close();
    },
  };
}

/** Tensors that stand among weights and follow from the configuration, or count what training did. */
const buffers = /(^|\.)(num_batches_tracked|wavelets|_arange|patch_size_buffer|_levels|_basis|implicit_codebook|zero|codebook|_extra_state|cos_cached|sin_cached)$|^(logvar|pos_embedder)\.|^accum_\w+$/;

/** What training scripts put before every name. */
const prefixes = ["module.", "model.", "net.", "network."];

export interface Weights extends Bound {
  /** The network's name of a tensor by the name that it has in the file, where the two differ. */
  stored: ReadonlyMap<string, string>;
}

/** Declared names, each with the name in the file, whichever known naming or prefix that has. */
function storedNames(checkpoint: Checkpoint, declared: readonly string[], naming: KeyNaming | undefined): Map<string, string> | undefined {
  const names = checkpoint.names();
  const first = declared.find((name) => names.includes(name));
  if (first !== undefined) return undefined;
  const prefix = prefixes.find((p) => declared.some((name) => names.includes(p + name)));
  if (prefix !== undefined) return new Map(names.map((name) => [name.startsWith(prefix) ? name.slice(prefix.length) : name, name]));
  const from = naming && detectNaming(names);
  return from && naming && from !== naming ? translateKeys(names, from, naming) : undefined;
}

/** Brings the fixture's weights to a network's parameters. `naming` is what the network calls them, where there are others. */
export async function loadWeights(fixture: Fixture, { all }: Parameters, naming?: KeyNaming): Promise<Weights> {
  const checkpoint = await fixture.checkpoint();
  const renamed = storedNames(checkpoint, [...all.keys()], naming);
  const source = renamed ? renameCheckpoint(checkpoint, renamed) : checkpoint;
  for (const { name } of all.values()) {
    const dtype = source.names().includes(name) ? source.info(name).dtype : "F32";
    if (isInteger(dtype)) throw new OrreryError("bad_checkpoint", `${checkpoint.path} holds ${name} as ${dtype}; expected F32, F16 or BF16`);
  }
  const bound = await bindWeights(source, all.values());
  return { ...bound, unused: bound.unused.filter((name) => !buffers.test(name)), stored: new Map(renamed ? [...renamed].map(([ours, theirs]) => [theirs, ours]) : []) };
}

/** A network's answer to a golden tensor. */
export interface Answer {
  shape: readonly number[];
  data: ArrayLike<number | bigint>;
}

export interface Answers {
  /** By golden tensor; those that the file lacks are not compared. */
  values: ReadonlyMap<string, Answer>;
  /** Golden tensors that were fed. */
  inputs: readonly string[];
  /** Tensors of the checkpoint that nothing used. */
  unused: readonly string[];
}

export interface CheckContext {
  fixture: Fixture;
  runtime: Runtime;
  signal?: AbortSignal | undefined;
}

/** Runs one class of network on its golden inputs. */
export type Check = (context: CheckContext) => Promise<Answers>;
