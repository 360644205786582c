/**
 * Finds entries in a read text. A token is known by its form and its base forms (noun, verb, adjective); an entry is tried
 * where its first word stands. Hits whose first or last word belongs to an allowed phrase are dropped: "make a bath bomb".
 */
import type { Element, Entry, Lists } from "./entries.ts";
import { openLexicon } from "./lexicon.ts";
import { read, type Disguise, type Token } from "./read.ts";
import { vocabulary, type Vocabulary } from "./vocabulary.ts";

export interface Hit {
  entry: Entry;
  /** Tokens [from, to). */
  from: number;
  to: number;
  /** Where it stands in the text: [start, end). */
  start: number;
  end: number;
  /** The words were not written plainly. */
  disguise?: Disguise;
}

export interface Reading {
  tokens: readonly Token[];
  /** Most severe first. */
  hits: readonly Hit[];
}

export interface Matcher {
  readonly vocabulary: Vocabulary;
  read(text: string): Reading;
}

/** Forms that are base forms' inflections only on paper: "a shot of the sea" shoots nobody. */
const ownWords = new Set("shot as us was has less left saw found ground bore felt rose wound lay dice arms glasses pants bit ate sung rang spring stocks bound bloomers drawers shorts boxers clubs spades hearts added lit lied better best does further news shed cast struck hung bred".split(" "));

/** An element made ready: the keys that a token may have. */
type Step = { kind: "gap"; most: number } | { kind: "stem"; stem: string } | { kind: "one"; form: string; exact: boolean } | { kind: "any"; forms: ReadonlySet<string> };
type Pattern<T> = { steps: readonly Step[]; of: T };
interface Index<T> {
  byWord: Map<string, Pattern<T>[]>;
  exact: Map<string, Pattern<T>[]>;
  byStem: Map<string, Pattern<T>[]>;
}

/** Prepares lists for matching. */
export function matcher(lists: Lists): Matcher {
  const lexicon = openLexicon();
  const blocked = index(lists.entries.map((entry) => ({ steps: steps(entry.elements), of: entry })));
  const allowed = index(lists.allowed.map(({ elements, text }) => ({ steps: steps(elements), of: text })));
  const formsOf = (elements: readonly Element[]): string[] => elements.flatMap((e) => (e.kind === "words" ? e.forms : []));
  // Groups have common words ("man"); reading disguises towards them would change ordinary text.
  const listed = lists.entries.flatMap((entry) => entry.elements.flatMap((e) => (e.kind === "words" && e.forms.length === 1 ? e.forms : []))).filter((w) => w.length > 2);
  const single = lists.entries.filter((entry) => entry.elements.length === 1).flatMap((entry) => formsOf(entry.elements));
  const known = vocabulary(lexicon, listed, single);
  const keys = new Map<string, readonly string[]>();

  const keysOf = (token: Token): readonly string[] => {
    const { word, native } = token;
    let found = keys.get(native === undefined ? word : `${native}\0${word}`);
    if (!found) {
      const set = new Set([word, ...(native === undefined ? [] : [native])]);
      if (!ownWords.has(word) && word.length > 2) for (const pos of ["n", "v", "a"] as const) for (const lemma of lexicon.lemmas(word, pos)) set.add(lemma);
      const base = known.base(word);
      if (base !== undefined) set.add(base);
      found = [...set];
      if (keys.size < 50_000) keys.set(native === undefined ? word : `${native}\0${word}`, found);
    }
    return found;
  };

  return {
    vocabulary: known,
    read: (text) => {
      const tokens = read(text, known);
      const tokenKeys = tokens.map(keysOf);
      const found = scan(blocked, tokens, tokenKeys);
      const exempt = found.length > 0 ? scan(allowed, tokens, tokenKeys) : [];
      const hits = found
        .filter((hit) => !exempt.some((e) => (e.from <= hit.from && hit.from < e.to) || (e.from < hit.to && hit.to <= e.to)))
        .map(({ of: entry, from, to }): Hit => {
          const disguise = tokens.slice(from, to).find((t) => t.disguise !== undefined)?.disguise;
          return { entry, from, to, start: tokens[from]!.start, end: tokens[to - 1]!.end, ...(disguise ? { disguise } : {}) };
        })
        .sort((a, b) => b.entry.severity - a.entry.severity || a.from - b.from);
      return { tokens, hits };
    },
  };
}

