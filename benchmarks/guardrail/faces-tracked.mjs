/**
 * What is hidden after tracking, when the detector looks at one of so many frames: of the faces marked in `data/faces.json`
 * how many are covered by half or more, of what it sees when it looks at every frame how much is covered by four fifths or
 * more, and at how many frames it looked. Every frame is looked at once; the rest is arithmetic on that.
 *
 *     npm run build && node benchmarks/guardrail/faces-tracked.mjs CLIPS [--tile] [--only NAME,NAME] [--every 1,2,4,6,8]
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openFaceDetector } from "../../dist/guardrail/faces/index.js";
import { widen } from "../../dist/guardrail/faces/hide.js";
import { frameLooker } from "../../dist/guardrail/faces/look.js";
import { planHiding, resolveHiding } from "../../dist/guardrail/faces/plan.js";
import { probeVideo, readFrames, resample } from "../../dist/video/index.js";

const { values, positionals: [clips] } = parseArgs({ allowPositionals: true, options: { tile: { type: "boolean", default: false }, only: { type: "string" }, every: { type: "string", default: "1,2,4,6,8" } } });
if (!clips) throw new Error("give the folder that holds the clips");
const truth = JSON.parse(readFileSync(new URL("./data/faces.json", import.meta.url), "utf8"));
const only = values.only?.split(",");
const detector = await openFaceDetector({ tile: values.tile });
const { keep } = resolveHiding({}, detector);

const videos = [];
for (const [name, marked] of Object.entries(truth)) {
  const path = join(clips, name);
  if ((only && !only.some((part) => name.includes(part))) || !existsSync(path) || marked.every(({ faces }) => faces.length === 0)) continue;
  const [info, faces, small] = [await probeVideo(path), [], []];
  for await (const frame of readFrames(path, { info, maxFrames: Math.max(...marked.map((m) => m.frame)) + 8 })) {
    faces.push(await detector.detect(frame, keep));
    // Enough for finding cuts.
    small.push(resample(frame, 64, 48));
  }
  videos.push({ name, marked, info, faces, small });
  console.error(`${name}: ${faces.length} frames`);
}
await detector.close();

async function planOf({ info, faces, small }, every) {
  const options = resolveHiding({ every }, detector);
  // What the detector said is handed in as known, so it is not asked; what is counted is which frames were looked at.
  const looker = frameLooker(detector, options);
  const seen = [];
  for (let index = 0; index < small.length; index++) seen.push(...(await looker.next(small[index], { faces: faces[index] })));
  seen.push(...(await looker.end()));
  return planHiding(seen, info, detector, options);
}

const areaOf = ([l, t, r, b]) => Math.max(0, r - l) * Math.max(0, b - t);
const shared = (a, b) => areaOf([Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])]);
for (const every of values.every.split(",").map(Number)) {
  const bins = { "40 px and more": [0, 0], "20 to 40 px": [0, 0] };
  let [looked, frames, sightings, covered] = [0, 0, 0, 0];
  for (const video of videos) {
    const [plan, dense] = [await planOf(video, every), await planOf(video, 1)];
    looked += plan.report.framesLookedAt;
    frames += plan.report.frames;
    dense.boxes.forEach((boxes, i) => {
      for (const { box } of boxes.filter(({ origin }) => origin === "seen")) {
        sightings += 1;
        if (plan.boxes[i].some((other) => shared(widen(other.box, plan.report.margin), box) >= 0.8 * areaOf(box))) covered += 1;
      }
    });
    for (const { frame, faces } of video.marked)
      for (const face of faces) {
        const bin = bins[Math.min(face[2] - face[0], face[3] - face[1]) >= 40 ? "40 px and more" : "20 to 40 px"];
        bin[1] += 1;
        if (plan.boxes[frame]?.some(({ box }) => shared(widen(box, plan.report.margin), face) >= 0.5 * areaOf(face) && areaOf(box) <= 4 * areaOf(face))) bin[0] += 1;
      }
  }
  console.log(`every ${every}: looked at ${looked} of ${frames} frames; covered ${Object.entries(bins).map(([name, [n, of]]) => `${n} of ${of} (${name})`).join(", ")}; of what is seen in every frame ${covered} of ${sightings}`);
}
