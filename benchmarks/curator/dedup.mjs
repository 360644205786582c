/**
 * Duplicates among real clips, as `orrery curate` meets them: every source is analysed and cut at its shots (into clips from
 * one second on, else with the default settings), and the clips are compared with each other. A superfluous source is found
 * when each of its clips is dropped for one of its group; a pair across groups, or within one source, is a false alarm.
 *
 *     npm run build && node benchmarks/curator/dedup.mjs CLIPS [--clips PART,PART] [--verbose]
 */
import { parseArgs } from "node:util";
import { analyse } from "../../dist/curator/analysis/analysis.js";
import { candidateClips } from "../../dist/curator/clips.js";
import { findDuplicates } from "../../dist/curator/dedup/duplicates.js";
import { curateSchema } from "../../dist/curator/index.js";
import { probeVideo } from "../../dist/video/index.js";
import { clipsIn, cpuSeconds, falseGroups, groups } from "./common.mjs";

const { values, positionals: [folder] } = parseArgs({ allowPositionals: true, options: { clips: { type: "string" }, verbose: { type: "boolean", default: false } } });
// Some of the pairs that look alike are shorter than a clip may be by default.
const settings = curateSchema.parse({ split: { minLengthS: 1, minLengthFrames: 24 } });
const sources = clipsIn(folder, values.clips);
const begun = cpuSeconds();
/** By id of a clip: the name of its source, and when it begins. */
const origin = new Map();
const all = [];
for (const { name, path } of sources) {
  const info = await probeVideo(path);
  const source = { path, info, sha256: "" };
  const { clips } = candidateClips(source, await analyse(info), settings);
  if (clips.length === 0) console.log(`  ${name} is too short to make a clip`);
  for (const { id, startS, duplicate } of clips) {
    origin.set(id, { name, startS });
    all.push(duplicate);
  }
}
const pairs = findDuplicates(all).map((pair) => ({ ...pair, from: origin.get(pair.dropped), to: origin.get(pair.kept) }));
const told = ({ from, to, reason, because, look, happening }) => `${from.name} at ${from.startS.toFixed(1)} s is a ${reason === "copy" ? "copy" : "part"} of ${to.name} at ${to.startS.toFixed(1)} s (${because}; look ${look.toFixed(3)}, happening ${happening.toFixed(3)})`;
if (values.verbose) for (const pair of pairs) console.log(`  ${told(pair)}`);

const groupOf = (name) => groups.find(({ keep, others }) => keep === name || others.includes(name));
const here = new Set([...origin.values()].map(({ name }) => name));
let [superfluous, found, asWanted, withWish] = [0, 0, 0, 0];
for (const { keep, others } of groups) {
  const members = [...(keep ? [keep] : []), ...others].filter((name) => here.has(name));
  if (members.length < 2) continue;
  // One source of a group stays; every other one should go, whole.
  const gone = members.filter((name) => [...origin].every(([id, from]) => from.name !== name || pairs.some(({ dropped, to }) => dropped === id && members.includes(to.name) && to.name !== name)));
  const clipsGone = pairs.filter(({ from, to }) => members.includes(from.name) && members.includes(to.name)).length;
  const clipsHere = [...origin.values()].filter(({ name }) => members.includes(name)).length;
  superfluous += members.length - 1;
  found += Math.min(gone.length, members.length - 1);
  if (keep && here.has(keep)) {
    withWish += 1;
    asWanted += pairs.some(({ from }) => from.name === keep) ? 0 : 1;
  }
  console.log(`  group of ${members[0]}: ${clipsGone} of ${clipsHere} clips dropped; whole: ${gone.join(", ") || "none"}`);
}
const alarms = pairs.filter(({ from, to }) => from.name === to.name || !groupOf(from.name) || groupOf(from.name) !== groupOf(to.name));
for (const pair of alarms) console.log(`  false: ${told(pair)}`);
const misleading = falseGroups.filter((names) => names.every((name) => here.has(name)));
const misled = misleading.filter((names) => alarms.some(({ from, to }) => names.includes(from.name) && names.includes(to.name)));
console.log(`${all.length} clips of ${sources.length} sources: ${found} of ${superfluous} superfluous sources found; the better source stays whole in ${asWanted} of ${withWish} groups; ${alarms.length} false pairs; ${misleading.length - misled.length} of ${misleading.length} pairs that look alike kept apart`);
console.log(`${(cpuSeconds() - begun).toFixed(0)} s of the processor`);
