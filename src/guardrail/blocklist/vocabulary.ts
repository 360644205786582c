/**
 * The words that a reader of disguised text looks for, prepared for every disguise: as they are, without doubled letters, with
 * letters missing or masked, inside another word. It never decides anything: a disguised word that it recognises is only put
 * back into plain letters, and judged like any other.
 */
import type { Lexicon } from "./lexicon.ts";

export interface Vocabulary {
  /** Whether a form is a word looked for, or inflects one. */
  guards(form: string): boolean;
  /** The word of the lists that a form regularly inflects, for words that WordNet does not have. */
  base(form: string): string | undefined;
  /** Whether a form is a word looked for or any English word. */
  reads(form: string): boolean;
  /** Whether a form is plain English (or looked for), so that no disguise need be suspected. */
  plain(form: string): boolean;
  /** The word of a form whose letters are repeated at will. */
  squeezed(form: string): string | undefined;
  /** The word that letters and masks (`*` for one or no letter) stand for, when it can only be one. */
  unmasked(pattern: string): string | undefined;
  /** The word that a form differs from by two swapped neighbours. */
  swapped(form: string): string | undefined;
  /** The word that a form differs from by one letter more, less or other; for long words only. */
  misspelt(form: string): string | undefined;
  /** A word inside a form that is none itself. */
  embedded(form: string): string | undefined;
}

/** Words so short and common that they are never fragments of a split one. */
const short = new Set("a i an of to in on at by up no so or we he me my do go is it us as am be if oh ok ad vs mr ms dr tv hd uk eu pm".split(" "));
/** Words of the language that WordNet, which has no function words, does not list, and the odd technical one. */
const functionWords = new Set(
  ("the and that this these those with without within from into onto upon for but nor yet our your yours his her hers him its their theirs them they she you who whom whose which what when where why how " +
    "than then there here while during between among against toward towards through across along around behind beneath beside besides beyond despite except until unless since because although though whether " +
    "would could should might must shall may can cannot will was were been being are has had have having does did done doing each every either neither both few many much more most some any all another other others such own same " +
    "myself yourself himself herself itself ourselves themselves anyone everyone someone anybody everybody somebody anything everything something nothing whatever whoever dont doesnt didnt cant wont isnt arent wasnt werent couldnt wouldnt shouldnt im ive youre theyre hes shes thats whats lets id ill retarder retarders penistone").split(" "),
);

export const squeeze = (form: string): string => form.replace(/(.)\1+/gu, "$1");

/**
 * @param words all words of the lists, phrases' parts included
 * @param single words that are an entry of their own and mean harm by themselves: only these are looked for in disguises that
 *   ordinary text can look like (swapped letters, misspellings, words inside words, masks)
 */
