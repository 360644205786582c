/**
 * The training text: harm and no harm from the grammar, entries of the block list set into sentences, and (as no harm)
 * definitions and examples of WordNet, so that the language at large is not strange to the classifier. Examples are pieces
 * with a label each; harmful ones often stand among harmless sentences, as in prompts that an upsampler has written.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { openStandardMatcher, standardLists } from "../../dist/guardrail/blocklist/index.js";
import { chooser, expand, pick, random, readGrammar } from "./grammar.mjs";

export const grammarFolder = join(dirname(fileURLToPath(import.meta.url)), "grammar");

/** @returns {{ text: string, label: string }[]} `label` is a category or "ok" */
export function writeText({ wordnet, harm, ok, entries, definitions, seed }) {
  const grammar = readGrammar(grammarFolder, ordinaryWords(wordnet));
  const next = random(seed);
  const light = () => expand(grammar, pick(grammar.slots.get("light"), next), next);
  const labels = [...new Set(grammar.roots.map((r) => r.label))];
  const choose = Object.fromEntries(labels.map((l) => [l, chooser(grammar.roots.filter((r) => r.label === l))]));
  const say = (label) => expand(grammar, choose[label](next).template, next);
  const harmful = labels.filter((l) => l !== "ok");
  // Categories by how much there is to say about them.
  const share = { O1: 5, O2: 3.5, O3: 4, O4: 2.5, O5: 2.5, O6: 2, O8: 3, O9: 1.5, O10: 2, O11: 1, O12: 0.5, O13: 2 };
  const shares = chooser(harmful.map((label) => ({ label, weight: share[label] ?? 1 })));
  const examples = [];
  const seen = new Set();
  const add = (text, label) => {
    if (text.length < 3 || seen.has(text)) return;
    seen.add(text);
    examples.push({ text, label });
  };
  const among = (text) => {
    const chance = next();
    const sentence = /[.!?]$/.test(text) ? text : `${text}.`;
    if (chance < 0.08) return `${light()} ${sentence}`;
    if (chance < 0.16) return `${sentence} ${light()}`;
    if (chance < 0.2) return `${sentence.slice(0, -1)}, ${expand(grammar, "{style}, {style}", next)}`;
    return next() < 0.15 ? text.toLowerCase() : next() < 0.2 ? sentence : text;
  };
  for (let i = 0; i < harm; i++) {
    const { label } = shares(next);
    add(among(say(label)), label);
  }
  for (let i = 0; i < ok; i++) add(next() < 0.12 ? `${light()} ${light()}` : among(say("ok")), "ok");

  // Entries of the lists that mean harm by themselves, realised with their gaps filled.
  const filler = ["the", "a", "very", "his", "her", "old", "some", "their"];
  const strong = standardLists().entries.filter((e) => e.severity > 1);
  for (let round = 0; round < entries; round++) {
    for (const entry of strong) {
      const words = entry.elements.flatMap((e) => {
        if (e.kind === "words") return [pick(e.forms, next)];
        if (e.kind === "stem") return [e.stem];
        return Array.from({ length: Math.floor(next() * (e.most + 1)) }, () => pick(filler, next));
      });
      const phrase = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u.test(words[0]) ? words.join("") : words.join(" ");
      const frame = pick(["{x}", "{shot} {x}", "{shot} {x} {place}", "{x}, {style}", "{shot} {x}, {style}"], next);
      add(expand(grammar, frame.replace("{x}", "\u0001"), next).replace("\u0001", phrase), entry.category);
    }
  }
  // Phrases that are innocent in spite of a word in them.
  for (const allowed of standardLists().allowed) {
    const words = allowed.elements.flatMap((e) => (e.kind === "words" ? [pick(e.forms, next)] : e.kind === "stem" ? [e.stem] : Array.from({ length: Math.floor(next() * (e.most + 1)) }, () => pick(filler, next))));
    const frame = pick(["{x}", "{shot} the {x}", "{shot} {x} {calm}", "{x}, {style}"], next);
    add(expand(grammar, frame.replace("{x}", "\u0001"), next).replace("\u0001", words.join(" ")), "ok");
  }

  if (definitions > 0) {
    const matcher = openStandardMatcher();
    const sentences = ["noun", "verb", "adj", "adv"].flatMap((name) => synsets(wordnet, name).flatMap(({ gloss }) => gloss.split(/;\s*/).map((s) => s.replace(/^"|"$/g, "").trim())));
    for (let i = 0; i < definitions; i++) {
      const sentence = pick(sentences, next);
      if (sentence.length > 12 && !matcher.read(sentence).hits.some((h) => h.entry.severity > 1)) add(sentence, "ok");
    }
  }
  for (let i = examples.length - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [examples[i], examples[j]] = [examples[j], examples[i]];
  }
  return examples;
}

