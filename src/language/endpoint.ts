/**
 * A language model behind an OpenAI-compatible address: vLLM, SGLang, NIM, Ollama, llama.cpp's server, or a hosted service.
 * `POST {baseUrl}/chat/completions` and `POST {baseUrl}/completions`, nothing else. The answer is a stranger's: its size is
 * bounded, its shape is checked, redirects are not followed, and the key is sent to that one address only and never repeated.
 */
import { setTimeout as wait } from "node:timers/promises";
import { z } from "zod";
import { OrreryError } from "../errors.ts";
import type { Completion, LanguageModel, Message, Sampling } from "./model.ts";

/** Settings of an endpoint, as they stand in a policy or a configuration file. */
export const endpointSchema = z.strictObject({
  /** Up to and including the version: "http://127.0.0.1:8000/v1". */
  baseUrl: z.string().max(2000),
  /** The name by which the server knows the model. */
  model: z.string().min(1).max(300),
  /** The environment variable that holds the key; the key itself never stands in a file. */
  apiKeyEnv: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "expected the name of an environment variable").optional(),
  /** Of one request, answer included. */
  timeoutMs: z.number().int().min(1).max(600_000).default(60_000),
  /** Further tries when nothing was answered or the server was busy. */
  retries: z.number().int().min(0).max(10).default(2),
  maxRequestBytes: z.number().int().min(1).max(1 << 30).default(32 << 20),
  maxResponseBytes: z.number().int().min(1).max(1 << 30).default(4 << 20),
  /** Send a key over plain HTTP to another machine all the same. */
  keyOverPlainHttp: z.boolean().default(false),
});

export type EndpointSettings = z.input<typeof endpointSchema>;
type Settings = z.output<typeof endpointSchema>;

const usage = z.object({ prompt_tokens: z.number().optional(), completion_tokens: z.number().optional() }).nullish();
const part = z.object({ type: z.string(), text: z.string().optional() });
const chatAnswer = z.object({
  model: z.string().max(1000).optional(), usage,
  choices: z.array(z.object({ message: z.object({ content: z.union([z.string(), z.array(part)]).nullish() }), finish_reason: z.string().nullish() })).min(1),
});
const completionAnswer = z.object({
  model: z.string().max(1000).optional(), usage,
  choices: z.array(z.object({ text: z.string(), finish_reason: z.string().nullish() })).min(1),
});

/** Statuses after which the same request may be sent again: it was not done. */
const busy = new Set([429, 502, 503, 504]);
const longestWaitMs = 10_000;

/**
 * Checks the settings; asks nothing of the network yet.
 * @throws `bad_config` for an address that is none, or a key that would travel in the clear; `missing_dependency` for a
 * variable that is not set.
 */
export function openEndpoint(given: EndpointSettings, env: Readonly<Record<string, string | undefined>> = process.env): LanguageModel {
  const parsed = endpointSchema.safeParse(given);
  if (!parsed.success) throw new OrreryError("bad_config", `the settings of a language-model endpoint are not valid: ${parsed.error.issues.map((i) => `${i.path.join(".") || "settings"}: ${i.message}`).join("; ")}`);
  const settings = parsed.data;
  const base = checkedBase(settings.baseUrl);
  const key = keyOf(settings, base, env);
  const ask = <T>(path: string, body: object, shape: z.ZodType<T>, signal?: AbortSignal): Promise<T> => request({ settings, base, key }, path, body, shape, signal);
  return {
    name: settings.model,
    version: `${base.origin}${base.pathname}`,
    kind: "endpoint",
    chat: async (messages, sampling, { signal, json } = {}) => {
      const body = { model: settings.model, messages: messages.map(wireMessage), ...wireSampling(sampling), ...(json ? { response_format: { type: "json_object" } } : {}) };
      const { choices: [choice], ...rest } = await ask("chat/completions", body, chatAnswer, signal);
      const content = choice!.message.content ?? "";
      const text = typeof content === "string" ? content : content.map((p) => (p.type === "text" ? (p.text ?? "") : "")).join("");
      return completion(text, choice!.finish_reason, rest, settings.model);
    },
    complete: async (prompt, sampling, { signal } = {}) => {
      const { choices: [choice], ...rest } = await ask("completions", { model: settings.model, prompt, ...wireSampling(sampling) }, completionAnswer, signal);
      return completion(choice!.text, choice!.finish_reason, rest, settings.model);
    },
    close: async () => {},
  };
}

