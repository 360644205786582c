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
  const grammar = readGrammar(grammarFolder);
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
    const sentences = ["noun", "verb", "adj", "adv"].flatMap((name) => {
      const file = join(wordnet, `data.${name}`);
      if (!existsSync(file)) throw new Error(`${file} is missing: --wordnet names a folder with WordNet 3.0's data.noun, data.verb, data.adj, data.adv`);
      return readFileSync(file, "latin1").split("\n").filter((l) => l.includes(" | ")).flatMap((l) => l.split(" | ")[1].split(/;\s*/).map((s) => s.replace(/^"|"$/g, "").trim()));
    });
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
