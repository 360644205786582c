/**
 * What the guards cost beside a generation: `node benchmarks/guardrail/chain-cost.mjs MODEL CLIP [POLICY]`. MODEL is the folder
 * of a world model, CLIP a video that it continues, POLICY a guard policy (default: the standard one). Times, best of some
 * rounds after a first one that is not counted: the checks of words (prompt, longer prompt, negative prompt), the check of the
 * frames, what the policy does to them, the record and its signature; and the model alone, which is what they are compared to.
 */
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildSafetyRecord, growPrompt, openGuards, readPolicy, signRecord } from "../../dist/guardrail/index.js";
import { besides, generateVideo, openKeys, openWorldModel } from "../../dist/generation/index.js";
import { openRuntime } from "../../dist/tensor/runtime/node.js";

const [modelFolder, clip, policyFile] = process.argv.slice(2);
if (!modelFolder || !clip) {
  console.error("usage: node benchmarks/guardrail/chain-cost.mjs MODEL CLIP [POLICY]");
  process.exit(2);
}
const rounds = 3;
const ms = (n) => `${n.toFixed(1)} ms`;
const scratch = mkdtempSync(join(tmpdir(), "orrery-chain-"));
process.env.ORRERY_HOME = join(scratch, "home");

const begun = performance.now();
const guards = await openGuards(await readPolicy(policyFile));
const openMs = performance.now() - begun;
const runtime = await openRuntime({ device: "cpu" });
const model = await openWorldModel(modelFolder, runtime);
const keys = await openKeys();
const prompt = "A robot arm in a bright workshop picks up a red cube and puts it on a stack of blue cubes.";
const words = { prompt, "upsampled-prompt": growPrompt(prompt), "negative-prompt": "blurry, distorted, low quality, watermark, text" };

const best = {};
const keep = (name, value) => (best[name] = Math.min(best[name] ?? Infinity, value));
const timed = async (name, work, counted) => {
  const start = performance.now();
  const result = await work();
  if (counted) keep(name, performance.now() - start);
  return result;
};
let of;
for (let round = 0; round <= rounds; round++) {
  const counted = round > 0;
  const stages = [];
  for (const [stage, text] of Object.entries(words)) stages.push(await timed(stage, () => guards.check({ stage, text }), counted));
  const { record, clip: made } = await generateVideo({ video: clip, seed: round }, { model, guards, keys, machine: { device: "cpu", threads: runtime.threads } }, besides(join(scratch, `${round}.mp4`)));
  if (counted) keep("model", record.durations_s.model * 1000);
  of = made;
  // The frames again, apart from the generation, so that checking and finishing are told apart.
  const raw = { ...made, frames: made.frames.slice() };
  const verdicts = await timed("video", () => guards.check({ stage: "video", clip: raw }), counted);
  const processed = await timed("finishing", () => guards.process(raw, verdicts), counted);
  await timed("record", async () => {
    const [first, longer] = stages;
    const upsampling = { upsampler: "orrery-grammar", version: "1", outcome: "upsampled", attempts: 1, originalSha256: first.subjectSha256, resultSha256: longer.subjectSha256 };
    const built = buildSafetyRecord({ id: "x", requestSha256: "0".repeat(64), stages: [...stages, verdicts], processed, output: { sha256: "0".repeat(64), bytes: 1, mediaType: "video/mp4" }, upsampling, models: [], software: "benchmark" });
    return JSON.stringify(signRecord(built, generateKeyPairSync("ed25519").privateKey));
  }, counted);
}
await guards.close();
await model.close();
await runtime.close();
rmSync(scratch, { recursive: true, force: true });

const { model: modelMs, ...guarding } = best;
const total = Object.values(guarding).reduce((a, b) => a + b, 0);
console.log(`${of.frameCount} frames of ${of.width} x ${of.height}, ${runtime.threads} threads, best of ${rounds}`);
for (const [name, value] of Object.entries(guarding)) console.log(`  ${name.padEnd(18)} ${ms(value).padStart(10)}  ${((value / modelMs) * 100).toFixed(2)} %`);
console.log(`  ${"all guards".padEnd(18)} ${ms(total).padStart(10)}  ${((total / modelMs) * 100).toFixed(2)} % of the model's ${ms(modelMs)}`);
console.log(`  ${"opening them once".padEnd(18)} ${ms(openMs).padStart(10)}`);
