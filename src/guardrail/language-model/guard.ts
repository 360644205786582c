/**
 * A published safety model as a guard, behind an endpoint or from a GGUF file. It is asked greedily, in the format that it was
 * trained on; an answer that was cut, or that cannot be read, is an error, which blocks.
 */
import { resolve } from "node:path";
import { z } from "zod";
import { OrreryError } from "../../errors.ts";
import { endpointSchema, ggufSchema, openEndpoint, openGguf, type LanguageModel } from "../../language/index.ts";
import type { PolicyEntry } from "../policy.ts";
import type { Answer, Finding, Guard } from "../verdict.ts";
import { fillFormat, formatMarksIn, formatNames, guardFormats, readFormat, type GuardFormat } from "./formats.ts";

const shape = z.strictObject({
  /** Which published format the model reads and answers in. */
  format: z.enum(formatNames),
  endpoint: endpointSchema.optional(),
  model: ggufSchema.optional(),
  /** `completions` sends the whole text; `chat` leaves the model's template to the server. By format, if absent. */
  mode: z.enum(["chat", "completions"]).optional(),
});

/** Confidence of what a model calls controversial: a threshold of 0.5 blocks it (strict), one above lets it pass. */
export const controversialConfidence = 0.5;

/** Opens the model of a policy entry's `options`, with relative paths from the policy's folder. */
export async function openPolicyModel({ folder, name, timeoutMs }: Pick<PolicyEntry, "folder" | "name" | "timeoutMs">, options: { endpoint?: z.input<typeof endpointSchema> | undefined; model?: z.input<typeof ggufSchema> | undefined }): Promise<LanguageModel> {
  const { endpoint, model } = options;
  if ((endpoint === undefined) === (model === undefined))
    throw new OrreryError("bad_config", `"${name}" needs either options.endpoint (an OpenAI-compatible address) or options.model (a GGUF file)`);
  if (model) return openGguf({ ...model, gguf: resolve(folder, model.gguf) });
  return openEndpoint({ ...endpoint!, timeoutMs: Math.min(endpoint!.timeoutMs ?? timeoutMs, timeoutMs) });
}

/** Checks a policy entry's `options` against a shape. Throws `bad_config` with the entry's name. */
export function parseOptions<T>(entry: Pick<PolicyEntry, "name" | "options">, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(entry.options);
  if (!parsed.success) throw new OrreryError("bad_config", `options of "${entry.name}": ${parsed.error.issues.map((i) => `${i.path.join(".") || "options"}: ${i.message}`).join("; ")}`);
  return parsed.data;
}

export async function openLanguageModelGuard(entry: PolicyEntry): Promise<Guard> {
  const options = parseOptions(entry, shape);
  const format = guardFormats[options.format];
  const { text, sha256 } = await readFormat(format.name);
  const model = await openPolicyModel(entry, options);
  const mode = options.mode ?? (model.kind === "gguf" && !format.message ? "completions" : format.prefer);
  if (mode === "completions" && format.message) {
    await model.close();
    throw new OrreryError("bad_config", `"${entry.name}": the format ${format.name} is a chat message; use mode: chat`);
  }
  return {
    model: model.name,
    version: `${model.version}, ${format.name} format ${sha256.slice(0, 12)}, ${mode}`,
    strength: "large-model",
    covers: format.covers,
    stages: ["prompt", "upsampled-prompt", "negative-prompt"],
    check: async (subject, { signal }) => {
      if (subject.stage === "video") throw new Error("it reads text only");
      const marks = formatMarksIn(subject.text);
      if (marks.length > 0) return { findings: [{ category: "O13", confidence: 1, evidence: marks.map((m) => `the text holds ${m}, a mark of the prompt format`) }] };
      return findingsOf(format, await ask(model, format, mode, text, subject.text, signal));
    },
    close: () => model.close(),
  };
}

async function ask(model: LanguageModel, format: GuardFormat, mode: "chat" | "completions", text: string, prompt: string, signal: AbortSignal): Promise<string> {
  const sampling = { maxTokens: format.maxTokens, temperature: 0 };
  const { finish, text: answer } =
    mode === "completions"
      ? await model.complete(fillFormat(text, prompt), sampling, { signal })
      : await model.chat([{ role: "user", content: format.message ? fillFormat(text, prompt) : prompt }], sampling, { signal });
  if (finish !== "stop") throw new Error(`its answer was cut (${finish})`);
  return answer;
}

function findingsOf(format: GuardFormat, answer: string): Answer {
  const { safety, categories } = format.parse(answer);
  const confidence = safety === "unsafe" ? 1 : controversialConfidence;
  const findings = categories.map(({ category, label }): Finding => ({ category, confidence, evidence: [`${format.name}: ${safety}, ${label}`] }));
  return { findings };
}
