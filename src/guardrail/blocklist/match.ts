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
/** Patterns by a step that a word fits. */
interface Index<T> {
  byWord: Map<string, Pattern<T>[]>;
  exact: Map<string, Pattern<T>[]>;
  byStem: Map<string, Pattern<T>[]>;
}
/** By the step that they begin with, and by the one that fits the fewest words: without that word, a text has no match. */
interface Indexes<T> {
  first: Index<T>;
  rarest: Index<T>;
}

/** Prepares lists for matching. */
export function matcher(lists: Lists): Matcher {
  const lexicon = openLexicon();
  const blocked = indexes(lists.entries.map((entry) => ({ steps: steps(entry.elements), of: entry })));
  const allowed = indexes(lists.allowed.map(({ elements, text }) => ({ steps: steps(elements), of: text })));
  const formsOf = (elements: readonly Element[]): string[] => elements.flatMap((e) => (e.kind === "words" ? e.forms : []));
  // Groups have common words ("man"); reading disguises towards them would change ordinary text.
  const listed = lists.entries.flatMap((entry) => entry.elements.flatMap((e) => (e.kind === "words" && e.forms.length === 1 ? e.forms : []))).filter((w) => w.length > 2);
  const single = lists.entries.filter((entry) => entry.elements.length === 1).flatMap((entry) => formsOf(entry.elements));
  const known = vocabulary(lexicon, listed, single);
  const words = new Map<string, Word>();

  const wordOf = (token: Token): Word => {
    const { word, native } = token;
    const name = native === undefined ? word : `${native}\0${word}`;
    let found = words.get(name);
    if (!found) {
      const set = new Set([word, ...(native === undefined ? [] : [native])]);
      if (!ownWords.has(word) && word.length > 2) for (const pos of ["n", "v", "a"] as const) for (const lemma of lexicon.lemmas(word, pos)) set.add(lemma);
      const base = known.base(word);
      if (base !== undefined) set.add(base);
      const keys = [...set];
      found = { keys, blocked: roles(blocked, token, keys), allowed: roles(allowed, token, keys) };
      if (words.size < 50_000) words.set(name, found);
    }
    return found;
  };

  return {
    vocabulary: known,
    read: (text) => {
      const tokens = read(text, known);
      const each = tokens.map(wordOf);
      const distinct = new Set(each);
      const found = scan(tokens, each, distinct, (word) => word.blocked);
      const exempt = found.length > 0 ? scan(tokens, each, distinct, (word) => word.allowed) : [];
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

const indexes = <T>(patterns: readonly Pattern<T>[]): Indexes<T> => ({ first: index(patterns, (pattern) => pattern.steps[0]!), rarest: index(patterns, (pattern) => pattern.steps.reduce((a, b) => (commonness(b) < commonness(a) ? b : a))) });

/** How many words of ordinary text fit a step, by a rule of thumb: short words stand for the commonest. */
const commonness = (step: Step): number => (step.kind === "gap" ? Infinity : step.kind === "any" ? step.forms.size : step.kind === "stem" ? 5 : step.form.length < 5 ? 30 : 1);

function index<T>(patterns: readonly Pattern<T>[], by: (pattern: Pattern<T>) => Step): Index<T> {
  const made: Index<T> = { byWord: new Map(), exact: new Map(), byStem: new Map() };
  const push = (map: Map<string, Pattern<T>[]>, key: string, pattern: Pattern<T>): void => {
    const list = map.get(key);
    if (list) list.push(pattern);
    else map.set(key, [pattern]);
  };
  for (const pattern of patterns) {
    const step = by(pattern);
    if (step.kind === "any") for (const form of step.forms) push(made.byWord, form, pattern);
    else if (step.kind === "one") push(step.exact ? made.exact : made.byWord, step.form, pattern);
    else if (step.kind === "stem") push(made.byStem, step.stem.slice(0, 3), pattern);
  }
  return made;
}

interface Found<T> {
  of: T;
  from: number;
  to: number;
}

/** What is known of a word, whatever stands beside it. */
interface Word {
  /** Its form and its base forms. */
  keys: readonly string[];
  blocked: Roles<Entry>;
  allowed: Roles<string>;
}

/** The patterns that a word may begin, in the lists' order, and those whose rarest step it may be. */
interface Roles<T> {
  begins: ReadonlySet<Pattern<T>>;
  betrays: readonly Pattern<T>[];
}

/** Of most words: shared, since there are many. */
const noRoles: Roles<never> = { begins: new Set(), betrays: [] };

function roles<T>({ first, rarest }: Indexes<T>, token: Token, keys: readonly string[]): Roles<T> {
  const [begins, betrays] = [candidates(first, token, keys), candidates(rarest, token, keys)];
  return begins.length === 0 && betrays.length === 0 ? noRoles : { begins: new Set(begins), betrays: [...new Set(betrays)] };
}

function candidates<T>(at: Index<T>, { word, native }: Token, keys: readonly string[]): Pattern<T>[] {
  const found: Pattern<T>[] = [];
  const add = (patterns: readonly Pattern<T>[] | undefined): void => {
    if (patterns) found.push(...patterns);
  };
  for (const key of keys) add(at.byWord.get(key));
  add(at.exact.get(word));
  add(at.byStem.get((native ?? word).slice(0, 3)));
  return found;
}

function scan<T>(tokens: readonly Token[], words: readonly Word[], distinct: ReadonlySet<Word>, rolesOf: (word: Word) => Roles<T>): Found<T>[] {
  const possible = new Set<Pattern<T>>();
  for (const word of distinct) for (const pattern of rolesOf(word).betrays) possible.add(pattern);
  if (possible.size === 0) return [];
  const found: Found<T>[] = [];
  const beginners = new Map<Word, Pattern<T>[]>();
  words.forEach((word, from) => {
    const { begins } = rolesOf(word);
    if (begins.size === 0) return;
    let patterns = beginners.get(word);
    if (!patterns) beginners.set(word, (patterns = both(begins, possible)));
    for (const pattern of patterns) {
      const first = pattern.steps[0]!;
      if (first.kind === "gap" || !fits(first, tokens[from]!, word.keys)) continue;
      const to = matchFrom(pattern.steps, 1, from + 1, tokens, words);
      if (to > 0) found.push({ of: pattern.of, from, to });
    }
  });
  return found;
}

/** What is in both, in the order of the first. */
function both<T>(ordered: ReadonlySet<T>, other: ReadonlySet<T>): T[] {
  const [fewer, more] = ordered.size <= other.size ? [ordered, other] : [other, ordered];
  const shared: T[] = [];
  for (const x of fewer) if (more.has(x)) shared.push(x);
  return shared.length < 2 || fewer === ordered ? shared : [...ordered].filter((x) => other.has(x));
}

/** End of a match of steps[e...] at token `i`, or 0. A gap does not reach over the end of a sentence. */
function matchFrom(all: readonly Step[], e: number, i: number, tokens: readonly Token[], words: readonly Word[]): number {
  if (e === all.length) return i;
  const step = all[e]!;
  if (step.kind === "gap") {
    for (let skip = 0; skip <= step.most; skip++) {
      const to = matchFrom(all, e + 1, i + skip, tokens, words);
      if (to > 0) return to;
      if (tokens[i + skip]?.breaks) return 0;
    }
    return 0;
  }
  const token = tokens[i];
  if (!token || token.breaks) return 0;
  return fits(step, token, words[i]!.keys) ? matchFrom(all, e + 1, i + 1, tokens, words) : 0;
}

function fits(step: Exclude<Step, { kind: "gap" }>, token: Token, keys: readonly string[]): boolean {
  if (step.kind === "stem") return (token.native ?? token.word).startsWith(step.stem);
  if (step.kind === "one") return step.exact ? token.word === step.form : keys.includes(step.form);
  for (const key of keys) if (step.forms.has(key)) return true;
  return false;
}
