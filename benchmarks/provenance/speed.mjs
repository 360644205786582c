/**
 * Frames a second at 1280 x 720: marking alone, marking with decoding and encoding around it, and reading the mark.
 *
 *   npm run build && node benchmarks/provenance/speed.mjs
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { frameAt, makeDemoClip, openVideoWriter, readClip, readFrames } from "../../dist/video/index.js";
import { detectWatermarkInFile, embedWatermark, markClip, signC2pa, verifyC2pa } from "../../dist/provenance/index.js";

const scratch = mkdtempSync(join(tmpdir(), "orrery-benchmark-"));
const at = (name) => join(scratch, name);
const key = Buffer.alloc(32, 1);
const id = "0123456789abcdef";
const clock = async (what, units, work) => {
  const [began, cpu] = [performance.now(), process.cpuUsage()];
  await work();
  const [seconds, used] = [(performance.now() - began) / 1000, process.cpuUsage(cpu)];
  console.log(`${what}: ${seconds.toFixed(2)} s${units > 0 ? `, ${(units / seconds).toFixed(1)} frames a second` : ""} (this process ${((used.user + used.system) / 1e6).toFixed(2)} s of CPU)`);
};
try {
  const frames = 90;
  // Drawn small, as drawing is slow, and scaled up.
  await makeDemoClip(at("small.mp4"), { width: 320, height: 180, frames, fps: 30 });
  const plain = await openVideoWriter(at("plain.mp4"), { width: 1280, height: 720, fps: 30 });
  for await (const { pixels } of readFrames(at("small.mp4"), { width: 1280, height: 720 })) await plain.write(pixels);
  await plain.close();
  const clip = await readClip(at("plain.mp4"), { maxFrames: 30 });
  markClip(clip, { key, id });
  await clock("marking alone, 720p", clip.frameCount, () => markClip(clip, { key, id }));
  await clock("decoding, marking, encoding, 720p", frames, async () => {
    const writer = await openVideoWriter(at("marked.mp4"), { width: 1280, height: 720, fps: 30 });
    for await (const { pixels } of embedWatermark(readFrames(at("plain.mp4")), { key, id })) await writer.write(pixels);
    await writer.close();
  });
  const options = { home: at("home"), env: {} };
  await signC2pa(at("marked.mp4"), at("signed.mp4"), { source: "algorithmicMedia" }, options);
  await clock(`signing ${(statSync(at("marked.mp4")).size / 1e6).toFixed(1)} MB (C2PA)`, 0, () => signC2pa(at("marked.mp4"), at("signed.mp4"), { source: "algorithmicMedia" }, options));
  await clock("verifying it (C2PA)", 0, () => verifyC2pa(at("signed.mp4"), options));
  await clock("reading the mark of 48 frames", 48, () => detectWatermarkInFile(at("signed.mp4"), key));
  await clock("looking through an unmarked video", 48, () => detectWatermarkInFile(at("plain.mp4"), key));
  console.log(`peak memory ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB, of which the clip in memory ${((frameAt(clip, 0).pixels.length * 60) / 2 ** 20).toFixed(0)} MB`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
