/**
 * How published safety models answer, read strictly. An answer either is one of the forms that its model was trained to give or
 * it is an error, which blocks: the reference searches for the word "unsafe" and takes everything else for "safe", so that an
 * empty answer, an apology or half a sentence lets the prompt through.
 */
import { z } from "zod";
import { fromVocabulary, type CategoryId, type Vocabulary } from "../taxonomy.ts";

export interface Answered {
  /** `controversial` is Qwen3Guard's word for what depends on the context. */
  safety: "safe" | "unsafe" | "controversial";
  /** Our categories with the model's own labels; for "unsafe" at least one. */
  categories: readonly { category: CategoryId; label: string }[];
}

const unreadable = (answer: string, expected: string): Error => new Error(`its answer cannot be read: expected ${expected}, got ${JSON.stringify(answer.length > 120 ? `${answer.slice(0, 120)}…` : answer)}`);

/** A model that says "unsafe" and names a category that there is not, or none, has still said "unsafe". */
function categoriesNamed(vocabulary: Vocabulary, names: readonly string[]): Answered["categories"] {
  const given = names.map((n) => n.trim()).filter((n) => n !== "");
  const found = given.map((name) => {
    // "S1", "Violence" and "S1: Violence" are all seen.
    const known = fromVocabulary(vocabulary, name) ?? fromVocabulary(vocabulary, name.split(":")[0]!);
    return { category: known?.id ?? ("O13" as const), label: (known ? `${name} (${known.label})` : `${name} (unknown to this model's list)`).slice(0, 200) };
  });
  return found.length > 0 ? found.slice(0, 50) : [{ category: "O13", label: "no category given" }];
}

/** `safe`, or `unsafe` with a second line of codes separated by commas: Llama Guard, and Aegis, which is made from it. */
export function parseLlamaGuard(vocabulary: "aegis" | "llama-guard-3", answer: string): Answered {
  const lines = answer.trim().split(/\r?\n/).map((line) => line.trim());
  if (lines.length === 1 && lines[0] === "safe") return { safety: "safe", categories: [] };
  if (lines[0] === "unsafe" && lines.length <= 2) return { safety: "unsafe", categories: categoriesNamed(vocabulary, (lines[1] ?? "").split(",")) };
  throw unreadable(answer, `"safe", or "unsafe" and a line of categories`);
}

const nemoShape = z.strictObject({
  "User Safety": z.enum(["safe", "unsafe"]),
  "Response Safety": z.enum(["safe", "unsafe"]).optional(),
  "Safety Categories": z.string().max(2000).optional(),
});

/** One JSON object with "User Safety" and, if unsafe, "Safety Categories". */
export function parseNemoGuard(answer: string): Answered {
  const expected = `JSON with "User Safety"`;
  let tree: unknown;
  try {
    tree = JSON.parse(answer.trim());
  } catch {
    throw unreadable(answer, expected);
  }
  const shaped = nemoShape.safeParse(tree);
  // JSON takes the last of two equal names; a verdict that stands there twice is none.
  if (!shaped.success || answer.split(`"User Safety"`).length !== 2) throw unreadable(answer, expected);
  const { "User Safety": user, "Response Safety": response, "Safety Categories": named = "" } = shaped.data;
  if (user === "unsafe" || response === "unsafe") return { safety: "unsafe", categories: categoriesNamed("nemoguard", named.split(",")) };
  if (named.trim() !== "") throw unreadable(answer, "no categories for what is safe");
  return { safety: "safe", categories: [] };
}

/** `Safety: Safe|Unsafe|Controversial` and `Categories: …` on two lines; a line `Refusal: …` may follow. */
export function parseQwen3Guard(answer: string): Answered {
  const expected = `"Safety: …" and "Categories: …" on two lines`;
  const read = /^(?:<think>\s*<\/think>\s*)?Safety: (Safe|Unsafe|Controversial)[ \t]*\r?\nCategories: ([^\r\n]+)(?:\r?\nRefusal: (?:Yes|No))?$/.exec(answer.trim());
  if (!read) throw unreadable(answer, expected);
  const names = read[2]!.split(",").map((n) => n.trim().replace(/\.$/, ""));
  const none = names.every((n) => n === "None" || n === "");
  if (read[1] === "Safe") {
    if (!none) throw unreadable(answer, `"Categories: None" for what is safe`);
    return { safety: "safe", categories: [] };
  }
  return { safety: read[1] === "Unsafe" ? "unsafe" : "controversial", categories: categoriesNamed("qwen3guard", none ? [] : names) };
}
