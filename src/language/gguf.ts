/**
 * A language model from a GGUF file, run in this process by node-llama-cpp (llama.cpp). That package is an optional peer: it
 * is loaded when a file is opened and not before, and where it is missing the error says how to install it. One request at a
 * time; a text that does not fit the context is refused and never cut, since a guard that reads only half of a prompt is none.
 */
import { open, stat } from "node:fs/promises";
import { basename } from "node:path";
import { z } from "zod";
import { fromSystemError, OrreryError } from "../errors.ts";
import { fileSha256 } from "../file-hash.ts";
import type { Completion, LanguageModel, Message, Sampling } from "./model.ts";

export const ggufSchema = z.strictObject({
  /** The file; relative to the folder of the policy or configuration that names it. */
  gguf: z.string().min(1).max(4000),
  /** Tokens of prompt and answer together. */
  contextSize: z.number().int().min(256).max(1 << 20).default(8192),
  /** Layers on the GPU, if the package finds one. 0: none. */
  gpuLayers: z.number().int().min(0).max(1000).default(0),
});

export type GgufSettings = z.input<typeof ggufSchema>;

/** The package's own range; another major version may have another interface. */
export const llamaPackage = "node-llama-cpp";
const installHint = `npm install --omit=optional ${llamaPackage}@3 @node-llama-cpp/linux-x64@3 (or the @node-llama-cpp package of your system; see its list of binaries)`;

/** What is used of node-llama-cpp 3; its own types are not there when the package is not. */
interface Llama {
  loadModel(options: { modelPath: string; gpuLayers: number }): Promise<LlamaModel>;
  dispose(): Promise<void>;
}
interface LlamaModel {
  createContext(options: { contextSize: number }): Promise<LlamaContext>;
  tokenize(text: string, specialTokens: boolean): number[];
  dispose(): Promise<void>;
}
interface LlamaContext {
  getSequence(): LlamaSequence;
}
interface LlamaSequence {
  clearHistory(): Promise<void>;
}
type Generation = { maxTokens: number; temperature: number; topP?: number; topK?: number; seed?: number; signal?: AbortSignal; customStopTriggers?: readonly string[]; repeatPenalty?: false | { penalty: number; presencePenalty: number }; disableContextShift?: boolean };
interface Package {
  getLlama(options: { gpu: false | "auto"; build: "never"; progressLogs: false; logLevel: "error" }): Promise<Llama>;
  LlamaCompletion: new (options: { contextSequence: LlamaSequence }) => {
    generateCompletionWithMeta(input: readonly number[], options: Generation): Promise<{ response: string; metadata: { stopReason: string } }>;
    dispose(options: { disposeSequence: false }): void;
  };
  LlamaChatSession: new (options: { contextSequence: LlamaSequence; systemPrompt?: string }) => {
    setChatHistory(history: readonly object[]): void;
    promptWithMeta(text: string, options: Generation): Promise<{ responseText: string; stopReason: string }>;
    dispose(options: { disposeSequence: false }): void;
  };
}

async function loadPackage(): Promise<Package> {
  try {
    return (await import(llamaPackage)) as Package;
  } catch (error) {
    throw new OrreryError("missing_dependency", `a GGUF model needs the package ${llamaPackage}, which is not installed or does not load here; install it with: ${installHint}`, { cause: error });
  }
}

/**
 * Opens a GGUF file.
 * @throws `bad_config`, `file_not_found`, `missing_dependency` without the package, `bad_checkpoint` for a file that
 * llama.cpp does not load.
 */
