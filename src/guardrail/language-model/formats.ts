/**
 * What published safety models read: the exact text, where the prompt goes in it, and how long the answer may be. How they
 * answer is in `answers.ts`. A prompt that holds pieces of such a text itself could end the question and write the answer, so
 * those pieces are looked for first; no description of a scene has them.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { categoriesOf, categoryIds, type CategoryId, type Vocabulary } from "../taxonomy.ts";
import { parseLlamaGuard, parseNemoGuard, parseQwen3Guard, type Answered } from "./answers.ts";

export const formatNames = ["aegis", "llama-guard-3", "nemoguard", "qwen3guard"] as const;
export type FormatName = (typeof formatNames)[number];

export interface GuardFormat {
  name: FormatName;
  /**
   * `completions`: the whole text as it stands, special tokens included. `chat`: the prompt alone as the user's message, for a
   * server that applies the model's own template; or, for a model whose format is a message (`message`), that text.
   */
  prefer: "chat" | "completions";
  message: boolean;
  maxTokens: number;
  vocabulary: Vocabulary;
  covers: readonly CategoryId[];
  parse(answer: string): Answered;
}

export const guardFormats: Readonly<Record<FormatName, GuardFormat>> = {
  aegis: {
    name: "aegis", prefer: "completions", message: false, maxTokens: 100, vocabulary: "aegis",
    covers: categoriesOf("aegis").filter((id) => id !== "O9" && id !== "O13"),
    parse: (answer) => parseLlamaGuard("aegis", answer),
  },
  "llama-guard-3": {
    name: "llama-guard-3", prefer: "chat", message: false, maxTokens: 100, vocabulary: "llama-guard-3",
    covers: categoriesOf("llama-guard-3"),
    parse: (answer) => parseLlamaGuard("llama-guard-3", answer),
  },
  nemoguard: { name: "nemoguard", prefer: "chat", message: true, maxTokens: 50, vocabulary: "nemoguard", covers: categoriesOf("nemoguard"), parse: parseNemoGuard },
  qwen3guard: {
    name: "qwen3guard", prefer: "chat", message: false, maxTokens: 128, vocabulary: "qwen3guard",
    // Its "Unethical Acts" are defined as hate, harassment and threats among others, and are reported as O13.
    covers: categoryIds.filter((id) => categoriesOf("qwen3guard").includes(id) || id === "O8" || id === "O10" || id === "O11"),
    parse: parseQwen3Guard,
  },
};

/** A format's text, and its digest for the record. */
export async function readFormat(name: FormatName): Promise<{ text: string; sha256: string }> {
  const text = await readFile(new URL(`./formats/${name}.txt`, import.meta.url), "utf8");
  return { text, sha256: createHash("sha256").update(text).digest("hex") };
}

/** Puts a prompt into a format. The templates of the models themselves strip the ends of a message; so does this. */
export function fillFormat(text: string, prompt: string): string {
  const [before, after] = text.split("{prompt}") as [string, string];
  return before + prompt.trim() + after;
}

/** Control tokens of Llama, Mistral and Qwen chats, and the section marks of the formats above. */
const marks = /<\|[^<>\n]{0,40}\|>|<\/?s>|\[\/?INST\]|<<\/?SYS>>|<\/?think>|<(?:BEGIN|END)[ _](?:UNSAFE|SAFETY|CONVERSATION|REFUSAL)[^>\n]{0,40}>/giu;

/** Pieces of a prompt format within a prompt; none, normally. Looks through compatibility spellings (full-width brackets). */
export function formatMarksIn(prompt: string): string[] {
  // Letters of width zero inside a mark would hide it from this and not from every tokenizer.
  const plain = prompt.normalize("NFKC").replace(/\p{Default_Ignorable_Code_Point}/gu, "");
  return [...new Set([...plain.matchAll(marks)].map((match) => match[0]))].slice(0, 20);
}
