/**
 * Words to numbers, for text encoders trained here: a vocabulary of whole words, in the `tokenizer.json` of Hugging Face's
 * `tokenizers` (WordLevel, lower case, words and marks apart, an end token), so that transformers' `PreTrainedTokenizerFast`
 * opens it too. What is not in the vocabulary becomes one unknown word, and `unknownWords` says which, because a model
 * cannot be led by a word that it never met.
 */
import { z } from "zod";
import { OrreryError } from "../../errors.ts";

const specials = ["<pad>", "</s>", "<unk>"] as const;
const [pad, end, unknown] = [0, 1, 2];

export interface Words {
  /** Entry i is the word of number i. */
  readonly list: readonly string[];
  readonly numbers: ReadonlyMap<string, number>;
}

/** As `tokenizers`' pre-tokenizer "Whitespace" parts them. */
const split = (text: string): string[] => text.normalize("NFKC").toLowerCase().match(/[\p{L}\p{N}_]+|[^\p{L}\p{N}_\s]+/gu) ?? [];

const wordsOf = (list: readonly string[]): Words => ({ list, numbers: new Map(list.map((word, i) => [word, i])) });

/** The words that occur at least `least` times in the captions, the most frequent first, at most `most`. */
export function collectWords(captions: Iterable<string>, { least = 2, most = 8192 }: { least?: number; most?: number } = {}): Words {
  const counts = new Map<string, number>();
  for (const caption of captions) for (const word of split(caption)) counts.set(word, (counts.get(word) ?? 0) + 1);
  const known = [...counts].filter(([word, n]) => n >= least && !(specials as readonly string[]).includes(word)).sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  return wordsOf([...specials, ...known.slice(0, most - specials.length).map(([word]) => word)]);
}

/** Exactly `length` numbers, cut or filled up, and which of them count. The end token always has a place. */
export function encodeWords({ numbers }: Words, text: string, length: number): { tokens: BigInt64Array; mask: Uint8Array } {
  const tokens = new BigInt64Array(length).fill(BigInt(pad));
  const ids = split(text).slice(0, length - 1).map((word) => numbers.get(word) ?? unknown);
  [...ids, end].forEach((id, i) => (tokens[i] = BigInt(id)));
  return { tokens, mask: Uint8Array.from({ length }, (_, i) => (i <= ids.length ? 1 : 0)) };
}

/** Words of a text that are not in the vocabulary, each once. */
export const unknownWords = ({ numbers }: Words, text: string): string[] => [...new Set(split(text))].filter((word) => !numbers.has(word));

/** What `tokenizer.json` says. */
export function wordsJson({ list }: Words): Record<string, unknown> {
  const special = (id: number): Record<string, unknown> => ({ id, content: list[id], single_word: false, lstrip: false, rstrip: false, normalized: false, special: true });
  return {
    version: "1.0", truncation: null, padding: null,
    added_tokens: [special(pad), special(end), special(unknown)],
    normalizer: { type: "Sequence", normalizers: [{ type: "NFKC" }, { type: "Lowercase" }] },
    pre_tokenizer: { type: "Whitespace" },
    post_processor: {
      type: "TemplateProcessing", single: [{ Sequence: { id: "A", type_id: 0 } }, { SpecialToken: { id: list[end], type_id: 0 } }],
      pair: [{ Sequence: { id: "A", type_id: 0 } }, { SpecialToken: { id: list[end], type_id: 0 } }, { Sequence: { id: "B", type_id: 0 } }, { SpecialToken: { id: list[end], type_id: 0 } }],
      special_tokens: { [list[end]!]: { id: list[end], ids: [end], tokens: [list[end]] } },
    },
    decoder: null,
    model: { type: "WordLevel", vocab: Object.fromEntries(list.map((word, i) => [word, i])), unk_token: list[unknown] },
  };
}

const schema = z.object({ model: z.object({ type: z.literal("WordLevel"), vocab: z.record(z.string(), z.int().nonnegative()) }) });

/** Reads a `tokenizer.json`. @throws `bad_config` for other kinds than whole words. */
export function parseWords(json: unknown, path: string): Words {
  const result = schema.safeParse(json);
  if (!result.success) throw new OrreryError("bad_config", `${path} is not a tokenizer of whole words ("WordLevel"), the only kind that is read here: ${result.error.issues.map((i) => `${i.path.join(".")}: ${i.message}`).join("; ")}`);
  const list: string[] = [];
  for (const [word, id] of Object.entries(result.data.model.vocab)) list[id] = word;
  if (specials.some((word, i) => list[i] !== word) || Object.keys(list).length !== list.length) throw new OrreryError("bad_config", `${path}: the vocabulary must begin with ${specials.join(" ")} and number its words without gaps`);
  return wordsOf(list);
}