export async function openGguf(given: GgufSettings): Promise<LanguageModel> {
  const parsed = ggufSchema.safeParse(given);
  if (!parsed.success) throw new OrreryError("bad_config", `the settings of a GGUF model are not valid: ${parsed.error.issues.map((i) => `${i.path.join(".") || "settings"}: ${i.message}`).join("; ")}`);
  const { gguf: path, contextSize, gpuLayers } = parsed.data;
  const status = await stat(path).catch((error: unknown) => {
    throw fromSystemError(error, path);
  });
  if (!status.isFile()) throw new OrreryError("bad_config", `${path} is not a file; give a .gguf file`);
  await checkHeader(path);
  const llamaCpp = await loadPackage();
  const sha256 = await fileSha256(path);
  const llama = await llamaCpp.getLlama({ gpu: gpuLayers > 0 ? "auto" : false, build: "never", progressLogs: false, logLevel: "error" });
  const [model, sequence] = await load(llama, path, contextSize, gpuLayers);
  const name = basename(path);

  // llama.cpp's sequence holds one conversation; the next caller waits for the one before, whatever becomes of it.
  let last: Promise<unknown> = Promise.resolve();
  let closed = false;
  const alone = <T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> => {
    const mine = last.then(async () => {
      if (closed) throw new OrreryError("missing_dependency", `the language model ${name} has been closed`);
      if (signal?.aborted) throw new OrreryError("cancelled", "asking the language model was stopped");
      await sequence.clearHistory();
      return work();
    });
    last = mine.catch(() => {});
    return mine;
  };
  const fits = (text: string, maxTokens: number): number[] => {
    const tokens = model.tokenize(text, true);
    if (tokens.length + maxTokens > contextSize)
      throw new OrreryError("bad_argument", `a text of ${tokens.length} tokens and an answer of ${maxTokens} do not fit the ${contextSize} tokens of ${name}; raise contextSize or shorten the text`);
    return tokens;
  };

  return {
    name, version: `sha256:${sha256}`, kind: "gguf",
    complete: (prompt, sampling, { signal } = {}) =>
      alone(async () => {
        const tokens = fits(prompt, sampling.maxTokens);
        const session = new llamaCpp.LlamaCompletion({ contextSequence: sequence });
        try {
          const { response, metadata } = await session.generateCompletionWithMeta(tokens, { ...generation(sampling, signal), disableContextShift: true });
          return completion(response, metadata.stopReason, name);
        } finally {
          session.dispose({ disposeSequence: false });
        }
      }, signal),
    chat: (messages, sampling, { signal } = {}) =>
      alone(async () => {
        const { history, question } = asHistory(messages, name);
        fits(messages.map((m) => m.content as string).join("\n"), sampling.maxTokens);
        const session = new llamaCpp.LlamaChatSession({ contextSequence: sequence, systemPrompt: "" });
        try {
          session.setChatHistory(history);
          const { responseText, stopReason } = await session.promptWithMeta(question, generation(sampling, signal));
          return completion(responseText, stopReason, name);
        } finally {
          session.dispose({ disposeSequence: false });
        }
      }, signal),
    close: async () => {
      closed = true;
      await last;
      await model.dispose();
      await llama.dispose();
    },
  };
}

/** llama.cpp's reader is native code, and waits for ever for the rest of a file that is cut off: what is no GGUF stays out. */
async function checkHeader(path: string): Promise<void> {
  const fail = (why: string): never => {
    throw new OrreryError("bad_checkpoint", `${path} is no GGUF model: ${why}`);
  };
  const file = await open(path, "r").catch((error: unknown) => {
    throw fromSystemError(error, path);
  });
  try {
    const head = Buffer.alloc(24);
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    if (bytesRead < head.length || head.toString("latin1", 0, 4) !== "GGUF") return fail("it does not begin as one");
    const version = head.readUInt32LE(4);
    if (version !== 2 && version !== 3) return fail(`it is of version ${version}; 2 and 3 are read`);
    const [tensors, entries] = [head.readBigUInt64LE(8), head.readBigUInt64LE(16)];
    if (tensors < 1n || tensors > 100_000n || entries < 1n || entries > 100_000n) return fail(`it claims ${tensors} tensors and ${entries} settings`);
  } finally {
    await file.close();
  }
}

async function load(llama: Llama, path: string, contextSize: number, gpuLayers: number): Promise<[LlamaModel, LlamaSequence]> {
  try {
    const model = await llama.loadModel({ modelPath: path, gpuLayers });
    const context = await model.createContext({ contextSize });
    return [model, context.getSequence()];
  } catch (error) {
    await llama.dispose();
    throw new OrreryError("bad_checkpoint", `llama.cpp does not load ${path}: ${(error as Error).message.split("\n")[0]}`, { cause: error });
  }
}

function generation({ maxTokens, temperature = 0, topP, topK, seed, stop, presencePenalty, repetitionPenalty }: Sampling, signal: AbortSignal | undefined): Generation {
  const penalised = presencePenalty !== undefined || (repetitionPenalty !== undefined && repetitionPenalty !== 1);
  return {
    maxTokens, temperature,
    ...(topP === undefined ? {} : { topP }), ...(topK === undefined ? {} : { topK }), ...(seed === undefined ? {} : { seed }),
    ...(stop ? { customStopTriggers: stop } : {}), ...(signal ? { signal } : {}),
    repeatPenalty: penalised ? { penalty: repetitionPenalty ?? 1, presencePenalty: presencePenalty ?? 0 } : false,
  };
}

function completion(text: string, stopReason: string, model: string): Completion {
  const finish = stopReason === "maxTokens" ? "length" : stopReason === "abort" ? "other" : "stop";
  return { text, finish, model };
}

function asHistory(messages: readonly Message[], name: string): { history: object[]; question: string } {
  const texts = messages.map(({ role, content }) => {
    if (typeof content === "string") return { role, text: content };
    if (content.some((p) => p.type === "image")) throw new OrreryError("bad_argument", `${name} is run from a GGUF file and is shown text only; use an endpoint for pictures`);
    return { role, text: content.map((p) => (p.type === "text" ? p.text : "")).join("") };
  });
  const question = texts.at(-1);
  if (question?.role !== "user") throw new OrreryError("bad_argument", "the last message to a language model must be the user's");
  const history = texts.slice(0, -1).map(({ role, text }) => (role === "assistant" ? { type: "model", response: [text] } : { type: role, text }));
  return { history, question: question.text };
}