function checkedBase(text: string): URL {
  const fail = (why: string): never => {
    throw new OrreryError("bad_config", `baseUrl of a language-model endpoint ${why}; expected an address such as http://127.0.0.1:8000/v1`);
  };
  if (!URL.canParse(text)) return fail(`is "${text.slice(0, 200)}", which is no address`);
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") return fail(`begins with ${url.protocol}`);
  if (url.username !== "" || url.password !== "") return fail("has a name or password in it, which would end up in records; name the key's variable with apiKeyEnv");
  if (url.search !== "" || url.hash !== "") return fail("has a query or a fragment");
  url.pathname = url.pathname.replace(/\/+$/, "");
  return url;
}

const isThisMachine = (host: string): boolean => host === "localhost" || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host);

function keyOf({ apiKeyEnv, keyOverPlainHttp }: Settings, base: URL, env: Readonly<Record<string, string | undefined>>): string | undefined {
  if (apiKeyEnv === undefined) return undefined;
  const key = env[apiKeyEnv]?.trim();
  if (!key) throw new OrreryError("missing_dependency", `the environment variable ${apiKeyEnv}, which holds the key for ${base.host}, is not set; set it, or leave out apiKeyEnv if the server needs no key`);
  if (!/^[\x21-\x7e]+$/.test(key)) throw new OrreryError("bad_config", `the environment variable ${apiKeyEnv} holds characters that no key has`);
  if (base.protocol === "http:" && !isThisMachine(base.hostname) && !keyOverPlainHttp)
    throw new OrreryError("bad_config", `the key of ${apiKeyEnv} would travel unencrypted to ${base.host}; use https, or say keyOverPlainHttp: true if that network is yours`);
  return key;
}

const wireMessage = ({ role, content }: Message): object => ({
  role,
  content: typeof content === "string" ? content : content.map((p) => (p.type === "text" ? p : { type: "image_url", image_url: { url: `data:${p.mediaType};base64,${Buffer.from(p.bytes).toString("base64")}` } })),
});

