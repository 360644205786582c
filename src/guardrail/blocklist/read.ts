/**
 * Reading: a folded text becomes words, with disguises undone: leet ("k1ll"), spaced or dotted letters ("k i l l"), split words
 * ("ki-ll"), masks ("f*ck"), repeated letters, words written backwards, swapped or missing letters, words inside others. A
 * disguise is only undone towards a word of the vocabulary, so ordinary text reads as it stands. The same reading feeds the
 * block list and the classifier. Ideas: better_profanity's character table, Unicode TR39, SymSpell's deletions.
 */
import { fold, type Folded } from "./fold.ts";
import type { Vocabulary } from "./vocabulary.ts";

export type Disguise = "leet" | "look-alikes" | "spaced" | "split" | "masked" | "repeated" | "reversed" | "swapped" | "misspelt" | "embedded";

export interface Token {
  /** In plain lower-case letters. */
  word: string;
  /** As the writer's script has it, where that is not Latin. */
  native?: string;
  /** Where it stands in the text as given: [start, end). */
  start: number;
  end: number;
  disguise?: Disguise;
  /** A sentence ends before this word: phrases do not reach across. */
  breaks?: boolean;
}

const leet: Readonly<Record<string, string>> = {
  "0": "o", "1": "i", "2": "z", "3": "e", "4": "a", "5": "s", "6": "g", "7": "t", "8": "b", "9": "g",
  "@": "a", $: "s", "!": "i", "|": "l", "+": "t", "€": "e", "£": "l", "(": "c", "¢": "c", "&": "e", "<": "c",
};
/** Characters that stand for another letter as well. */
const alsoLeet: Readonly<Record<string, string>> = { "1": "l", "!": "l", "|": "i", "6": "b", "7": "l", "4": "h", "9": "q" };

/** Emoji that name a thing; the rest are read as nothing. */
const emoji: Readonly<Record<string, string>> = {
  "🔫": "gun", "🔪": "knife", "🗡": "dagger", "💣": "bomb", "🧨": "dynamite", "🪓": "axe", "🩸": "blood", "🏹": "bow", "⚔": "swords", "💊": "pill", "💉": "syringe", "🚬": "cigarette",
  "🍆": "emojieggplant", "🍑": "emojipeach", "💦": "emojidrops", "👅": "emojitongue", "🔞": "emojiadult", "🖕": "emojifinger", "💀": "skull", "☠": "skull", "⚰": "coffin", "🪦": "tombstone", "🤮": "vomit",
  "💥": "explosion", "❄": "snow", "🍁": "leaf", "🌿": "herb", "👙": "bikini", "👶": "baby", "🧒": "child", "👧": "girl", "👦": "boy", "👩": "woman", "👨": "man", "👮": "policeman", "🐶": "dog", "🐱": "cat",
};

const isWordChar = (c: string): boolean => (c >= "a" && c <= "z") || (c >= "0" && c <= "9") || (c > "\u007f" && /[\p{L}\p{N}]/u.test(c));
const asciiWord = /^[a-z0-9]*$/;
const asciiLetters = /^[a-z]*$/;
const isAscii = (word: string): boolean => asciiWord.test(word);
const scriptless = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u;
const separators = new Set(["-", ".", "_", "*", "~", "·", "•", "‧", "'", "’", "`", "^", "=", "/", "\\", "|", "+", ":", ",", "‐", "‑", "–"]);
const hard = new Set([";", "?", "—", "…", '"', "“", "”", "[", "]", "{", "}", ")", "。", "，", "、", "！", "？", "»", "«", ">"]);
const maxSplit = 28;

