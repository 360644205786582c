/**
 * The grammar that training text is written by. Lines are `slot = choice | choice`, `label > template` and `# remark`;
 * {slot} expands, [a part] is left out half of the time. Labels are categories, or `ok` for text without harm.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A generator of numbers in [0, 1) by seed (mulberry32). */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const pick = (list, next) => list[Math.floor(next() * list.length)];

/** @param more slots that no file defines, by name: lists of words */
export function readGrammar(folder, more = {}) {
  const slots = new Map(Object.entries(more));
  const roots = [];
  for (const name of readdirSync(folder).filter((n) => n.endsWith(".txt")).sort()) {
    readFileSync(join(folder, name), "utf8").split("\n").forEach((line, i) => {
      if (line.trim() === "" || line.startsWith("#")) return;
      const slot = /^(\w+) = (.+)$/.exec(line);
      const root = /^(ok|O\d+) > (.+)$/.exec(line);
      if (slot) {
        if (slots.has(slot[1])) throw new Error(`${name}:${i + 1}: slot ${slot[1]} is defined twice`);
        slots.set(slot[1], slot[2].split(" | "));
      } else if (root) roots.push({ label: root[1], template: root[2], where: `${name}:${i + 1}` });
      else throw new Error(`${name}:${i + 1}: expected "slot = a | b" or "label > template"`);
    });
  }
  const combinations = (template) => [...template.matchAll(/\{(\w+)\}/g)].reduce((n, [, name]) => n * Math.min(1e6, slots.get(name)?.reduce((m, choice) => m + Math.min(1e4, choice.includes("{") ? combinations(choice) : 1), 0) ?? 1), 1);
  for (const root of roots) {
    for (const [, name] of root.template.matchAll(/\{(\w+)\}/g)) if (!slots.has(name)) throw new Error(`${root.where}: there is no slot ${name}`);
    // Templates that can say more are said more often, but far from in proportion.
    root.weight = Math.min(combinations(root.template), 1e6) ** 0.35;
  }
  return { slots, roots };
}

export function expand(grammar, template, next) {
  const text = template
    .replace(/\[([^[\]]*)\]/g, (_, part) => (next() < 0.5 ? part : ""))
    .replace(/\{(\w+)\}/g, (_, name) => expand(grammar, pick(grammar.slots.get(name), next), next));
  return text.replace(/ +/g, " ").replace(/ ([,.])/g, "$1").trim();
}

/** One of the roots by weight. */
export function chooser(roots) {
  const total = roots.reduce((n, r) => n + r.weight, 0);
  return (next) => {
    let at = next() * total;
    for (const root of roots) if ((at -= root.weight) < 0) return root;
    return roots.at(-1);
  };
}