function wireSampling({ maxTokens, temperature, topP, topK, presencePenalty, repetitionPenalty, seed, stop }: Sampling): object {
  const all = { max_tokens: maxTokens, temperature, top_p: topP, top_k: topK, presence_penalty: presencePenalty, repetition_penalty: repetitionPenalty, seed, stop };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function completion(text: string, reason: string | null | undefined, { model, usage: used }: { model?: string | undefined; usage?: z.output<typeof usage> }, asked: string): Completion {
  const finish = reason === "stop" || reason === "eos" || reason === null || reason === undefined ? "stop" : reason === "length" ? "length" : reason === "content_filter" ? "content-filter" : "other";
  return {
    text, finish, model: model ?? asked,
    ...(used?.prompt_tokens === undefined ? {} : { promptTokens: used.prompt_tokens }),
    ...(used?.completion_tokens === undefined ? {} : { completionTokens: used.completion_tokens }),
  };
}

interface Target {
  settings: Settings;
  base: URL;
  key: string | undefined;
}

/** One request with its further tries. All of them together take no longer than `timeoutMs`. */
async function request<T>(target: Target, path: string, body: object, shape: z.ZodType<T>, signal: AbortSignal | undefined): Promise<T> {
  const { settings, base } = target;
  const text = JSON.stringify(body);
  if (Buffer.byteLength(text) > settings.maxRequestBytes)
    throw new OrreryError("bad_argument", `a request to ${base.host} would have ${Buffer.byteLength(text)} bytes; at most ${settings.maxRequestBytes} are sent (maxRequestBytes)`);
  const deadline = AbortSignal.timeout(settings.timeoutMs);
  const stop = signal ? AbortSignal.any([signal, deadline]) : deadline;
  const fail = (why: string, cause?: unknown): OrreryError => new OrreryError("missing_dependency", `the language model at ${base.host} ${why}`, { cause });
  for (let attempt = 0; ; attempt++) {
    const tried = await send(target, path, text, stop).catch((error: unknown) => {
      if (signal?.aborted) throw new OrreryError("cancelled", "asking the language model was stopped");
      if (deadline.aborted) throw fail(`did not answer within ${settings.timeoutMs} ms`, error);
      if (error instanceof OrreryError) throw error;
      return { unreachable: error as Error };
    });
    if ("answer" in tried) {
      const shaped = shape.safeParse(tried.answer);
      if (shaped.success) return shaped.data;
      throw fail(`gave an answer that is not of its interface (${shaped.error.issues[0]?.path.join(".") || "shape"}: ${shaped.error.issues[0]?.message})`);
    }
    const why = "unreachable" in tried ? `cannot be reached (${reasonOf(tried.unreachable)}); is it running at ${base.origin}${base.pathname}?` : tried.said;
    const again = "unreachable" in tried || busy.has(tried.status);
    if (!again || attempt >= settings.retries) throw fail(why, "unreachable" in tried ? tried.unreachable : undefined);
    const pause = "retryAfterMs" in tried && tried.retryAfterMs !== undefined ? tried.retryAfterMs : 250 * 2 ** attempt;
    await wait(Math.min(pause, longestWaitMs), undefined, { signal: stop }).catch((error: unknown) => {
      if (signal?.aborted) throw new OrreryError("cancelled", "asking the language model was stopped");
      throw fail(`${why}, and had no time for another try within ${settings.timeoutMs} ms`, error);
    });
  }
}

type Tried = { answer: unknown } | { status: number; said: string; retryAfterMs?: number };

async function send({ settings, base, key }: Target, path: string, text: string, signal: AbortSignal): Promise<Tried> {
  const response = await fetch(`${base.origin}${base.pathname}/${path}`, {
    method: "POST", body: text, signal, redirect: "manual",
    headers: { "content-type": "application/json", accept: "application/json", ...(key === undefined ? {} : { authorization: `Bearer ${key}` }) },
  });
  if (response.status >= 300 && response.status < 400) {
    await response.body?.cancel();
    // Somebody else's address must see neither the prompt nor the key.
    throw new OrreryError("missing_dependency", `the language model at ${base.host} sends requests on to another address (status ${response.status}), which is not followed; give the final address as baseUrl`);
  }
  const bytes = await readLimited(response, response.ok ? settings.maxResponseBytes : 4096);
  if (!response.ok) {
    const after = Number(response.headers.get("retry-after"));
    return {
      status: response.status, said: `answered with status ${response.status}${detail(bytes ?? Buffer.alloc(0), key)}`,
      ...(response.headers.has("retry-after") && Number.isFinite(after) && after >= 0 ? { retryAfterMs: after * 1000 } : {}),
    };
  }
  if (bytes === undefined) throw new OrreryError("missing_dependency", `the language model at ${base.host} gave an answer of more than ${settings.maxResponseBytes} bytes (maxResponseBytes)`);
  try {
    return { answer: JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as unknown };
  } catch (error) {
    throw new OrreryError("missing_dependency", `the language model at ${base.host} gave an answer that is not JSON`, { cause: error });
  }
}

/** The body, or `undefined` when it is longer than `limit`; an error's body is cut instead. */
async function readLimited(response: Response, limit: number): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size <= limit) continue;
    // Leaving the loop closes the connection.
    return response.ok ? undefined : Buffer.concat(chunks).subarray(0, limit);
  }
  return Buffer.concat(chunks);
}

/** What a server says of its refusal, in one line, without the key, should it repeat it. */
function detail(bytes: Buffer, key: string | undefined): string {
  let text = bytes.toString("utf8");
  const structured = z.object({ error: z.union([z.string(), z.object({ message: z.string() })]).optional(), message: z.string().optional() });
  try {
    const { error, message } = structured.parse(JSON.parse(text));
    text = (typeof error === "string" ? error : error?.message) ?? message ?? text;
  } catch {
    // Not JSON of that kind: its first words will do.
  }
  if (key !== undefined) text = text.replaceAll(key, "[key]");
  const line = text.replace(/\s+/g, " ").trim().slice(0, 200);
  return line === "" ? "" : `: ${line}`;
}

function reasonOf(error: Error): string {
  const cause = error.cause as NodeJS.ErrnoException | undefined;
  return cause?.code ?? cause?.message ?? error.message;
}
