/**
 * Trains the small classifier of prompts with Orrery's own trainer, on text that `text.mjs` writes, and stores it in
 * src/guardrail/classifier/weights. The same seed gives the same text and, on one machine, the same weights.
 *
 *   npm run build && node recipes/guard-classifier/train.mjs --wordnet /usr/share/wordnet --out runs/guard-classifier
 *
 * --wordnet: WordNet 3.0's data files (Debian: wordnet-base). Minutes on two idle cores; stopped with Ctrl-C, the same
 * command goes on. --install writes the weights into src/; without it they stay in the run's folder.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buckets, heads, hidden, lossOf, outputs, width, windowsOf } from "../../dist/guardrail/classifier/index.js";
import { categoryIds } from "../../dist/guardrail/taxonomy.js";
import { parameters } from "../../dist/nn/index.js";
import { hostTensor, openRuntime } from "../../dist/tensor/runtime/node.js";
import { defaultAdamW, train } from "../../dist/training/index.js";
import { writeSafetensors } from "../../dist/weights/index.js";
import { random } from "./grammar.mjs";
import { writeText } from "./text.mjs";

const { values: args } = parseArgs({
  options: {
    wordnet: { type: "string" }, out: { type: "string", default: "runs/guard-classifier" }, seed: { type: "string", default: "11" }, steps: { type: "string", default: "1400" },
    batch: { type: "string", default: "96" }, install: { type: "boolean", default: false }, version: { type: "string", default: "1" },
  },
});
if (!args.wordnet) {
  console.error("give --wordnet DIR, a folder with WordNet 3.0's data.* files; see the head of this file");
  process.exit(2);
}
const [seed, steps, batch] = [Number(args.seed), Number(args.steps), Number(args.batch)];
const length = 160;

const say = (text) => console.error(`${new Date().toISOString().slice(11, 19)} ${text}`);
const examples = writeText({ wordnet: args.wordnet, harm: 56_000, ok: 105_000, entries: 2, definitions: 16_000, seed });
const count = (label) => examples.filter((e) => e.label === label).length;
say(`${examples.length} texts: ${["ok", ...categoryIds].map((l) => `${l} ${count(l)}`).join(", ")}`);
// A harmful text's windows: the one with the harm is not known in a long one, so only texts of one window are used.
const rows = examples.flatMap(({ text, label }) => {
  const windows = windowsOf(text);
  return windows.length === 1 || label === "ok" ? windows.filter((w) => w.features.length > 0).map((w) => ({ features: w.features, label })) : [];
});
say(`${rows.length} windows, on average ${Math.round(rows.reduce((n, r) => n + r.features.length, 0) / rows.length)} features`);
const held = rows.splice(0, 4000);
const byLabel = { ok: rows.filter((r) => r.label === "ok"), harm: rows.filter((r) => r.label !== "ok") };

const all = parameters();
const loss = lossOf(all, batch, length);
const task = {
  title: "training the classifier",
  parameters: all,
  loss,
  feeds: async (step) => {
    const next = random(seed * 1_000_003 + step);
    return feedsOf(Array.from({ length: batch }, (_, i) => (i % 5 < 2 ? pickOf(byLabel.harm, next) : pickOf(byLabel.ok, next))), next);
  },
};
const pickOf = (list, next) => list[Math.floor(next() * list.length)];

function feedsOf(chosen, next) {
  const features = new BigInt64Array(chosen.length * length);
  const padding = new Float32Array(chosen.length * length).fill(-1e4);
  const targets = new Float32Array(chosen.length * outputs);
  const importance = new Float32Array(chosen.length * outputs);
  chosen.forEach((row, b) => {
    // A tenth of the features is hidden, so that no single one is relied on.
    let n = 0;
    for (const f of row.features) {
      if (n >= length || (next && next() < 0.15)) continue;
      features[b * length + n] = BigInt(f);
      padding[b * length + n++] = 0;
    }
    if (n === 0) {
      features[b * length] = BigInt(row.features[0]);
      padding[b * length] = 0;
    }
    const own = categoryIds.indexOf(row.label);
    for (let c = 0; c < outputs; c++) {
      const isAny = c === outputs - 1;
      targets[b * outputs + c] = row.label !== "ok" && (c === own || isAny) ? 0.97 : 0.01;
      // Another category may apply to a harmful text as well: nearly nothing is learned from its absence.
      importance[b * outputs + c] = isAny ? outputs / 2 : row.label === "ok" || c === own ? 1 : 0.3;
    }
  });
  return {
    features: hostTensor("int64", [chosen.length, length], features), padding: hostTensor("float32", [chosen.length, length], padding),
    targets: hostTensor("float32", [chosen.length, outputs], targets), importance: hostTensor("float32", [chosen.length, outputs], importance),
  };
}

const stop = new AbortController();
process.once("SIGINT", () => stop.abort());
const runtime = await openRuntime({ threads: 2 });
let last = 0;
const result = await train(task, runtime, {
  out: args.out, seed,
  schedule: { lr: 0.006, warmupSteps: 100, steps, floor: 0.02 },
  optimizer: { ...defaultAdamW, betas: [0.9, 0.99], weightDecay: 0.02, emaDecay: 0.995 },
  saveEvery: 250, keepCheckpoints: 1, logEvery: 25, sampleEvery: 1e9,
  settings: { recipe: "guard-classifier", seed, steps, batch, texts: examples.length },
  signal: stop.signal,
  progress: ({ done, note }) => {
    if (Date.now() - last < 20_000) return;
    last = Date.now();
    say(`step ${done} of ${steps}, ${note ?? ""}`);
  },
});
await runtime.close();

// Eight bits for the table, a scale for each of its columns.
const columns = width + heads;
const table = result.weights.get("features.weight");
const scales = new Float32Array(columns);
for (let i = 0; i < table.length; i++) scales[i % columns] = Math.max(scales[i % columns], Math.abs(table[i]) / 127);
const small = Int8Array.from(table, (v, i) => Math.round(v / scales[i % columns]));
const folder = args.install ? new URL("../../src/guardrail/classifier/weights/", import.meta.url).pathname : join(args.out, "model");
mkdirSync(folder, { recursive: true });
const f32 = (name, shape) => ({ name, dtype: "F32", shape, data: result.weights.get(name) });
await writeSafetensors(join(folder, "model.safetensors"), [
  { name: "features.weight", dtype: "I8", shape: [buckets, columns], data: small }, { name: "features.scale", dtype: "F32", shape: [columns], data: scales },
  f32("in.weight", [hidden, heads * width]), f32("in.bias", [hidden]), f32("out.weight", [outputs, hidden]), f32("out.bias", [outputs]),
]);
const config = { _class_name: "OrreryPromptClassifier", version: args.version, scale: 1, shift: 0 };
writeFileSync(join(folder, "config.json"), `${JSON.stringify(config, null, 2)}\n`);

// Calibration on text that was held out: one scale and shift of the logit of harm, by logistic regression (Platt 1999).
const { openClassifier } = await import("../../dist/guardrail/classifier/index.js");
const classifier = await openClassifier(folder);
const points = held.map(({ features, label }) => [classifier.logits(features)[outputs - 1], label === "ok" ? 0 : 1]);
let [scale, shift] = [1, 0];
for (let i = 0; i < 3000; i++) {
  let [a, b] = [0, 0];
  for (const [x, y] of points) {
    const error = 1 / (1 + Math.exp(-(scale * x + shift))) - y;
    a += error * x;
    b += error;
  }
  scale -= (0.05 * a) / points.length;
  shift -= (0.2 * b) / points.length;
}
writeFileSync(join(folder, "config.json"), `${JSON.stringify({ ...config, scale: Number(scale.toFixed(4)), shift: Number(shift.toFixed(4)) }, null, 2)}\n`);
const right = points.filter(([x, y]) => (scale * x + shift > 0) === (y === 1)).length;
say(`held out: ${((100 * right) / points.length).toFixed(2)} % right of ${points.length}; scale ${scale.toFixed(3)}, shift ${shift.toFixed(3)}; written to ${folder}`);
say(`metrics in ${join(args.out, "metrics.jsonl")}; last loss ${JSON.parse(readFileSync(join(args.out, "metrics.jsonl"), "utf8").trim().split("\n").at(-1))["train/loss"].toFixed(4)}`);
