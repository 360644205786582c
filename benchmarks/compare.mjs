/**
 * Runs a benchmark and its PyTorch peer in turn and prints medians, ranges and ratios.
 * usage: node benchmarks/compare.mjs TOPIC [ROUNDS=3]; PYTHON names the interpreter, ONLY a part of the names.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const sorted = (list) => [...list].sort((a, b) => a - b);
const median = (list) => sorted(list)[list.length >> 1];
const round3 = (v) => Number(v.toPrecision(4));
const [topic, rounds = "3"] = process.argv.slice(2);
const here = new URL(`./${topic}/`, import.meta.url).pathname;
const shared = mkdtempSync(join(tmpdir(), "orrery-benchmark-"));
const sides = [["orrery", process.execPath, join(here, "orrery.mjs")], ["peer", process.env.PYTHON ?? "python3", join(here, "peer.py")]].filter(([, , file]) => existsSync(file));
const found = new Map();
for (let round = 0; round < Number(rounds); round++)
  for (const [side, program, file] of sides) {
    const { stdout, stderr, status } = spawnSync(program, [file, shared], { encoding: "utf8" });
    if (status !== 0) throw new Error(`${file} failed: ${stderr.slice(-2000)}`);
    for (const line of stdout.split("\n").filter((l) => l.startsWith("{"))) {
      const { name, ms, cpu, value } = JSON.parse(line);
      const note = (key, list) => {
        const entry = found.get(key) ?? found.set(key, {}).get(key);
        (entry[side] ??= []).push(...list);
        console.error(`round ${round + 1}, ${side}: ${key} ${round3(median(list))}`);
      };
      note(name, ms ?? [value]);
      if (cpu) note(`${name} of the processor`, cpu);
    }
  }
rmSync(shared, { recursive: true });
console.log("| | Orrery: median (range) | peer: median (range) | ratio of medians | of bests |\n|---|---|---|---|---|");
for (const [name, { orrery, peer }] of found) {
  const show = (list) => (list ? `${round3(median(list))} (${round3(sorted(list)[0])}-${round3(sorted(list).at(-1))})` : "");
  console.log(`| ${name} | ${show(orrery)} | ${show(peer)} | ${orrery && peer ? round3(median(peer) / median(orrery)) : ""} | ${orrery && peer ? round3(sorted(peer)[0] / sorted(orrery)[0]) : ""} |`);
}