/** Reads a text. `vocabulary` absent: plain words only, no disguises. */
export function read(text: string, vocabulary?: Vocabulary): Token[] {
  const tokens: Token[] = [];
  const kinds: FragmentKind[] = [];
  let breaks = false;
  // What stands between spaces is read once and remembered; only tags may have spaces inside.
  const tagged = text.includes("<");
  for (let i = 0; i < text.length; ) {
    if (isSpace(text.charCodeAt(i))) {
      i++;
      continue;
    }
    let j = tagged ? text.length : i + 1;
    while (j < text.length && !isSpace(text.charCodeAt(j))) j++;
    const stretch = j - i > maxRemembered ? readStretch(text.slice(i, j), vocabulary) : remembered(text.slice(i, j), vocabulary);
    for (let t = 0; t < stretch.tokens.length; t++) {
      const token = stretch.tokens[t]!;
      const next: Token = { word: token.word, start: token.start + i, end: token.end + i };
      if (token.native !== undefined) next.native = token.native;
      if (token.disguise !== undefined) next.disguise = token.disguise;
      if (token.breaks || breaks) next.breaks = true;
      breaks = false;
      tokens.push(next);
      kinds.push(stretch.kinds[t]!);
    }
    breaks ||= stretch.breaks;
    i = j;
  }
  if (!vocabulary) return tokens;
  const joined = joinSpaced(tokens, vocabulary);
  return joinFragments(joined, joined === tokens ? kinds : joined.map((token) => fragmentKind(token, vocabulary)), vocabulary);
}

/** Words of a piece of text, at offsets from its start, and whether a sentence ends with it. */
interface Stretch {
  tokens: readonly Token[];
  kinds: readonly FragmentKind[];
  breaks: boolean;
}

/** Whether a word may be a fragment of a split one, and whether it is one that is no word by itself. */
type FragmentKind = "none" | "plain" | "strange";

const isSpace = (code: number): boolean => code === 32 || (code >= 9 && code <= 13);
const maxRemembered = 40;
const stretches = new WeakMap<Vocabulary, Map<string, Stretch>>();
const plainStretches = new Map<string, Stretch>();

function remembered(text: string, vocabulary: Vocabulary | undefined): Stretch {
  let known = vocabulary ? stretches.get(vocabulary) : plainStretches;
  if (!known) stretches.set(vocabulary!, (known = new Map()));
  let stretch = known.get(text);
  if (!stretch) {
    stretch = readStretch(text, vocabulary);
    if (known.size < 50_000) known.set(text, stretch);
  }
  return stretch;
}

function readStretch(text: string, vocabulary: Vocabulary | undefined): Stretch {
  const folded = fold(text);
  const tokens: Token[] = [];
  const { chars } = folded;
  let breaks = false;
  for (let i = 0; i < chars.length; ) {
    if (chars[i] === " ") {
      i++;
      continue;
    }
    let j = i;
    while (j < chars.length && chars[j] !== " ") j++;
    const before = tokens.length;
    chunk(folded, i, j, vocabulary, tokens);
    if (breaks && tokens.length > before) {
      tokens[before]!.breaks = true;
      breaks = false;
    }
    if (/[.!?;。！？]/.test(chars[j - 1]!) && j - i > 2) breaks = true;
    i = j;
  }
  return { tokens, kinds: vocabulary ? tokens.map((token) => fragmentKind(token, vocabulary)) : [], breaks };
}

/** Words of chars[from, to), which has no space. */
function chunk(folded: Folded, from: number, to: number, vocabulary: Vocabulary | undefined, tokens: Token[]): void {
  const { chars } = folded;
  for (let i = from; i < to; ) {
    if (hard.has(chars[i]!)) {
      i++;
      continue;
    }
    let j = i;
    while (j < to && !hard.has(chars[j]!)) j++;
    const whole = vocabulary && undisguise(folded, i, j, vocabulary);
    if (whole) tokens.push(whole);
    else pieces(folded, i, j, vocabulary, tokens);
    i = j;
  }
}

