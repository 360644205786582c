/**
 * Boundaries of shots. Listed: cuts known by eye in real clips, and clips without one. Synthetic: shots of real one-shot clips
 * joined in memory, by hard cuts, fades through black and dissolves of 8 to 47 frames. A hard cut is found within one frame,
 * another transition from two frames before its first frame to two behind its last.
 *
 *     npm run build && node benchmarks/curator/shots.mjs CLIPS [--clips PART,PART] [--count 500] [--no-listed] [--verbose]
 */
import { parseArgs } from "node:util";
import { findShots } from "../../dist/curator/index.js";
import { findTransitions } from "../../dist/curator/shots/detector.js";
import { shotMeter } from "../../dist/curator/shots/features.js";
import { RandomState } from "../../dist/tensor/random.js";
import { clipsIn, cpuSeconds, smallFrames } from "./common.mjs";

const { values, positionals: [folder] } = parseArgs({
  allowPositionals: true,
  options: { clips: { type: "string" }, count: { type: "string", default: "500" }, "no-listed": { type: "boolean", default: false }, verbose: { type: "boolean", default: false } },
});
const clips = clipsIn(folder, values.clips);
if (!values["no-listed"]) await listed();
if (Number(values.count) > 0) await synthetic(Number(values.count));

async function listed() {
  const sums = { cuts: 0, exact: 0, beside: 0, extra: 0, whole: 0, falsely: 0 };
  const speed = { frames: 0, seconds: 0 };
  for (const { name, path, cuts } of clips) {
    process.stderr.write(`  looking at ${name}\n`);
    const begun = cpuSeconds();
    const { info, frameCount, transitions } = await findShots(path);
    if (info.width === 1280 && info.height === 720) {
      speed.frames += frameCount;
      speed.seconds += cpuSeconds() - begun;
    }
    const found = transitions.map(({ frame }) => frame);
    const extra = transitions.filter(({ frame }) => !cuts.some((cut) => Math.abs(cut - frame) <= 1));
    const [exact, beside] = [cuts.filter((cut) => found.includes(cut)), cuts.filter((cut) => !found.includes(cut) && found.some((frame) => Math.abs(cut - frame) === 1))];
    sums.cuts += cuts.length;
    sums.exact += exact.length;
    sums.beside += beside.length;
    if (cuts.length > 0) sums.extra += extra.length;
    else {
      sums.whole += 1;
      sums.falsely += extra.length > 0 ? 1 : 0;
    }
    const missed = cuts.filter((cut) => !exact.includes(cut) && !beside.includes(cut));
    if (missed.length + beside.length + extra.length > 0) console.log(`  ${name}: missed ${missed.join(", ") || "none"}; a frame beside ${beside.join(", ") || "none"}; not there ${extra.map(({ type, frame }) => `${type} ${frame}`).join(", ") || "none"}`);
  }
  console.log(`listed cuts: ${sums.exact} of ${sums.cuts} to the frame, ${sums.beside} a frame beside, ${sums.extra} found that are not there`);
  console.log(`clips without a cut: ${sums.whole - sums.falsely} of ${sums.whole} without a boundary`);
  if (speed.frames > 0) console.log(`1280 x 720, decoding included: ${(speed.frames / speed.seconds).toFixed(0)} frames a second of the processor (${speed.frames} frames)`);
}

