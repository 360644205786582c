/**
 * English words as WordNet 3.0 knows them: which words there are, their base forms, and what kinds of things they name.
 * `lemmatize` is WordNet's own morphology ("morphy") with the choices of NLTK's `WordNetLemmatizer`, odd results included
 * ("ass" is "as"), because block lists of the reference are written for it. Words only, no collocations.
 */
import { readFileSync } from "node:fs";
import { brotliDecompressSync } from "node:zlib";

/** Noun, verb, adjective, adverb. */
export type PartOfSpeech = "n" | "v" | "a" | "r";

/** Endings and what takes their place, in WordNet's order, which decides ties. */
const rules: Readonly<Record<PartOfSpeech, readonly (readonly [ending: string, instead: string])[]>> = {
  n: [["s", ""], ["ses", "s"], ["ves", "f"], ["xes", "x"], ["zes", "z"], ["ches", "ch"], ["shes", "sh"], ["men", "man"], ["ies", "y"]],
  v: [["s", ""], ["ies", "y"], ["es", "e"], ["es", ""], ["ed", "e"], ["ed", ""], ["ing", "e"], ["ing", ""]],
  a: [["er", ""], ["est", ""], ["er", "e"], ["est", "e"]],
  r: [],
};

const bits: Readonly<Record<PartOfSpeech, number>> = { n: 1, v: 2, a: 4, r: 8 };

export interface Lexicon {
  /** Whether WordNet has the word as it stands, as any part of speech. */
  has(word: string): boolean;
  /** Whether it is a word or an inflected form of one. */
  knows(form: string): boolean;
  /** Base forms in WordNet's order; none for a word that it does not have as this part of speech. */
  lemmas(form: string, pos: PartOfSpeech): string[];
  /** The shortest base form, or the word itself: NLTK's `WordNetLemmatizer().lemmatize(form, pos)`. */
  lemmatize(form: string, pos?: PartOfSpeech): string;
  /** What the word's first sense is a kind of, from near to general, as node numbers. */
  kinds(lemma: string, pos: "n" | "v"): number[];
}

let opened: Lexicon | undefined;

/** The lexicon; reads its table (430 KB, about 60 ms) the first time. */
export function openLexicon(): Lexicon {
  return (opened ??= parse(brotliDecompressSync(readFileSync(new URL("./data/wordnet.txt.br", import.meta.url))).toString("latin1")));
}

function parse(text: string): Lexicon {
  const section = (name: string): string[] => {
    const from = text.indexOf(`#${name}\n`) + name.length + 2;
    const to = text.indexOf("\n#", from);
    return text.slice(from, to < 0 ? text.length - 1 : to).split("\n");
  };
  const rows = new Map<string, number>();
  const [masks, nounKinds, verbKinds]: [number[], number[], number[]] = [[], [], []];
  for (const line of section("words")) {
    const [word, mask, noun, verb] = line.split("\t");
    rows.set(word!, masks.length);
    masks.push(Number(mask));
    nounKinds.push(Number(noun || 0));
    verbKinds.push(Number(verb || 0));
  }
  const exceptions: Record<PartOfSpeech, Map<string, string[]>> = { n: new Map(), v: new Map(), a: new Map(), r: new Map() };
  for (const line of section("exceptions")) {
    const [pos, form, lemmas] = line.split("\t") as [PartOfSpeech, string, string];
    exceptions[pos].set(form, lemmas.split(" "));
  }
  const parents = Int32Array.from(section("kinds"), Number);

  const isA = (word: string, pos: PartOfSpeech): boolean => {
    const row = rows.get(word);
    return row !== undefined && (masks[row]! & bits[pos]) !== 0;
  };
  const lemmas = (form: string, pos: PartOfSpeech): string[] => {
    const found = isA(form, pos) ? [form] : [];
    const add = (candidate: string): void => {
      if (isA(candidate, pos) && !found.includes(candidate)) found.push(candidate);
    };
    const irregular = exceptions[pos].get(form);
    if (irregular) irregular.forEach(add);
    else for (const [ending, instead] of rules[pos]) if (form.endsWith(ending)) add(form.slice(0, -ending.length) + instead);
    return found;
  };
  return {
    has: (word) => rows.has(word),
    knows: (form) => rows.has(form) || lemmas(form, "n").length > 0 || lemmas(form, "v").length > 0 || lemmas(form, "a").length > 0,
    lemmas,
    lemmatize: (form, pos = "n") => lemmas(form, pos).reduce((best, next) => (best === undefined || next.length < best.length ? next : best), undefined as string | undefined) ?? form,
    kinds: (lemma, pos) => {
      const row = rows.get(lemma);
      const path: number[] = [];
      for (let node = row === undefined ? 0 : (pos === "n" ? nounKinds : verbKinds)[row]!; node > 0; node = parents[node - 1]!) path.push(node);
      return path;
    },
  };
}
