/** The whole demo with next to no training: stopped in the middle, continued, and what it writes. */
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { GenerationRecord } from "../../generation/index.ts";
import type { ProgressEvent } from "../../progress.ts";
import { verifyC2pa } from "../../provenance/index.ts";
import { probeVideo, readImage } from "../../video/index.ts";
import { runDemo, type DemoOptions } from "./demo.ts";
import { standardRecipe, type Recipe } from "./recipe.ts";

const folder = mkdtempSync(join(tmpdir(), "orrery-demo-run-"));
const at = (...names: string[]): string => join(folder, ...names);
let before: string | undefined;
beforeAll(() => {
  before = process.env["ORRERY_HOME"];
  process.env["ORRERY_HOME"] = at("home");
});
afterAll(() => {
  if (before === undefined) delete process.env["ORRERY_HOME"];
  else process.env["ORRERY_HOME"] = before;
  rmSync(folder, { recursive: true, force: true });
});

const recipe: Recipe = {
  ...standardRecipe, area: 32 * 32, continued: 1, steps: 3, previewEvery: 2,
  tokenizer: { ...standardRecipe.tokenizer, width: 34, batch: 1, steps: 3, sampleEvery: 3, logEvery: 1 },
  world: { ...standardRecipe.world, layers: 1, heads: 1, headDim: 12, adalnDim: 4, batch: 1, steps: 6, sampleEvery: 3, saveEvery: 2, logEvery: 1 },
};

test("films, is stopped, goes on, and writes what it promises", async () => {
  const stages: string[] = [];
  const stop = new AbortController();
  const demo = (more: Partial<DemoOptions>): ReturnType<typeof runDemo> =>
    runDemo({ clips: [], out: at("demo"), seed: 3, device: "cpu", threads: 2, recipe, film: { throws: 2, width: 32, height: 32, fps: 12, seconds: 4 }, progress: ({ stage }: ProgressEvent) => void stages.push(stage), ...more });
  const stopping = ({ stage, done }: ProgressEvent): void => void (stage === "3/5 training the world model" && done === 4 && stop.abort());
  await expect(demo({ signal: stop.signal, progress: stopping })).rejects.toMatchObject({ code: "cancelled" });
  const filmed = statSync(at("demo/footage/throw-01.mp4")).mtimeMs;

  const result = await demo({});
  expect(statSync(at("demo/footage/throw-01.mp4")).mtimeMs).toBe(filmed);
  expect(readdirSync(at("demo/work"))).toHaveLength(1);
  expect(new Set(stages.map((stage) => stage[0]))).toEqual(new Set(["1", "2", "3", "4", "5"]));
  expect(result.report.world).toMatchObject({ steps: 6, loss: [[1, expect.any(Number)], [2, expect.any(Number)], [3, expect.any(Number)], [4, expect.any(Number)], [5, expect.any(Number)], [6, expect.any(Number)]] });
  expect(readdirSync(at("demo")).toSorted()).toEqual(["contact-sheet.png", "continuation.mp4", "continuation.orrery.json", "continuation.safety.json", "footage", "index.html", "side-by-side.mp4", "work"]);

  const [{ psnr, psnrRepeat }] = result.videos as [(typeof result.videos)[number]];
  expect(psnr).toBeGreaterThan(10);
  expect(psnrRepeat).toBeGreaterThan(10);
  expect(await probeVideo(at("demo/continuation.mp4"), { countFrames: true })).toMatchObject({ frameCount: 17, fps: 12, width: 32, height: 32 });
  expect(await probeVideo(at("demo/side-by-side.mp4"), { countFrames: true })).toMatchObject({ frameCount: 17 });
  expect(await verifyC2pa(at("demo/side-by-side.mp4"))).toMatchObject({ digitalSource: expect.stringMatching(/compositeWithTrainedAlgorithmicMedia/) as string });
  expect((await readImage(at("demo/contact-sheet.png"))).width).toBeGreaterThan(300);
  expect(JSON.parse(readFileSync(at("demo/continuation.orrery.json"), "utf8")) as GenerationRecord).toMatchObject({ args: { seed: 3, condition_frames: 9 }, safety: { words: "none", outcome: "delivered" } });

  expect(result.report.continued[0]!.previews.map(({ done, total }) => [done, total])).toEqual([[2, 4]]);
  const page = readFileSync(at("demo/index.html"), "utf8");
  for (const text of ["A world model of balls in a room", `${psnr.toFixed(2)} dB`, psnrRepeat.toFixed(2), 'src="side-by-side.mp4"', "orrery generate --request"]) expect(page).toContain(text);
  // Pictures are letters by chance.
  expect(page.replace(/data:image[^"]*/g, "")).not.toMatch(/NaN|undefined|\[object|https?:\/\/(?!www\.w3\.org)/);
}, 600_000);
