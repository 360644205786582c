/**
 * What a language model is to the rest of the house: something that continues a text or answers messages, pictures included.
 * `endpoint.ts` reaches one behind an OpenAI-compatible address, `gguf.ts` runs one from a file; which of the two it is, no
 * caller needs to know. What to ask and how to read the answer is the caller's business.
 */

/** A picture as the bytes of a file. */
export interface ImagePart {
  type: "image";
  mediaType: "image/png" | "image/jpeg" | "image/webp";
  bytes: Uint8Array;
}

export interface TextPart {
  type: "text";
  text: string;
}

export interface Message {
  role: "system" | "user" | "assistant";
  content: string | readonly (TextPart | ImagePart)[];
}

/** How to sample. What is absent is left to the model's server or file; `temperature: 0` is greedy. */
export interface Sampling {
  maxTokens: number;
  temperature?: number;
  topP?: number;
  /** Not part of OpenAI's own interface; vLLM, SGLang and llama.cpp take it. */
  topK?: number;
  presencePenalty?: number;
  /** As `topK`. */
  repetitionPenalty?: number;
  seed?: number;
  stop?: readonly string[];
}

export interface Completion {
  text: string;
  /** `stop`: the model came to an end. Anything else is an answer that was cut. */
  finish: "stop" | "length" | "content-filter" | "other";
  /** The name that the model answered under. */
  model: string;
  promptTokens?: number;
  completionTokens?: number;
}

export interface LanguageModel {
  /** What it is called where it lives: "Qwen/Qwen3Guard-Gen-0.6B", "qwen3guard-0.6b-q8_0.gguf". */
  readonly name: string;
  /** What tells one version from another: the address for an endpoint, the file's SHA-256 for a GGUF. */
  readonly version: string;
  readonly kind: "endpoint" | "gguf";
  /** Answers messages in the model's own chat format. */
  chat(messages: readonly Message[], sampling: Sampling, options?: { signal?: AbortSignal; json?: boolean }): Promise<Completion>;
  /** Continues a text as it stands, special tokens included. */
  complete(prompt: string, sampling: Sampling, options?: { signal?: AbortSignal }): Promise<Completion>;
  close(): Promise<void>;
}
