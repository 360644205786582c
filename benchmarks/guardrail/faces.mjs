/**
 * How many faces a detector finds, and how often it sees one where there is none, on frames of public clips whose faces were
 * marked (`data/faces.json`: clip, frame, boxes in pixels; `ignore` marks heads of which a fair judge would not demand either
 * answer). The clips are not part of this repository: give the folder that holds them.
 *
 *     npm run build && node benchmarks/guardrail/faces.mjs CLIPS [--tile] [--detector DIR] [--scale 0.5] [--only NAME] [--speed]
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openFaceDetector } from "../../dist/guardrail/faces/index.js";
import { readFrames, resample } from "../../dist/video/index.js";

const { values, positionals: [clips] } = parseArgs({
  allowPositionals: true,
  options: { tile: { type: "boolean", default: false }, detector: { type: "string", default: "bundled" }, scale: { type: "string", default: "1" }, only: { type: "string" }, speed: { type: "boolean", default: false }, threshold: { type: "string" } },
});
if (!clips) throw new Error("give the folder that holds the clips");
const truth = JSON.parse(readFileSync(new URL("./data/faces.json", import.meta.url), "utf8"));
const detector = await openFaceDetector({ detector: values.detector, tile: values.tile });
const scale = Number(values.scale);
const threshold = Number(values.threshold ?? detector.threshold);

const areaOf = ([l, t, r, b]) => Math.max(0, r - l) * Math.max(0, b - t);
const shared = (a, b) => areaOf([Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])]);
/** Detectors draw the box of a face differently; half of the marked one covered, and not by something several times as large, is found. */
const finds = (found, face) => shared(found, face) >= 0.5 * areaOf(face) && areaOf(found) <= 4 * areaOf(face);

const bins = { "40 px and more": [40, Infinity], "20 to 40 px": [20, 40], "below 20 px": [0, 20] };
const count = Object.fromEntries(Object.keys(bins).map((name) => [name, { faces: 0, found: 0 }]));
let [frames, falsely] = [0, 0];
const times = [];
for (const [clip, marked] of Object.entries(truth)) {
  if (values.only && !clip.includes(values.only)) continue;
  const path = join(clips, clip);
  if (!existsSync(path)) { console.log(`${clip} is not there`); continue; }
  const byFrame = new Map(marked.map((m) => [m.frame, m]));
  const last = Math.max(...byFrame.keys());
  let [missed, wrong] = [0, 0];
  for await (const original of readFrames(path, { maxFrames: last + 1 })) {
    const mark = byFrame.get(original.index);
    if (!mark) continue;
    const picture = scale === 1 ? original : resample(original, Math.round(original.width * scale), Math.round(original.height * scale));
    const begun = performance.now();
    const seen = (await detector.detect(picture, threshold)).map(({ box }) => box.map((v) => v / scale));
    times.push(performance.now() - begun);
    frames += 1;
    for (const face of mark.faces) {
      const side = Math.min(face[2] - face[0], face[3] - face[1]) * scale;
      const bin = count[Object.keys(bins).find((name) => side >= bins[name][0] && side < bins[name][1])];
      bin.faces += 1;
      if (seen.some((box) => finds(box, face))) bin.found += 1;
      else missed += 1;
    }
    wrong += seen.filter((box) => ![...mark.faces, ...(mark.ignore ?? [])].some((face) => shared(box, face) >= 0.3 * Math.min(areaOf(box), areaOf(face)))).length;
  }
  falsely += wrong;
  if (missed + wrong > 0) console.log(`  ${clip}: ${missed} missed, ${wrong} where there is none`);
}
console.log(`${detector.model}${values.tile ? ", tiled" : ""}, threshold ${threshold}, clips at ${scale} of their size: ${frames} frames`);
for (const [name, { faces, found }] of Object.entries(count)) if (faces > 0) console.log(`  ${name}: ${found} of ${faces} found, recall ${(found / faces).toFixed(3)}`);
console.log(`  seen where there is no face: ${falsely} in ${frames} frames`);
if (values.speed) console.log(`  median ${times.toSorted((a, b) => a - b)[times.length >> 1].toFixed(0)} ms per frame`);
await detector.close();
