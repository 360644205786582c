/**
 * Does the watermark survive what people do to videos? Marks the first seconds of each video of a folder, changes the result
 * with ffmpeg in many ways, and reads the mark back from the changed file alone. Prints PSNR of the marking, and per change
 * how often the whole payload was recovered.
 *
 *   npm run build && node benchmarks/provenance/watermark.mjs FOLDER [--only NAME,…] [--seconds 2] [--strength crf-33] [--changes NAME,…]
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { frameAt, readClip, writeClip } from "../../dist/video/index.js";
import { detectWatermarkInFile, markClip, newWatermarkId } from "../../dist/provenance/index.js";

const { values, positionals } = parseArgs({ allowPositionals: true, options: { only: { type: "string" }, seconds: { type: "string", default: "2" }, strength: { type: "string", default: "crf-33" }, changes: { type: "string" } } });
const even = (factor) => `trunc(iw*${factor}/2)*2:trunc(ih*${factor}/2)*2`;
const h264 = (crf) => ["-c:v", "libx264", "-preset", "veryfast", "-crf", String(crf)];
/** ffmpeg's words for each change. Where nothing is said of quality it is CRF 20, so that the change itself is measured. */
const changes = {
  "H.264 CRF 18": h264(18),
  "H.264 CRF 23": h264(23),
  "H.264 CRF 28": h264(28),
  "H.264 CRF 33": h264(33),
  "VP9 CRF 33": ["-c:v", "libvpx-vp9", "-crf", "33", "-b:v", "0", "-deadline", "realtime", "-cpu-used", "7"],
  "scaled 0.5 x": ["-vf", `scale=${even(0.5)}`, ...h264(20)],
  "scaled 0.75 x": ["-vf", `scale=${even(0.75)}`, ...h264(20)],
  "scaled 2 x": ["-vf", "scale=iw*2:ih*2", ...h264(20), "-preset", "ultrafast"],
  "cropped 30 % of the area": ["-vf", `crop=${even(0.837)}:iw*0.05:ih*0.11`, ...h264(20)],
  "cropped 30 % off each side": ["-vf", `crop=${even(0.7)}:iw*0.21:ih*0.04`, ...h264(20)],
  "cropped, then scaled": ["-vf", `crop=${even(0.837)}:iw*0.05:ih*0.11,scale=${even(0.75)}`, ...h264(20)],
  "half the frame rate": ["-r", "12", ...h264(20)],
  mirrored: ["-vf", "hflip", ...h264(20)],
  "brighter, more contrast": ["-vf", "eq=brightness=0.08:contrast=1.25", ...h264(20)],
  "rotated 2 degrees": ["-vf", "rotate=2*PI/180", ...h264(20)],
};
const chosen = Object.entries(changes).filter(([name]) => values.changes === undefined || values.changes.split(",").some((part) => name.includes(part)));
const folder = positionals[0];
const scratch = mkdtempSync(join(tmpdir(), "orrery-benchmark-"));
const key = Buffer.alloc(32, 99);
const tally = new Map(chosen.map(([name]) => [name, { right: 0, present: 0, wrong: 0, total: 0, missed: [] }]));
const psnrs = [];

function psnr(a, b) {
  let squares = 0;
  for (let i = 0; i < a.length; i++) squares += (a[i] - b[i]) ** 2;
  return 10 * Math.log10(255 ** 2 / (squares / a.length));
}

try {
  for (const name of readdirSync(folder).filter((one) => /\.(mp4|mkv|webm)$/.test(one)).toSorted()) {
    if (values.only !== undefined && !values.only.split(",").some((part) => name.includes(part))) continue;
    const clip = await readClip(join(folder, name), { durationS: Number(values.seconds) });
    const id = newWatermarkId();
    const began = performance.now();
    const marked = markClip(clip, { key, id, strength: values.strength });
    const ms = (performance.now() - began) / clip.frameCount;
    const each = Array.from({ length: clip.frameCount }, (_, i) => psnr(frameAt(clip, i).pixels, frameAt(marked, i).pixels));
    const mean = each.reduce((a, b) => a + b) / each.length;
    psnrs.push(mean);
    const file = join(scratch, "marked.mp4");
    await writeClip(file, marked, { crf: 14 });
    const states = [];
    for (const [change, words] of chosen) {
      const changed = join(scratch, change.startsWith("VP9") ? "changed.webm" : "changed.mp4");
      execFileSync("ffmpeg", ["-v", "error", "-nostdin", "-y", "-i", file, ...words, changed], { stdio: ["ignore", "ignore", "inherit"] });
      const { found, id: read, z } = await detectWatermarkInFile(changed, key);
      const one = tally.get(change);
      one.total += 1;
      if (read === id) one.right += 1;
      else {
        if (read !== undefined) one.wrong += 1;
        if (found === "presence") one.present += 1;
        one.missed.push(`${name.split("__").at(-1)} ${clip.width}x${clip.height} (${found}, z ${z.toFixed(1)})`);
      }
      states.push(read === id ? "." : found === "presence" ? "p" : "x");
    }
    console.error(`${name} ${clip.width}x${clip.height} ${clip.frameCount} frames, PSNR ${mean.toFixed(2)} dB (least ${Math.min(...each).toFixed(2)}), ${ms.toFixed(1)} ms a frame: ${states.join("")}`);
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
console.log(`${psnrs.length} videos, mean PSNR ${(psnrs.reduce((a, b) => a + b, 0) / psnrs.length).toFixed(2)} dB, least ${Math.min(...psnrs).toFixed(2)} dB\n`);
console.log("| change | payload recovered | else present | wrong payload |\n|---|---|---|---|");
for (const [name, { right, present, wrong, total }] of tally) console.log(`| ${name} | ${right} of ${total} | ${present} | ${wrong} |`);
for (const [name, { missed }] of tally) if (missed.length > 0) console.log(`missed, ${name}: ${missed.join("; ")}`);