async function synthetic(count) {
  const pool = [];
  // The damaged clip has jumps of its own; clips with cuts are no single shot.
  for (const { name, path, cuts, damaged, scene = name } of clips) if (cuts.length === 0 && !damaged) pool.push({ scene, frames: await smallFrames(path, 150) });
  if (new Set(pool.map(({ scene }) => scene)).size < 2) throw new Error("synthetic transitions need one-shot clips of at least two scenes; give more clips, or --count 0");
  const random = new RandomState(20_251_125);
  const below = (n) => Math.floor(random.random() * n);
  const kinds = ["hard", "fade", "dissolve"];
  const stats = Object.fromEntries(kinds.map((kind) => [kind, { truth: 0, found: 0, named: 0, extra: 0, called: 0 }]));
  const shotsEach = 6;
  for (let left = count, sequence = 0; left > 0; sequence++) {
    const { frames, truth } = film(Math.min(shotsEach, left + 1), pool, below, kinds);
    left -= truth.length;
    const meter = shotMeter();
    const got = findTransitions(frames.map((frame) => meter(frame)));
    const used = new Set();
    for (const { kind, first, last } of truth) {
      const slack = kind === "hard" ? 1 : 2;
      const inside = got.filter((one) => !used.has(one) && one.frame >= first - slack && one.frame <= last + slack);
      const match = inside.find(({ type }) => type === kind) ?? inside[0];
      stats[kind].truth += 1;
      if (match) {
        used.add(match);
        stats[kind].found += 1;
        stats[kind].named += match.type === kind ? 1 : 0;
      } else if (values.verbose) console.log(`  missed ${kind} ${sequence}:${first}-${last}`);
    }
    for (const one of got) {
      stats[one.type].called += 1;
      if (used.has(one)) continue;
      stats[one.type].extra += 1;
      if (values.verbose) console.log(`  not there: ${one.type} ${sequence}:${one.frame}`);
    }
  }
  console.log(`synthetic: ${count} transitions among ${pool.length} clips`);
  for (const [kind, { truth, found, named, extra, called }] of Object.entries(stats)) {
    const f1 = (hits, real, claimed) => ((2 * hits) / Math.max(1, real + claimed)).toFixed(3);
    console.log(`  ${kind}: ${found} of ${truth} found (${named} by their kind), ${extra} not there; F1 ${f1(found, truth, found + extra)}, where the kind must be right as well ${f1(named, truth, called)}`);
  }
}

/** Shots in a row with what joins them: frames, and for each transition its kind and the first and last frame that is mixed. */
function film(shots, pool, below, kinds) {
  let frames = [];
  const truth = [];
  let before;
  for (let k = 0; k < shots; k++) {
    let clip;
    do clip = pool[below(pool.length)]; while (before && clip.scene === before.scene);
    const length = Math.min(clip.frames.length, 60 + below(60));
    const start = below(clip.frames.length - length + 1);
    const shot = clip.frames.slice(start, start + length);
    if (before) {
      const kind = kinds[below(kinds.length)];
      // Neither shot gives more than half its frames, so that each is seen by itself for a while.
      const mixed = Math.min(8 + below(40), (before.length >> 1) - 5, (length >> 1) - 5);
      const at = frames.length;
      if (kind === "hard") {
        truth.push({ kind, first: at, last: at });
        frames = [...frames, ...shot];
      } else if (kind === "dissolve") {
        const middle = Array.from({ length: mixed }, (_, i) => blend(frames[at - mixed + i], shot[i], 1 - (i + 1) / (mixed + 1), (i + 1) / (mixed + 1)));
        truth.push({ kind, first: at - mixed, last: at - 1 });
        frames = [...frames.slice(0, -mixed), ...middle, ...shot.slice(mixed)];
      } else {
        const ramp = mixed >> 1;
        const out = Array.from({ length: ramp }, (_, i) => blend(frames[at - ramp + i], shot[0], 1 - (i + 1) / (ramp + 1), 0));
        const black = Array.from({ length: 1 + below(5) }, () => new Uint8Array(shot[0].length));
        const into = Array.from({ length: ramp }, (_, i) => blend(shot[i], shot[i], (i + 1) / (ramp + 1), 0));
        truth.push({ kind, first: at - ramp, last: at + black.length + ramp - 1 });
        frames = [...frames.slice(0, -ramp), ...out, ...black, ...into, ...shot.slice(ramp)];
      }
    } else frames = shot;
    before = { scene: clip.scene, length };
  }
  return { frames, truth };
}

function blend(a, b, ofA, ofB) {
  const out = new Uint8Array(a.length);
  for (let i = 0; i < out.length; i++) out[i] = Math.round(a[i] * ofA + b[i] * ofB);
  return out;
}
