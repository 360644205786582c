/** Whole clips and whole files with a drawn face: what goes in, what comes out, what is never left. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { main } from "../../cli/main.ts";
import { frameAt, probeVideo, readClip, writeClip, type Clip } from "../../video/index.ts";
import { runTool } from "../../video/ffmpeg.ts";
import { hideFacesInClip } from "./clip.ts";
import { movingFace, skinDetector } from "./drawn-face.cases.ts";
import type { FaceDetector } from "./face.ts";
import { openFaceDetector } from "./open.ts";
import { hideFacesInVideo } from "./video.ts";

const folder = mkdtempSync(join(tmpdir(), "orrery-faces-"));
const at = (name: string): string => join(folder, name);
const start = { x: 50, y: 70, size: 26 };
const step = 3;
const frames = 15;
let clip: Clip;
let detector: FaceDetector;

beforeAll(async () => {
  clip = movingFace(160, 128, frames, start, step);
  detector = skinDetector();
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Whether the eyes of the drawn face can still be told in frame `i`: the dark of the pupils in the white. */
function eyesShow(shown: Clip, i: number): boolean {
  const { pixels, width } = frameAt(shown, i);
  const brightness = (u: number, v: number): number => {
    const [x, y] = [Math.round(start.x + step * i + u * start.size), Math.round(start.y + v * start.size)];
    return pixels[(y * width + x) * 3 + 1]!;
  };
  return [-1, 1].some((side) => Math.abs(brightness(side * 0.31, -0.11) - brightness(side * 0.31 + 0.11, -0.11)) > 60);
}

/** The same detector, but blind in every third frame. */
function blinking(real: FaceDetector): FaceDetector {
  let calls = 0;
  return { ...real, detect: async (...args: Parameters<FaceDetector["detect"]>) => (calls++ % 3 === 2 ? [] : real.detect(...args)) };
}

const framesWithEyes = (shown: Clip): number[] => Array.from({ length: shown.frameCount }, (_, i) => i).filter((i) => eyesShow(shown, i));

describe("a clip in memory", () => {
  test("its faces are hidden in every frame, with the bundled detector made blind in every third", async () => {
    expect(framesWithEyes(clip)).toHaveLength(frames);
    const before = Uint8Array.from(clip.frames);
    const bundled = await openFaceDetector({ threads: 2 });
    try {
      const { clip: hidden, report } = await hideFacesInClip(clip, blinking(bundled), { every: 1 });
      expect(Buffer.compare(clip.frames, before)).toBe(0);
      expect(framesWithEyes(hidden)).toEqual([]);
      expect(report).toMatchObject({ framesHidden: frames, framesOnlyFilled: frames / 3, detector: { model: bundled.model, threshold: bundled.threshold } });
      expect(report.detector.version).toMatch(/^[0-9a-f]{64}$/);
      expect(report.tracks).toMatchObject([{ firstFrame: 0, lastFrame: frames - 1, hidden: true }]);
      expect(Object.keys(report.boxes)).toHaveLength(frames);
    } finally {
      await bundled.close();
    }
  });

  test("looking at one frame of four, still with every third answer withheld: no frame shows eyes", async () => {
    for (const offset of [0, 1, 2]) {
      const real = skinDetector();
      let calls = offset;
      const { clip: hidden, report } = await hideFacesInClip(clip, { ...real, detect: async (...args: Parameters<FaceDetector["detect"]>) => (calls++ % 3 === 2 ? [] : real.detect(...args)) }, { every: 4, method: "solid" });
      expect(framesWithEyes(hidden), `withheld from answer ${offset}`).toEqual([]);
      expect(report.framesHidden).toBe(frames);
    }
    const calm = skinDetector();
    const { clip: hidden, report } = await hideFacesInClip(clip, calm, { every: 4, method: "solid" });
    expect(framesWithEyes(hidden)).toEqual([]);
    expect(report).toMatchObject({ framesLookedAt: calm.calls, framesHidden: frames });
    expect(calm.calls).toBeLessThan(frames / 2);
  });

  test("faces below the limit stay, and are in the report", async () => {
    const { clip: same, report } = await hideFacesInClip(clip, detector, { minSize: 100 });
    expect(Buffer.compare(same.frames, clip.frames)).toBe(0);
    expect(report.tracks.map(({ hidden }) => hidden)).toEqual([false]);
    expect(report.framesHidden).toBe(0);
  });

  test("options that make no sense are refused, and a detector that fails gives no clip", async () => {
    await expect(hideFacesInClip(clip, detector, { margin: -1 })).rejects.toThrow(/margin -1/);
    await expect(hideFacesInClip(clip, detector, { threshold: 2 })).rejects.toThrow(/threshold of 2/);
    await expect(hideFacesInClip(clip, { ...detector, detect: () => Promise.reject(new Error("out of order")) })).rejects.toThrow("out of order");
    await expect(hideFacesInClip(clip, detector, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "cancelled" });
  });
});

