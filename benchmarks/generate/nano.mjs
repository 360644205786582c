/**
 * How long somebody waits for the nano model: from the command to the first preview and to the finished, guarded, marked file, for a
 * clip of two seconds made of words and one that continues a clip; and what a start with nothing to do costs.
 * usage: node benchmarks/generate/nano.mjs [ROUNDS=3] [MODEL=orrery-nano]
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const [rounds = "3", model = "orrery-nano"] = process.argv.slice(2);
const orrery = fileURLToPath(new URL("../../bin/orrery.mjs", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "orrery-nano-"));
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];

spawnSync(process.execPath, [orrery, "lab", "render", "--scenario", "fall", "--count", "1", "--split", "test", "--out", join(scratch, "lab"), "--quiet"], { stdio: "inherit" });
const clip = join(scratch, "lab", "clips", readdirSync(join(scratch, "lab", "clips"))[0]);

/** Seconds to the first preview, to the end, and what the record says of the stages. */
async function run(name, args) {
  const previews = join(scratch, `${name}-previews`);
  const out = join(scratch, `${name}.mp4`);
  const begun = performance.now();
  const child = spawn(process.execPath, [orrery, "generate", "--model", model, ...args, "--frames", "20", "--previews", previews, "--preview-every", "1", "-o", out, "--quiet"], { stdio: ["ignore", "ignore", "inherit"] });
  let first;
  const timer = setInterval(() => {
    if (first === undefined && existsSync(previews) && readdirSync(previews).some((file) => /\.(png|jpg|webp)$/.test(file))) first = (performance.now() - begun) / 1000;
  }, 20);
  const status = await new Promise((resolve) => child.on("exit", resolve));
  clearInterval(timer);
  if (status !== 0) throw new Error(`orrery generate ended with ${status}`);
  const { durations_s: stages } = JSON.parse(readFileSync(out.replace(/\.mp4$/, ".orrery.json"), "utf8"));
  return { first, whole: (performance.now() - begun) / 1000, stages };
}

const ways = { "of words": ["--prompt", "A red ball falls and bounces on the floor."], "from a clip": ["--video", clip] };
const start = [];
console.log("| two seconds, 64 x 64 | first preview, s | whole command, s | of it the model, s |\n|---|---|---|---|");
for (const [name, args] of Object.entries(ways)) {
  const all = [];
  for (let i = 0; i < Number(rounds); i++) all.push(await run(`${name.replace(/ /g, "-")}-${i}`, args));
  console.log(`| ${name} | ${median(all.map((r) => r.first ?? NaN)).toFixed(1)} | ${median(all.map((r) => r.whole)).toFixed(1)} | ${median(all.map((r) => r.stages.model)).toFixed(1)} |`);
}
for (let i = 0; i < Number(rounds); i++) {
  const begun = performance.now();
  spawnSync(process.execPath, [orrery, "--help"]);
  start.push((performance.now() - begun) / 1000);
}
console.log(`\nA start of the command line takes ${median(start).toFixed(2)} s.`);
rmSync(scratch, { recursive: true });