/** Plain words of chars[from, to), each looked at for a disguise of its own. */
function pieces(folded: Folded, from: number, to: number, vocabulary: Vocabulary | undefined, tokens: Token[]): void {
  const { chars, native } = folded;
  for (let i = from; i < to; ) {
    const c = native[i]!;
    if (scriptless.test(c)) {
      tokens.push({ word: c, native: c, ...span(folded, i, i + 1) });
      i++;
      continue;
    }
    const named = emoji[c];
    if (named !== undefined) {
      tokens.push({ word: named, ...span(folded, i, i + 1) });
      i++;
      continue;
    }
    if (!isWordChar(chars[i]!)) {
      i++;
      continue;
    }
    let j = i;
    while (j < to && (isWordChar(chars[j]!) || ((chars[j] === "'" || chars[j] === "’") && j + 1 < to && isWordChar(chars[j + 1]!))) && !scriptless.test(native[j]!)) j++;
    tokens.push(plainWord(folded, i, j, vocabulary));
    i = j;
  }
}

function plainWord(folded: Folded, from: number, to: number, vocabulary: Vocabulary | undefined): Token {
  const simple = simpleWord(folded, from, to);
  if (simple !== undefined) {
    const inner = vocabulary && memoized(simple, vocabulary);
    return inner ? { ...inner, ...span(folded, from, to) } : { word: simple, ...span(folded, from, to) };
  }
  let word = folded.chars.slice(from, to).join("").replace(/['’]s$/, "").replace(/['’]/g, "");
  const native = folded.native.slice(from, to).join("").replace(/['’]s$/, "").replace(/['’]/g, "");
  const where = span(folded, from, to);
  if (native !== word) {
    const mixed = /[a-z]/.test(native);
    // A word of another script that happens to look Latin stays what it is, unless it looks like a word looked for.
    if (isAscii(word) && vocabulary && (mixed ? vocabulary.reads(word) : vocabulary.guards(word))) return { word, native, ...where, disguise: "look-alikes" };
    const inner = mixed && isAscii(word) && vocabulary ? disguisedWord(word, vocabulary) : undefined;
    if (inner) return { word: inner.word, ...where, disguise: "look-alikes" };
    return { word: native, native, ...where };
  }
  if (!isAscii(word) || !vocabulary) return isAscii(word) ? { word, ...where } : { word, native, ...where };
  const found = disguisedWord(word, vocabulary);
  if (found) word = found.word;
  return { word, ...where, ...(found ? { disguise: found.disguise } : {}) };
}

/** The word, if it is nothing but plain Latin letters: most are. */
function simpleWord({ chars, native }: Folded, from: number, to: number): string | undefined {
  let word = "";
  for (let i = from; i < to; i++) {
    const c = chars[i]!;
    if (c < "a" || c > "z" || native[i] !== c) return undefined;
    word += c;
  }
  return word;
}

const seen = new WeakMap<Vocabulary, Map<string, { word: string; disguise: Disguise } | undefined>>();

function memoized(word: string, vocabulary: Vocabulary): { word: string; disguise: Disguise } | undefined {
  let known = seen.get(vocabulary);
  if (!known) seen.set(vocabulary, (known = new Map()));
  if (known.has(word)) return known.get(word);
  const found = disguisedWord(word, vocabulary);
  if (known.size < 50_000 && word.length < 40) known.set(word, found);
  return found;
}

/** A disguise within one run of letters and digits. */
function disguisedWord(word: string, vocabulary: Vocabulary): { word: string; disguise: Disguise } | undefined {
  if (word.length < 3) return undefined;
  if (/\d/.test(word)) {
    const decoded = decodeLeet(word, vocabulary);
    return decoded === undefined ? undefined : { word: decoded, disguise: "leet" };
  }
  if (vocabulary.plain(word)) return undefined;
  if (/(.)\1\1/.test(word) || /(.)\1.*(.)\2/.test(word)) {
    const squeezed = vocabulary.squeezed(word);
    if (squeezed !== undefined) return { word: squeezed, disguise: "repeated" };
  }
  if (word.length < 4) return undefined;
  const swapped = vocabulary.swapped(word);
  if (swapped !== undefined) return { word: swapped, disguise: "swapped" };
  const backwards = [...word].reverse().join("");
  if (vocabulary.guards(backwards)) return { word: backwards, disguise: "reversed" };
  const misspelt = vocabulary.misspelt(word);
  if (misspelt !== undefined) return { word: misspelt, disguise: "misspelt" };
  const embedded = vocabulary.embedded(word);
  if (embedded !== undefined) return { word: embedded, disguise: "embedded" };
  return undefined;
}

