/**
 * A language model as prompt upsampler, with a published template and its sampling settings, behind an OpenAI-compatible
 * endpoint or from a GGUF file. What it answers is cleaned of the decoration that such models add, and nothing else.
 */
import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { fromSystemError, OrreryError } from "../../errors.ts";
import { endpointSchema, ggufSchema, type Sampling } from "../../language/index.ts";
import { formatMarksIn } from "../language-model/formats.ts";
import { openPolicyModel } from "../language-model/guard.ts";
import { openGrammarUpsampler } from "./grammar.ts";
import { standardRules, type PromptUpsampler, type UpsampleRules } from "./upsample.ts";

export const templateNames = ["cosmos-1", "cosmos-3", "orrery"] as const;
export type TemplateName = (typeof templateNames)[number];

/** Sampling as published: Cosmos 1.0's upsampler script, Cosmos 3's README. */
export const publishedSampling: Readonly<Record<TemplateName, Sampling>> = {
  "cosmos-1": { maxTokens: 512, temperature: 0.01 },
  "cosmos-3": { maxTokens: 20_000, temperature: 0.7, topP: 0.8, topK: 20, presencePenalty: 1.5, repetitionPenalty: 1, seed: 3407 },
  orrery: { maxTokens: 400, temperature: 0.3, topP: 0.9, seed: 0 },
};

const shape = z.strictObject({
  /** `grammar` is the built-in one; a template's name or file goes with a model. */
  upsampler: z.enum(["grammar", "language-model"]),
  template: z.union([z.enum(templateNames), z.strictObject({ file: z.string().min(1) })]).default("orrery"),
  endpoint: endpointSchema.optional(),
  model: ggufSchema.optional(),
  sampling: z
    .strictObject({ maxTokens: z.number().int().min(16).max(100_000), temperature: z.number().min(0).max(2), topP: z.number().gt(0).max(1), topK: z.number().int().min(0), presencePenalty: z.number().min(-2).max(2), repetitionPenalty: z.number().gt(0).max(2), seed: z.number().int().min(0) })
    .partial()
    .default({}),
  timeoutMs: z.number().int().min(1).max(600_000).default(120_000),
  skipAbove: z.number().int().min(1).max(10_000).default(standardRules.skipAbove),
  maxWords: z.number().int().min(10).max(10_000).default(standardRules.maxWords),
  minKept: z.number().min(0).max(1).default(standardRules.minKept),
  attempts: z.number().int().min(1).max(5).default(standardRules.attempts),
  seed: z.number().int().min(0).default(0),
});

export interface OpenedUpsampler {
  upsampler: PromptUpsampler;
  rules: UpsampleRules;
}

/** Opens the upsampler that a YAML file describes, or the built-in one for "grammar". */
export async function openUpsampler(source: string): Promise<OpenedUpsampler> {
  if (source === "grammar") return { upsampler: openGrammarUpsampler(), rules: standardRules };
  let yaml: string;
  try {
    if ((await stat(source)).size > 1 << 20) throw new OrreryError("bad_config", `${source} is larger than an upsampler's settings are`);
    yaml = await readFile(source, "utf8");
  } catch (error) {
    throw fromSystemError(error, source);
  }
  return parseUpsampler(yaml, source);
}

/** As `openUpsampler`, from YAML text; relative paths start at the folder of `origin`. Throws `bad_config`. */
export async function parseUpsampler(yaml: string, origin: string): Promise<OpenedUpsampler> {
  let tree: unknown;
  try {
    tree = parse(yaml, { maxAliasCount: 100 });
  } catch (error) {
    throw new OrreryError("bad_config", `${origin} is not YAML: ${(error as Error).message.split("\n")[0]}`, { cause: error });
  }
  const parsed = shape.safeParse(tree);
  if (!parsed.success) throw new OrreryError("bad_config", `${origin} does not describe an upsampler: ${parsed.error.issues.map((i) => `${i.path.join(".") || "fields"}: ${i.message}`).join("; ")}`);
  const { upsampler, template, sampling, timeoutMs, seed, skipAbove, maxWords, minKept, attempts } = parsed.data;
  const rules: UpsampleRules = { skipAbove, maxWords, minKept, attempts };
  if (upsampler === "grammar") return { upsampler: openGrammarUpsampler({ seed }), rules };
  const folder = dirname(resolve(origin));
  const text = await readTemplate(template, folder);
  const model = await openPolicyModel({ folder, name: "the prompt upsampler", timeoutMs }, parsed.data);
  const settings = { ...(typeof template === "string" ? publishedSampling[template] : publishedSampling.orrery), ...(Object.fromEntries(Object.entries(sampling).filter(([, v]) => v !== undefined)) as Partial<Sampling>) };
  const digest = createHash("sha256").update(text).digest("hex").slice(0, 12);
  return {
    rules,
    upsampler: {
      model: model.name,
      version: `${model.version}, ${typeof template === "string" ? template : "own"} template ${digest}`,
      rewrite: async (prompt, { attempt, signal }) => {
        if (formatMarksIn(prompt).length > 0) throw new OrreryError("bad_argument", "the prompt holds marks of a chat format and is not given to a language model");
        const [before, after] = text.split("{prompt}") as [string, string];
        // Cooler with every attempt, and from another seed, since the same words would be refused again.
        const cooler: Sampling = { ...settings, ...(settings.temperature === undefined ? {} : { temperature: +(settings.temperature / 2 ** attempt).toFixed(4) }), ...(settings.seed === undefined ? {} : { seed: settings.seed + attempt }) };
        const answer = await model.chat([{ role: "user", content: before + prompt.trim() + after }], cooler, signal ? { signal } : {});
        // Words that were cut off, or that are none, are refused as unfaithful, and the next attempt may do better.
        return answer.finish === "stop" ? cleanCaption(answer.text) : "";
      },
      close: () => model.close(),
    },
  };
}

async function readTemplate(template: z.output<typeof shape>["template"], folder: string): Promise<string> {
  const file = typeof template === "string" ? new URL(`./templates/${template}.txt`, import.meta.url) : resolve(folder, template.file);
  let text: string;
  try {
    text = (await readFile(file, "utf8")).trimEnd();
  } catch (error) {
    throw fromSystemError(error, String(file));
  }
  if (text.split("{prompt}").length !== 2) throw new OrreryError("bad_config", `the template ${String(file)} must hold {prompt} exactly once`);
  return text;
}

/**
 * The caption of a model's answer, as one paragraph: of `<final_prompt>` where there is one, without thoughts, short bold
 * labels, a leading "Caption:", list marks, quotes and line breaks. What the reference's `clean_text` removes is removed.
 */
export function cleanCaption(answer: string): string {
  const last = /<final_prompt>([^]*?)<\/final_prompt>/.exec(answer)?.[1];
  let text = last ?? answer.replace(/<think>[^]*?<\/think>/g, "").replace(/<scene_draft>[^]*?<\/scene_draft>/g, "");
  text = text.replace(/[\r\n]+/g, " ").replace(/- \*\*(.*?)\*\*/g, (whole, label: string) => ((label.match(/\w+/g) ?? []).length < 10 ? "" : whole));
  for (const prefix of ["Caption:", "#####", "####", "- ", "* ", ","]) if (text.trimStart().startsWith(prefix)) text = text.trimStart().slice(prefix.length);
  return text.split(/\s+/).filter(Boolean).join(" ").replace(/^[ \-,*:"'“”]+|[ \-,*:"'“”]+$/g, "");
}