/** Rows of a data file of WordNet: the lexicographer's file that they come from, their words, and what they mean. */
function synsets(folder, name) {
  const file = join(folder, `data.${name}`);
  if (!existsSync(file)) throw new Error(`${file} is missing: --wordnet names a folder with WordNet 3.0's data.noun, data.verb, data.adj, data.adv`);
  return readFileSync(file, "latin1").split("\n").filter((l) => l.includes(" | ")).map((line) => {
    const [fields, gloss] = line.split(" | ");
    const row = fields.split(" ");
    const count = Number.parseInt(row[3], 16);
    return { kind: Number(row[1]), words: Array.from({ length: count }, (_, i) => row[4 + 2 * i]), gloss };
  });
}

/** Words that are far from harm by what WordNet says of them, as slots: the language is wider than a grammar's lists. */
function ordinaryWords(folder) {
  const matcher = openStandardMatcher();
  const strange = /hallucin|intoxic|hemp|marijuana|cannabis|opium|addict|tobacco|ammunition|weapon|explo|drug|narcotic|sex|genital|naked|nude|kill|murder|poison|toxi|bomb|gun\b|firearm|missile|prostitut|erotic|obscen|offensive|derogat|slur|disparag|slang|death|die\b|dead|corpse|suicid|blood|wound|injur|violen|tortur|crim|illegal|unlawful|thie|steal|rob\b|slave|enem|attack|war\b|military|disease|excre|urin|feces|breast|buttock|rape|terror|execut|punish|cruel|abus|insult|fight|destr|damag|harm|hurt|hit\b|strike|cut\b|burn/i;
  const some = (name, kinds, most) => {
    const found = new Set();
    for (const { kind, words, gloss } of synsets(folder, name)) {
      if (!kinds.includes(kind) || strange.test(gloss)) continue;
      for (const word of words.slice(0, 2)) if (/^[a-z]+(_[a-z]+)?$/.test(word) && word.length > 2 && word.length < 19) found.add(word.replace("_", " "));
    }
    const clean = [...found].filter((word) => matcher.read(word).hits.length === 0);
    // Every nth, so that all parts of the language are in it.
    return clean.filter((_, i) => Math.floor((i * most) / clean.length) !== Math.floor(((i - 1) * most) / clean.length));
  };
  const verbs = some("verb", [30, 31, 32, 34, 35, 36, 38, 39], 1500);
  return {
    anything: some("noun", [6, 17], 5000), anyanimal: some("noun", [5], 800), anyfood: some("noun", [13], 1200), anyplant: some("noun", [20], 500), anyperson: some("noun", [18], 1500),
    anyplace: some("noun", [15], 500), anyact: some("noun", [4], 1500), anyidea: some("noun", [9, 10, 7], 2500), anyquality: some("adj", [0], 2500),
    anydo: verbs, anydoing: verbs.map(ing),
  };
}

/** "make a cake" for "making": the first word takes the ending. */
function ing(verb) {
  const [first, ...rest] = verb.split(" ");
  const made = /[^aeiou][aeiou][bdgmnpt]$/.test(first) && first.length < 5 ? first + first.at(-1) : first.replace(/ie$/, "y").replace(/([^eoy])e$/, "$1");
  return [`${made}ing`, ...rest].join(" ");
}
