/** Several checkpoints, or one under other names, as one: shards of a large model, and tables of foreign names. */
import { OrreryError } from "../errors.ts";
import { wanted, type Checkpoint, type TensorInfo, type TensorLocation } from "./checkpoint.ts";

/** Where a tensor of a joined checkpoint comes from. */
export interface Source {
  checkpoint: Checkpoint;
  /** Its name there. */
  name: string;
}

/** A checkpoint whose tensors lie in others, which it closes when it is closed. */
export class JoinedCheckpoint implements Checkpoint {
  readonly path: string;
  readonly format: Checkpoint["format"];
  readonly metadata: ReadonlyMap<string, string>;
  readonly #sources: ReadonlyMap<string, Source>;
  readonly #parts: readonly Checkpoint[];

  /** @throws `bad_checkpoint` when a source's tensor is not there. */
  constructor(path: string, parts: readonly Checkpoint[], sources: ReadonlyMap<string, Source>, metadata?: ReadonlyMap<string, string>) {
    this.path = path;
    this.format = parts[0]?.format ?? "safetensors";
    this.metadata = metadata ?? new Map();
    this.#parts = parts;
    this.#sources = sources;
    for (const { checkpoint, name } of sources.values()) checkpoint.info(name);
  }

  names(): string[] {
    return [...this.#sources.keys()];
  }

  info(name: string): TensorInfo {
    const { checkpoint, name: there } = wanted(this.#sources, name, this.path);
    return checkpoint.info(there);
  }

  async read(name: string): Promise<Uint8Array> {
    const { checkpoint, name: there } = wanted(this.#sources, name, this.path);
    return checkpoint.read(there);
  }

  async readF32(name: string): Promise<Float32Array> {
    const { checkpoint, name: there } = wanted(this.#sources, name, this.path);
    return checkpoint.readF32(there);
  }

  location(name: string): TensorLocation | undefined {
    const { checkpoint, name: there } = wanted(this.#sources, name, this.path);
    return checkpoint.location(there);
  }

  async close(): Promise<void> {
    await Promise.all(this.#parts.map((part) => part.close()));
  }
}

/**
 * The tensors of several checkpoints side by side, such as `encoder.jit` and `decoder.jit`.
 * @throws `bad_checkpoint` when a name occurs in two of them.
 */
export function joinCheckpoints(path: string, parts: readonly Checkpoint[]): Checkpoint {
  const sources = new Map<string, Source>();
  for (const checkpoint of parts)
    for (const name of checkpoint.names()) {
      const other = sources.get(name);
      if (other) throw new OrreryError("bad_checkpoint", `both ${other.checkpoint.path} and ${checkpoint.path} hold "${name}", so it is not clear which to use; open one of them`);
      sources.set(name, { checkpoint, name });
    }
  return new JoinedCheckpoint(path, parts, sources);
}

/** A checkpoint under other names: `names` maps new to old. Tensors that it leaves out are not visible. */
export function renameCheckpoint(checkpoint: Checkpoint, names: ReadonlyMap<string, string>): Checkpoint {
  const sources = new Map<string, Source>();
  for (const [to, from] of names) sources.set(to, { checkpoint, name: from });
  return new JoinedCheckpoint(checkpoint.path, [checkpoint], sources, checkpoint.metadata);
}