/** The word that leet characters spell, when it is one looked for, or plain English for several letters. */
function decodeLeet(form: string, vocabulary: Vocabulary): string | undefined {
  if (!/[a-z]/.test(form) ? form.length < 4 : form.length < 3) return undefined;
  let readings = [""];
  let letters = 0;
  for (const c of form) {
    const letter = leet[c] ?? c;
    if (!/[a-z]/.test(letter)) return undefined;
    if (letter === c) letters++;
    const also = readings.length <= 8 ? alsoLeet[c] : undefined;
    readings = readings.flatMap((r) => (also === undefined ? [r + letter] : [r + letter, r + also]));
  }
  const guarded = readings.find((r) => vocabulary.guards(r));
  if (guarded !== undefined) return guarded;
  if (letters < 2) return undefined;
  const plain = readings.find((r) => r.length >= 3 && vocabulary.plain(r));
  if (plain !== undefined) return plain;
  for (const r of readings) {
    const deeper = vocabulary.squeezed(r) ?? vocabulary.swapped(r);
    if (deeper !== undefined && r.length >= 4) return deeper;
  }
  return undefined;
}

/** One word made of a whole chunk, where punctuation hides it. */
function undisguise(folded: Folded, from: number, to: number, vocabulary: Vocabulary): Token | undefined {
  const { chars } = folded;
  let plain = true;
  for (let i = from; i < to && plain; i++) plain = isWordChar(chars[i]!);
  if (plain || to - from > maxSplit * 2) return undefined;
  let [a, b] = [from, to];
  const trim = (keep: RegExp): void => {
    while (a < b && !isWordChar(chars[a]!) && !keep.test(chars[a]!)) a++;
    while (b > a && !isWordChar(chars[b - 1]!) && !keep.test(chars[b - 1]!)) b--;
  };
  // "kill!" ends with a mark, "shi!" with a letter: words looked for are tried with and without before any other word is.
  const edges = [/(?!)/, /[@$!|+€£(&<]/];
  for (const guarded of [true, false]) {
    for (const keep of edges) {
      [a, b] = [from, to];
      trim(keep);
      const raw = chars.slice(a, b);
      if (b - a < 3 || raw.every(isWordChar) || !raw.every((c) => isWordChar(c) || leet[c] !== undefined)) continue;
      const decoded = decodeLeet(raw.join(""), vocabulary);
      if (decoded !== undefined && (!guarded || vocabulary.guards(decoded))) return { word: decoded, ...span(folded, a, b), disguise: "leet" };
    }
  }
  for (const keep of edges) {
    [a, b] = [from, to];
    trim(keep);
    const raw = chars.slice(a, b);
    if (b - a < 3 || raw.every(isWordChar)) continue;
    const form = raw.join("");
    const where = span(folded, a, b);
    if (raw.every((c) => isWordChar(c) || separators.has(c))) {
      const joined = raw.filter(isWordChar).join("");
      const parts = form.split(/[^a-z0-9]+/).filter(Boolean);
      const single = parts.length >= 3 && parts.every((p) => p.length === 1);
      if (joined.length >= 3 && joined.length <= maxSplit && isAscii(joined)) {
        if (vocabulary.guards(joined)) return { word: joined, ...where, ...(single ? { disguise: "spaced" as const } : { disguise: "split" as const }) };
        if (single || parts.some((p) => !vocabulary.plain(p))) {
          const decoded = /\d/.test(joined) ? decodeLeet(joined, vocabulary) : single ? disguisedWord(joined, vocabulary)?.word : undefined;
          if (decoded !== undefined && vocabulary.guards(decoded)) return { word: decoded, ...where, disguise: single ? "spaced" : "split" };
        }
      }
    }
    const masks = form.replace(/[*#_?•▪.-]/g, "*");
    const sure = /[*#•▪]/.test(form);
    if (/^[a-z0-9*]+$/.test(masks) && masks.includes("*", 1) && !/\d/.test(masks) && masks.length <= 20) {
      const parts = masks.split("*").filter(Boolean);
      if (sure || parts.every((p) => !vocabulary.plain(p))) {
        const unmasked = vocabulary.unmasked(masks);
        if (unmasked !== undefined) return { word: unmasked, ...where, disguise: "masked" };
      }
    }
  }
  return undefined;
}

/** Runs of single letters: "k i l l", also with the spaces between words lost ("k i l l h i m"). */
function joinSpaced(tokens: Token[], vocabulary: Vocabulary): Token[] {
  if (!tokens.some((token, i) => token.word.length === 1 && tokens[i + 1]?.word.length === 1)) return tokens;
  const out: Token[] = [];
  for (let i = 0; i < tokens.length; ) {
    let j = i;
    while (j < tokens.length && tokens[j]!.word.length === 1 && isAscii(tokens[j]!.word) && j - i < 200) j++;
    if (j - i < 3) {
      out.push(tokens[i++]!);
      continue;
    }
    const run = tokens.slice(i, j);
    const letters = run.map((t) => t.word);
    const joined = letters.join("");
    const decoded = vocabulary.reads(joined) ? joined : /\d/.test(joined) ? decodeLeet(joined, vocabulary) : undefined;
    if (decoded !== undefined) out.push({ word: decoded, start: run[0]!.start, end: run.at(-1)!.end, disguise: "spaced" });
    else out.push(...segments(run, letters, vocabulary));
    i = j;
  }
  return out;
}

/** Cuts a run of letters at the words looked for, longest first; the letters between stay. */
function segments(run: readonly Token[], letters: readonly string[], vocabulary: Vocabulary): Token[] {
  const out: Token[] = [];
  for (let i = 0; i < run.length; ) {
    let taken = 1;
    let word = letters[i]!;
    for (let length = Math.min(16, run.length - i); length >= 4; length--) {
      const candidate = letters.slice(i, i + length).join("");
      const found = vocabulary.guards(candidate) ? candidate : /\d/.test(candidate) ? decodeLeet(candidate, vocabulary) : undefined;
      if (found === undefined) continue;
      [taken, word] = [length, found];
      break;
    }
    out.push(taken === 1 ? run[i]! : { word, start: run[i]!.start, end: run[i + taken - 1]!.end, disguise: "spaced" });
    i += taken;
  }
  return out;
}

/** Fragments of a word that spaces were put into: "mur der", "su ici de". At least one of them must be no word. */
function joinFragments(tokens: Token[], kinds: readonly FragmentKind[], vocabulary: Vocabulary): Token[] {
  if (!kinds.includes("strange")) return tokens;
  const out: Token[] = [];
  for (let i = 0; i < tokens.length; ) {
    const joined = fragments(tokens, kinds, i, vocabulary);
    if (joined) {
      out.push({ word: joined.word, start: tokens[i]!.start, end: tokens[i + joined.count - 1]!.end, disguise: "split" });
      i += joined.count;
    } else out.push(tokens[i++]!);
  }
  return out;
}

const fragmentKind = ({ word, disguise }: Token, vocabulary: Vocabulary): FragmentKind => (disguise !== undefined || word.length > 7 || !asciiLetters.test(word) ? "none" : vocabulary.plain(word) ? "plain" : "strange");

function fragments(tokens: readonly Token[], kinds: readonly FragmentKind[], from: number, vocabulary: Vocabulary): { word: string; count: number } | undefined {
  if (kinds[from] === "none") return undefined;
  let word = tokens[from]!.word;
  let strange = kinds[from] === "strange";
  for (let count = 2; count <= 4 && from + count <= tokens.length; count++) {
    const at = from + count - 1;
    if (kinds[at] === "none" || tokens[at]!.breaks) return undefined;
    word += tokens[at]!.word;
    strange ||= kinds[at] === "strange";
    if (strange && word.length >= 4 && vocabulary.guards(word)) return { word, count };
  }
  return undefined;
}

function span({ at }: Folded, from: number, to: number): { start: number; end: number } {
  return { start: at[from]!, end: at[to - 1]! + 1 };
}