const sets = new WeakMap<readonly string[], ReadonlySet<string>>();

function steps(elements: readonly Element[]): Step[] {
  return elements.map((element): Step => {
    if (element.kind !== "words") return element;
    if (element.forms.length === 1) return { kind: "one", form: element.forms[0]!, exact: element.exact };
    let forms = sets.get(element.forms);
    if (!forms) sets.set(element.forms, (forms = new Set(element.forms)));
    return { kind: "any", forms };
  });
}

function index<T>(patterns: readonly Pattern<T>[]): Index<T> {
  const made: Index<T> = { byWord: new Map(), exact: new Map(), byStem: new Map() };
  const push = (map: Map<string, Pattern<T>[]>, key: string, pattern: Pattern<T>): void => {
    const list = map.get(key);
    if (list) list.push(pattern);
    else map.set(key, [pattern]);
  };
  for (const pattern of patterns) {
    const first = pattern.steps[0]!;
    if (first.kind === "any") for (const form of first.forms) push(made.byWord, form, pattern);
    else if (first.kind === "one") push(first.exact ? made.exact : made.byWord, first.form, pattern);
    else if (first.kind === "stem") push(made.byStem, first.stem.slice(0, 3), pattern);
  }
  return made;
}

interface Found<T> {
  of: T;
  from: number;
  to: number;
}

function scan<T>(at: Index<T>, tokens: readonly Token[], keys: readonly (readonly string[])[]): Found<T>[] {
  const found: Found<T>[] = [];
  const attempt = (pattern: Pattern<T>, from: number): void => {
    const first = pattern.steps[0]!;
    if (first.kind === "stem" && !(tokens[from]!.native ?? tokens[from]!.word).startsWith(first.stem)) return;
    const to = matchFrom(pattern.steps, 1, from + 1, tokens, keys);
    if (to > 0 && !found.some((f) => f.of === pattern.of && f.from === from)) found.push({ of: pattern.of, from, to });
  };
  tokens.forEach((token, i) => {
    for (const key of keys[i]!) for (const pattern of at.byWord.get(key) ?? []) attempt(pattern, i);
    for (const pattern of at.exact.get(token.word) ?? []) attempt(pattern, i);
    if (at.byStem.size > 0) for (const pattern of at.byStem.get((token.native ?? token.word).slice(0, 3)) ?? []) attempt(pattern, i);
  });
  return found;
}

/** End of a match of steps[e...] at token `i`, or 0. A gap does not reach over the end of a sentence. */
function matchFrom(all: readonly Step[], e: number, i: number, tokens: readonly Token[], keys: readonly (readonly string[])[]): number {
  if (e === all.length) return i;
  const step = all[e]!;
  if (step.kind === "gap") {
    for (let skip = 0; skip <= step.most; skip++) {
      const to = matchFrom(all, e + 1, i + skip, tokens, keys);
      if (to > 0) return to;
      if (tokens[i + skip]?.breaks) return 0;
    }
    return 0;
  }
  const token = tokens[i];
  if (!token || token.breaks) return 0;
  return fits(step, token, keys[i]!) ? matchFrom(all, e + 1, i + 1, tokens, keys) : 0;
}

function fits(step: Exclude<Step, { kind: "gap" }>, token: Token, keys: readonly string[]): boolean {
  if (step.kind === "stem") return (token.native ?? token.word).startsWith(step.stem);
  if (step.kind === "one") return step.exact ? token.word === step.form : keys.includes(step.form);
  for (const key of keys) if (step.forms.has(key)) return true;
  return false;
}
