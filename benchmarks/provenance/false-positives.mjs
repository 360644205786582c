/**
 * How often is a watermark found where there is none? Cuts every video of a folder (and footage that is drawn here) into
 * slices of 8 frames, and looks for the mark of a key of its own in each. Prints the largest z, the distribution's quantiles
 * and every false alarm.
 *
 *   npm run build && node benchmarks/provenance/false-positives.mjs FOLDER [COUNT] [PART/PARTS]
 */
import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { frameAt, probeVideo, readFrames, renderDemoClip } from "../../dist/video/index.js";
import { detectWatermark, workingSize } from "../../dist/provenance/index.js";

const [folder, count = "1000", share = "1/1"] = process.argv.slice(2);
const [part, parts] = share.split("/").map(Number);
const wanted = Number(count);
const sliceFrames = 8;
const z = [];
const alarms = [];
let drawn = 0;
let seen = 0;

async function look(frames, name) {
  // Several processes can share the work.
  if (seen++ % parts !== part - 1) return;
  if (typeof frames === "function") frames = frames();
  const key = createHash("sha256").update(`false positive ${seen}`).digest();
  const report = await detectWatermark(frames, key);
  z.push(report.z);
  if (report.found !== "nothing") alarms.push(`${name}: ${report.found} z ${report.z.toFixed(2)}`);
  if (z.length % 25 === 0) console.error(`${z.length} of ${Math.round(wanted / parts)}, largest z ${Math.max(...z).toFixed(2)}, false alarms ${alarms.length}`);
}

// A twentieth is drawn: smooth, noiseless pictures are another kind of hard.
for (; drawn < wanted / 20; drawn++) {
  const seed = drawn;
  await look(() => {
    const clip = renderDemoClip({ width: [64, 160, 96, 128][seed % 4], height: [64, 90, 96, 128][seed % 4], frames: sliceFrames, seed });
    return Array.from({ length: clip.frameCount }, (_, i) => frameAt(clip, i));
  }, `drawn ${drawn}`);
}
const files = readdirSync(folder).filter((name) => /\.(mp4|mkv|webm)$/.test(name)).toSorted();
// Round by round, so that every file has its share.
const perFile = Math.ceil((wanted - drawn) / files.length) + 4;
for (const name of files) {
  const path = join(folder, name);
  const info = await probeVideo(path, { countFrames: true });
  const take = Math.min(perFile, Math.floor(info.frameCount / sliceFrames));
  const stride = Math.floor(info.frameCount / take);
  let [slice, at] = [[], 0];
  for await (const frame of readFrames(path, { info, ...workingSize(info), fit: "stretch" })) {
    const place = at++ % stride;
    if (place < sliceFrames) slice.push(frame);
    if (place === sliceFrames - 1) {
      await look(slice, `${name} at frame ${frame.index}`);
      slice = [];
      if (seen === wanted) break;
    }
  }
  if (seen >= wanted) break;
}
const sorted = z.toSorted((a, b) => a - b);
const quantile = (q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))].toFixed(2);
console.log(`${z.length} unmarked slices of ${sliceFrames} frames (${drawn} drawn, the rest cut from ${files.length} files), each with a key of its own`);
console.log(`false alarms: ${alarms.length}${alarms.map((one) => `\n  ${one}`).join("")}`);
console.log(`largest z over all places, median ${quantile(0.5)}, 99 % ${quantile(0.99)}, largest ${sorted.at(-1).toFixed(2)}`);
