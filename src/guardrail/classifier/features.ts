/**
 * What the small classifier sees of a text: hashed features of words, base forms, what things are kinds of (WordNet), groups
 * of the block list ("person", "blade", "child"), pairs of words that stand near each other, and hits of the block list. The
 * text is read as the block list reads it, so a disguised word is seen as the word that it hides. Long texts are cut into
 * sentences: one harmful sentence is not drowned by twenty harmless ones.
 */
import { openLexicon, openStandardMatcher, standardLists, type Hit, type Token } from "../blocklist/index.ts";

/** Buckets that features are hashed into; 0 is padding. */
export const buckets = 1 << 16;
/** Features of a window that are looked at; the rest of a longer one is dropped. */
export const maxFeatures = 320;
const windowTokens = 26;
const leastTokens = 5;
const overlap = 8;
/** Windows that are looked at; enough for 20,000 characters. */
const maxWindows = 400;

export interface Window {
  /** Bucket numbers, without repeats. */
  features: Uint32Array;
  /** Where it stands in the text: [start, end). */
  start: number;
  end: number;
}

/** Features of every window of a text. No words, no windows. */
export function windowsOf(text: string): Window[] {
  const { tokens, hits } = openStandardMatcher().read(text);
  return cut(tokens).map(([from, to]) => ({ features: featuresOf(tokens.slice(from, to), hits.filter((h) => h.from >= from && h.to <= to), from), start: tokens[from]!.start, end: tokens[to - 1]!.end }));
}

/** Token ranges: a sentence each, with very short ones before it; long sentences in overlapping pieces. */
function cut(tokens: readonly Token[]): [number, number][] {
  const windows: [number, number][] = [];
  let from = 0;
  while (from < tokens.length && windows.length < maxWindows) {
    let to = from + 1;
    while (to < tokens.length && to - from < windowTokens && !(tokens[to]!.breaks && to - from >= leastTokens)) to++;
    windows.push([from, to]);
    from = to === tokens.length || tokens[to]!.breaks ? to : to - overlap;
  }
  return windows;
}

/** FNV-1a, folded into 1 .. buckets - 1. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h ^= h >>> 15;
  return 1 + ((h >>> 0) % (buckets - 1));
}

interface WordFacts {
  /** The form that pairs are made of. */
  base: string;
  /** A word of content, not of grammar. */
  content: boolean;
  groups: readonly string[];
  own: readonly number[];
}

const facts = new Map<string, WordFacts>();
const grammar = new Set(
  ("a an the of to in on at by for from with and or but is are was were be been being am as it its this that these those there here he she they we you i his her their our your my him them me us who which what when where why how " +
    "will would can could should may might must do does did have has had not no so if then than very more most some any all into onto over under up down out off about through while").split(" "),
);
let groupsByWord: Map<string, string[]> | undefined;

function factsOf(token: Token): WordFacts {
  const word = token.native ?? token.word;
  const known = facts.get(word);
  if (known) return known;
  if (!groupsByWord) {
    groupsByWord = new Map();
    for (const [name, words] of standardLists().groups) for (const w of words) groupsByWord.set(w, [...(groupsByWord.get(w) ?? []), name]);
  }
  const lexicon = openLexicon();
  const content = !grammar.has(word);
  const [noun, verb] = [lexicon.lemmatize(word, "n"), lexicon.lemmatize(word, "v")];
  const base = verb === word ? noun : verb;
  const groups = content ? [...new Set([...(groupsByWord.get(word) ?? []), ...(groupsByWord.get(noun) ?? []), ...(groupsByWord.get(verb) ?? [])])] : [];
  const own = new Set([hash(`w ${word}`)]);
  if (content) {
    for (const lemma of new Set([noun, verb])) own.add(hash(`l ${lemma}`));
    for (const kind of lexicon.kinds(noun, "n").slice(0, 3)) own.add(hash(`k ${kind}`));
    for (const kind of lexicon.kinds(verb, "v").slice(0, 1)) own.add(hash(`k ${kind}`));
    for (const group of groups) own.add(hash(`g ${group}`));
    if (!lexicon.knows(word) && word.length > 4) for (let i = 0; i + 4 <= word.length && i < 12; i++) own.add(hash(`c ${word.slice(i, i + 4)}`));
  }
  const made: WordFacts = { base, content, groups, own: [...own] };
  if (facts.size < 50_000) facts.set(word, made);
  return made;
}

function featuresOf(tokens: readonly Token[], hits: readonly Hit[], offset: number): Uint32Array {
  const words = tokens.map(factsOf);
  const found = new Set<number>();
  for (const { entry, disguise } of hits) {
    found.add(hash(`h ${entry.category} ${entry.severity}`));
    if (disguise) found.add(hash("h disguise"));
  }
  if (offset === 0 && words.length > 0) {
    found.add(hash(`f ${words[0]!.base}`));
    if (words.length > 1) found.add(hash(`f ${words[0]!.base} ${words[1]!.base}`));
    if (words.length > 2) found.add(hash(`f ${words[0]!.base} ${words[1]!.base} ${words[2]!.base}`));
  }
  words.forEach((word, i) => {
    for (const feature of word.own) found.add(feature);
    if (i + 1 < words.length) found.add(hash(`b ${word.base} ${words[i + 1]!.base}`));
    if (!word.content) return;
    // Pairs of content words at most three content words apart, in order; a group stands for its words.
    for (let j = i + 1, seen = 0; j < words.length && seen < 3; j++) {
      const other = words[j]!;
      if (!other.content) continue;
      seen++;
      found.add(hash(`s ${word.base} ${other.base}`));
      for (const group of other.groups) found.add(hash(`s ${word.base} ${group}`));
      for (const group of word.groups) found.add(hash(`s ${group} ${other.base}`));
    }
  });
  return Uint32Array.from([...found].slice(0, maxFeatures));
}