export function vocabulary(lexicon: Lexicon, words: Iterable<string>, single: Iterable<string>): Vocabulary {
  const all = new Set(words);
  const targets = [...new Set(single)].filter((w) => /^[a-z]{3,}$/.test(w));
  const bases = new Map(targets.flatMap((w) => inflections(w).map((form) => [form, w] as const)));
  const forms = new Set(bases.keys());
  const bySqueezed = new Map<string, string>();
  for (const form of forms) if (!bySqueezed.has(squeeze(form)) || bySqueezed.get(squeeze(form))!.length > form.length) bySqueezed.set(squeeze(form), form);
  const byDeletion = new Map<string, string>();
  for (const form of forms) if (form.length >= 6) for (const shorter of deletions(form)) if (!byDeletion.has(shorter)) byDeletion.set(shorter, form);
  const byEnds = new Map<string, string[]>();
  for (const form of forms) push(byEnds, form[0]!, form);
  const inside = targets.filter((w) => w.length >= 5);
  const insideFirst = new Map<string, string[]>();
  for (const w of inside) push(insideFirst, w.slice(0, 3), w);

  const remembering = (compute: (form: string) => boolean): ((form: string) => boolean) => {
    const cache = new Map<string, boolean>();
    return (form) => {
      let value = cache.get(form);
      if (value === undefined) {
        value = compute(form);
        if (cache.size < 50_000) cache.set(form, value);
      }
      return value;
    };
  };
  const guards = remembering((form) => all.has(form) || forms.has(form) || (["n", "v", "a"] as const).some((pos) => lexicon.lemmas(form, pos).some((lemma) => all.has(lemma) && lemma.length > 2)));
  const reads = (form: string): boolean => guards(form) || plainEnglish(form);
  const plainEnglish = remembering((form) => (form.length < 3 ? short.has(form) : functionWords.has(form) || lexicon.knows(form)));
  return {
    guards, reads,
    base: (form) => (lexicon.knows(form) ? undefined : bases.get(form)),
    plain: (form) => plainEnglish(form) || guards(form),
    squeezed: (form) => {
      const bare = squeeze(form);
      const hit = bySqueezed.get(bare);
      if (hit !== undefined) return hit;
      const doubled = form.replace(/(.)\1{2,}/gu, "$1$1");
      return guards(doubled) ? doubled : guards(bare) ? bare : undefined;
    },
    unmasked: (pattern) => {
      const letters = pattern.replaceAll("*", "");
      if (!/^[a-z]/.test(pattern) || letters.length < 2 || letters.length * 2 < pattern.length - 1) return undefined;
      const shape = new RegExp(`^${pattern.replace(/\*+/g, (run) => `[a-z]{${run.length === 1 ? "0,1" : `1,${run.length}`}}`)}$`);
      // A letter for each mask rather than none; English before other languages.
      const rank = (form: string): number => (form.length === pattern.length ? 0 : 2) + (lexicon.knows(form) ? 0 : 1);
      const fits = (byEnds.get(pattern[0]!) ?? []).filter((form) => shape.test(form));
      return fits.sort((a, b) => rank(a) - rank(b))[0];
    },
    swapped: (form) => {
      for (let i = 0; i + 1 < form.length; i++) {
        if (form[i] === form[i + 1]) continue;
        const candidate = form.slice(0, i) + form[i + 1] + form[i] + form.slice(i + 2);
        if (forms.has(candidate)) return candidate;
      }
      return undefined;
    },
    misspelt: (form) => {
      if (form.length < 5) return undefined;
      const one = byDeletion.get(form);
      if (one !== undefined && one[0] === form[0]) return one;
      if (form.length < 6) return undefined;
      for (const shorter of deletions(form)) {
        if (shorter.length >= 6 && forms.has(shorter) && shorter[0] === form[0]) return shorter;
        const other = byDeletion.get(shorter);
        // Both lack one letter: the same place, or it would be two mistakes.
        if (other !== undefined && other.length === form.length && other[0] === form[0] && oneApart(other, form)) return other;
      }
      return undefined;
    },
    embedded: (form) => {
      for (let i = 0; i + 5 <= form.length; i++) for (const w of insideFirst.get(form.slice(i, i + 3)) ?? []) if (form.startsWith(w, i)) return w;
      for (const w of targets) {
        if (w.length !== 4) continue;
        const at = form.indexOf(w);
        if (at >= 0 && isWordOrNothing(form.slice(0, at)) && isWordOrNothing(form.slice(at + 4))) return w;
      }
      return undefined;
    },
  };

  function isWordOrNothing(rest: string): boolean {
    return rest === "" || (rest.length < 3 ? short.has(rest) : functionWords.has(rest) || lexicon.has(rest));
  }
}

function push(map: Map<string, string[]>, key: string, value: string): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}

const deletions = (form: string): string[] => Array.from({ length: form.length - 1 }, (_, i) => form.slice(0, i + 1) + form.slice(i + 2));

function oneApart(a: string, b: string): boolean {
  let differences = 0;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i] && ++differences > 1) return false;
  return true;
}

/** Regular inflections of an English word, right or nearly so: what is not a word is never met. */
function inflections(word: string): string[] {
  const stem = word.replace(/e$/, "");
  const plural = /(?:s|x|z|ch|sh)$/.test(word) ? `${word}es` : /[^aeiou]y$/.test(word) ? `${word.slice(0, -1)}ies` : `${word}s`;
  const doubled = /[^aeiou][aeiou][bdgklmnprt]$/.test(word) ? word + word.at(-1)! : stem;
  return [word, plural, `${doubled}ed`, `${doubled}ing`];
}