describe("a file", () => {
  /** The drawn clip with a tone, in 10 bits, turned by 90 degrees, of an odd width. */
  beforeAll(async () => {
    await writeClip(at("plain.mp4"), clip, { crf: 10 });
    const made = await runTool("ffmpeg", ["-y", "-i", at("plain.mp4"), "-f", "lavfi", "-i", "sine=duration=0.6", "-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "aac", at("sound.mp4")], { what: "making a clip" });
    expect(made.stderr).toBe("");
    await runTool("ffmpeg", ["-y", "-i", at("plain.mp4"), "-f", "lavfi", "-i", "sine=duration=0.6", "-vf", "crop=159:127:0:0,transpose=cclock", "-c:v", "libx264", "-pix_fmt", "yuv444p10le", "-crf", "10", "-c:a", "pcm_s16le", at("deep.mkv")], { what: "making a clip" });
    await runTool("ffmpeg", ["-y", "-display_rotation", "90", "-i", at("deep.mkv"), "-c", "copy", at("turned.mov")], { what: "making a clip" });
  });

  test("keeps its size, rate and sound, and shows no face", async () => {
    const { sound, report } = await hideFacesInVideo(at("sound.mp4"), at("sound-hidden.mp4"), detector);
    expect(sound).toBe("copied");
    const info = await probeVideo(at("sound-hidden.mp4"));
    expect(info).toMatchObject({ width: 160, height: 128, fps: 25, frameCount: frames, audioCodec: "aac" });
    const original = await readClip(at("sound.mp4"));
    expect(framesWithEyes(original)).toHaveLength(frames);
    expect(framesWithEyes(await readClip(at("sound-hidden.mp4")))).toEqual([]);
    expect(report.frames).toBe(frames);
    expect(readdirSync(folder).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test("10 bits, an odd size, a rotation and sound that mp4 cannot hold are no obstacle", async () => {
    const name = existsSync(at("turned.mov")) ? "turned.mov" : "deep.mkv";
    const { sound, source, report } = await hideFacesInVideo(at(name), at("odd.mp4"), detector);
    expect(sound).toBe("encoded");
    expect(source.bitDepth).toBe(10);
    const info = await probeVideo(at("odd.mp4"));
    expect([info.width, info.height].every((side) => side % 2 === 0)).toBe(true);
    expect(Math.abs(info.width - source.width) + Math.abs(info.height - source.height)).toBeLessThanOrEqual(2);
    expect(info).toMatchObject({ audioCodec: "aac", bitDepth: 8, rotation: 0 });
    expect(report.frames).toBe(frames);
  });

  test("a run that was stopped goes on where it was", async () => {
    const stop = new AbortController();
    const counting = skinDetector();
    await expect(hideFacesInVideo(at("plain.mp4"), at("resumed.mp4"), counting, { signal: stop.signal, progress: ({ done }) => done === 8 && stop.abort() })).rejects.toMatchObject({ code: "cancelled" });
    expect(existsSync(at("resumed.mp4"))).toBe(false);
    expect(existsSync(at(".resumed.mp4.faces"))).toBe(true);
    // What a kill in the middle of a line leaves behind.
    writeFileSync(at(".resumed.mp4.faces"), `${readFileSync(at(".resumed.mp4.faces"), "utf8")}[12345,[[0.9,`);
    const { report } = await hideFacesInVideo(at("plain.mp4"), at("resumed.mp4"), counting);
    expect(counting.calls).toBeLessThanOrEqual(report.framesLookedAt + 1);
    expect(existsSync(at(".resumed.mp4.faces"))).toBe(false);
    const whole = await hideFacesInVideo(at("plain.mp4"), at("whole.mp4"), detector);
    expect(report).toEqual(whole.report);
    expect(readFileSync(at("resumed.mp4")).equals(readFileSync(at("whole.mp4")))).toBe(true);
  });

  test("an output that is the input, no mp4, or nowhere is refused before any work", async () => {
    const none: FaceDetector = { ...detector, detect: () => Promise.reject(new Error("was asked")) };
    await expect(hideFacesInVideo(at("plain.mp4"), at("plain.mp4"), none)).rejects.toThrow(/is the video itself/);
    await expect(hideFacesInVideo(at("plain.mp4"), at("out.mov"), none)).rejects.toThrow(/must end in .mp4/);
    await expect(hideFacesInVideo(at("plain.mp4"), at("none/out.mp4"), none)).rejects.toMatchObject({ code: "file_not_found" });
  });

  test("from the command line, with a page for review that shows nothing more than the result", async () => {
    const [out, err]: [string[], string[]] = [[], []];
    const host = { stdout: { write: (text: string) => out.push(text) }, stderr: { write: (text: string) => err.push(text) }, env: {}, signal: new AbortController().signal };
    expect(await main(["guard", "faces", at("plain.mp4"), "-o", at("cli.mp4"), "--report", "--method", "solid"], host)).toBe(0);
    expect(out.join("")).toMatch(/1 face hidden in 15 of 15 frames/);
    const page = readFileSync(at("cli.faces.html"), "utf8");
    expect(page.match(/<img /g)!.length).toBeGreaterThanOrEqual(frames);
    expect(page).not.toMatch(/<script|https?:\/\//);
    const data = JSON.parse(readFileSync(at("cli.faces.json"), "utf8")) as { frames: number; method: string; boxes: object };
    expect(data).toMatchObject({ frames, method: "solid", source: "plain.mp4" });
    expect(await main(["guard", "faces", at("plain.mp4"), "-o", at("x.mp4"), "--detector", at("nowhere")], host)).toBe(1);
    expect(err.join("")).toMatch(/no such file or folder: .*nowhere/);
  });
});
