/**
 * A transformer at work: two compiled graphs and the cache between them. The cache is state of the step graph in the
 * runtime: it stays where it is computed, and a step writes one place of it. The prefill graph is loaded for its one run and
 * released before the step graph comes, so weights are in memory once.
 */
import { OrreryError } from "../../errors.ts";
import { parameters, type Parameters } from "../../nn/index.ts";
import type { Bound } from "../../registry/index.ts";
import { compile, input, size, type Tensor } from "../../tensor/index.ts";
import { hostTensor, type Executable, type HostTensor, type Runtime } from "../../tensor/runtime/node.ts";
import { headWidth, keyHeads, longestSequence, type AutoregressiveConfig } from "./config.ts";
import { prefill, step, type Context } from "./transformer.ts";

/** The values that cross-attention reads. */
export interface ContextValues {
  /** [B or 1, M, context_dim], float32. */
  context: HostTensor;
  /** [B, M] or [B, 1, 1, M], bool. */
  mask?: HostTensor | undefined;
}

export interface DecoderOptions {
  config: AutoregressiveConfig;
  weights: Pick<Bound, "weights" | "weightsFolder">;
  runtime: Runtime;
  context?: ContextValues | undefined;
  /** Places in the cache: the longest sequence that will be read. Default: the longest that the model takes. */
  capacity?: number | undefined;
}

export interface Decoder {
  /** Sequences side by side. */
  readonly batch: number;
  /** Tokens read so far. */
  readonly length: number;
  /** Reads one token per sequence and answers the logits of the next, [B, V]. */
  step(tokens: ArrayLike<number>): Promise<Float32Array>;
  release(): Promise<void>;
}

/** All parameters of the network. */
export function autoregressiveParameters(config: AutoregressiveConfig): Parameters {
  const all = parameters();
  const context = config.insert_cross_attn ? input("context", [1, 1, config.context_dim ?? config.dim]) : undefined;
  prefill(all.root, input("tokens", [1, 1], "int64"), config, { context });
  return all;
}

/** Integers as the int64 that graphs take. */
export const int64 = (shape: readonly number[], values: ArrayLike<number>): HostTensor => hostTensor("int64", shape, BigInt64Array.from(Array.from(values), BigInt));

function contextInputs(context: ContextValues | undefined): { nodes: Context; feeds: Record<string, HostTensor> } {
  if (!context) return { nodes: {}, feeds: {} };
  const feeds: Record<string, HostTensor> = { context: context.context, ...(context.mask ? { context_mask: context.mask } : {}) };
  const node = (name: string): Tensor | undefined => feeds[name] && input(name, feeds[name].shape, feeds[name].dtype);
  return { nodes: { context: node("context"), contextMask: node("context_mask") }, feeds };
}

function checkTokens(tokens: ArrayLike<number>, { vocab_size }: AutoregressiveConfig): void {
  for (let i = 0; i < tokens.length; i++)
    if (!(Number.isInteger(tokens[i]) && tokens[i]! >= 0 && tokens[i]! < vocab_size)) throw new OrreryError("bad_argument", `token ${tokens[i]} is not from 0 to ${vocab_size - 1}`);
}

/** Loads a graph, uses it, and releases it whatever happens. */
async function once<T>(executable: Executable, use: (executable: Executable) => Promise<T>): Promise<T> {
  try {
    return await use(executable);
  } finally {
    await executable.release();
  }
}

/**
 * Reads a prompt of `batch` sequences of `length` tokens, row after row, and answers a decoder that goes on from there,
 * with the logits of the prompt: [B, n, V] with `allLogits`, else those of the last token, [B, V].
 */
export async function openDecoder(
  tokens: ArrayLike<number>,
  [batch, length]: readonly [batch: number, length: number],
  { config, weights, runtime, context, capacity = longestSequence(config), allLogits = false }: DecoderOptions & { allLogits?: boolean },
): Promise<{ decoder: Decoder; logits: Float32Array }> {
  if (tokens.length !== batch * length || length < 1) throw new OrreryError("bad_argument", `a prompt of ${batch} x ${length} tokens has not ${tokens.length} of them`);
  if (capacity < length || capacity > longestSequence(config)) throw new OrreryError("bad_argument", `a sequence of ${Math.max(capacity, length)} tokens does not fit: the prompt has ${length} and this model takes ${longestSequence(config)}`);
  checkTokens(tokens, config);
  const { nodes, feeds } = contextInputs(context);
  const bound = { weights: weights.weights, target: runtime.device };
  const place = weights.weightsFolder === undefined ? {} : { weightsFolder: weights.weightsFolder };

  const first = prefill(parameters().root, input("tokens", [batch, length], "int64"), config, { ...nodes, lastOnly: !allLogits });
  const outputs: Record<string, Tensor> = { logits: first.logits };
  first.layers.forEach(({ keys, values }, i) => Object.assign(outputs, { [`keys.${i}`]: keys, [`values.${i}`]: values }));
  const read = await once(await runtime.load(compile({ outputs, ...bound }), place), (e) => e.run({ ...feeds, tokens: int64([batch, length], tokens) }));

  const cacheShape = [batch, keyHeads(config), capacity, headWidth(config)];
  const cache = (name: string): Tensor => input(`cache.${name}`, cacheShape);
  const caches = first.layers.map((_, i) => ({ keys: cache(`keys.${i}`), values: cache(`values.${i}`) }));
  const next = step(parameters().root, input("tokens", [batch, 1], "int64"), input("position", [1], "int64"), caches, config, nodes);
  const stepOutputs: Record<string, Tensor> = { logits: next.logits };
  next.layers.forEach(({ keys, values }, i) => Object.assign(stepOutputs, { [`keys.${i}`]: keys, [`values.${i}`]: values }));
  const names = Object.keys(stepOutputs).filter((name) => name !== "logits");
  const program = compile({ outputs: stepOutputs, succeeds: Object.fromEntries(names.map((name) => [name, `cache.${name}`])), ...bound });
  const state = names.map((name) => ({ input: `cache.${name}`, output: name, initial: spread(read[name]!, cacheShape) }));
  const executable = await runtime.load(program, { state, ...place });

  let position = length;
  const decoder: Decoder = {
    batch,
    get length() {
      return position;
    },
    async step(chosen) {
      if (position >= capacity) throw new OrreryError("bad_argument", `the cache of ${capacity} tokens is full`);
      if (chosen.length !== batch) throw new OrreryError("bad_argument", `${chosen.length} tokens for ${batch} sequences`);
      checkTokens(chosen, config);
      const { logits } = await executable.run({ ...feeds, tokens: int64([batch, 1], chosen), position: int64([1], [position]) });
      position++;
      return logits!.data as Float32Array;
    },
    release: () => executable.release(),
  };
  return { decoder, logits: read["logits"]!.data as Float32Array };
}

/** Keys or values [B, K, n, d] at the beginning of a cache [B, K, S, d]. */
function spread({ shape, data }: HostTensor, cacheShape: readonly number[]): Float32Array {
  const out = new Float32Array(size(cacheShape));
  const [from, to] = [shape[2]! * shape[3]!, cacheShape[2]! * cacheShape[3]!];
  for (let row = 0; row < shape[0]! * shape[1]!; row++) out.set((data as Float32Array).subarray(row * from, (row + 1) * from), row * to);
  return out;
}
