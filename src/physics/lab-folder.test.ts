import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { readClip } from "../video/index.ts";
import { clipKeys, clipPaths, labDefaults, openLabLoader, openLaboratory, renderLabFolder, writeLabIndex, type ClipMeta, type LabTruth } from "./index.ts";

const root = mkdtempSync(join(tmpdir(), "orrery-lab-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const keys = clipKeys(["fall", "pusher"], "val", 0, 5);
const options = { width: 32, height: 32, frames: 5, threads: 1 };
const { threads: _, ...picture } = options;
const settings = { ...labDefaults, ...picture };
const folder = join(root, "set");

/** Every file with its content. */
function contentOf(path: string): Record<string, string> {
  const files = readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(files.map((entry) => [join(entry.parentPath, entry.name).slice(path.length), readFileSync(join(entry.parentPath, entry.name)).toString("base64")]));
}

it("writes clips, metadata and truth in the curator's layout", async () => {
  const seen: number[] = [];
  const result = await renderLabFolder(folder, keys, { ...options, progress: ({ done }) => seen.push(done) });
  expect(result).toMatchObject({ clips: 5, kept: 0, rendered: 5, scenarios: { fall: 3, pusher: 2 } });
  expect(seen).toEqual([0, 5]);
  const paths = clipPaths(keys[1]!, settings);
  const meta = JSON.parse(readFileSync(join(folder, paths.meta), "utf8")) as ClipMeta;
  const truth = JSON.parse(readFileSync(join(folder, paths.truth), "utf8")) as LabTruth;
  const clip = await readClip(join(folder, paths.clip));
  expect(meta).toMatchObject({ span_uuid: paths.uuid, width: 32, height: 32, num_frames: 5, framerate: 10, duration_span: [0, 0.5], valid: true, has_caption: true });
  expect(meta.num_bytes).toBe(readFileSync(join(folder, paths.clip)).length);
  expect(meta.windows[0]).toMatchObject({ start_frame: 0, end_frame: 4, caption_status: "success", orrery_lab_caption: truth.caption });
  expect(truth.actions).toHaveLength(4);
  // The file shows what the laboratory shows in memory, but for the loss of the encoder.
  const made = (await openLaboratory()).render(keys[1]!, picture);
  expect(truth).toEqual(JSON.parse(JSON.stringify(made.truth)));
  const difference = clip.frames.reduce((sum, byte, i) => sum + Math.abs(byte - made.frames[i]!), 0) / clip.frames.length;
  expect(difference).toBeLessThan(5);
  expect(JSON.parse(readFileSync(join(folder, "summary.json"), "utf8"))).toMatchObject({ num_clips: 5, total_clip_duration: 2.5, splits: { val: 5 } });
});

it("goes on where it was stopped, and ends with the same bytes", async () => {
  const before = contentOf(folder);
  const broken = join(root, "broken");
  await renderLabFolder(broken, keys.slice(0, 2), options);
  // As a process that was killed leaves it: a clip without metadata, an encoder's folder.
  rmSync(join(broken, clipPaths(keys[0]!, settings).meta));
  writeFileSync(join(broken, clipPaths(keys[0]!, settings).clip), "half a file");
  const { mkdirSync } = await import("node:fs");
  mkdirSync(join(broken, "clips/.batch-x"));
  const again = await renderLabFolder(broken, keys, options);
  expect(again).toMatchObject({ kept: 1, rendered: 4 });
  expect(contentOf(broken)).toEqual(before);
  expect(await renderLabFolder(broken, keys, options)).toMatchObject({ kept: 5, rendered: 0 });
});

it("another size is another clip, and a cancelled run leaves whole clips only", async () => {
  expect(clipPaths(keys[0]!, settings).uuid).not.toBe(clipPaths(keys[0]!, { ...settings, width: 64 }).uuid);
  const controller = new AbortController();
  const many = clipKeys(["slide"], "train", 0, 40);
  const cancelled = join(root, "cancelled");
  const run = renderLabFolder(cancelled, many, { ...options, signal: controller.signal, progress: ({ done }) => done > 0 && controller.abort() });
  await expect(run).rejects.toMatchObject({ code: "cancelled" });
  const metas = readdirSync(join(cancelled, "metas/v0"));
  expect(metas.length).toBeGreaterThan(0);
  expect(metas.length).toBeLessThan(40);
  expect(readdirSync(join(cancelled, "clips")).map((name) => name.replace(".mp4", "")).sort()).toEqual(metas.map((name) => name.replace(".json", "")).sort());
});

it("a file in the way is named", async () => {
  writeFileSync(join(root, "file"), "");
  await expect(renderLabFolder(join(root, "file"), keys, options)).rejects.toMatchObject({ code: "bad_argument" });
});

it("writes a sheet and a page", async () => {
  const { metas } = await renderLabFolder(folder, keys, options);
  const { sheet, page } = await writeLabIndex(folder, keys, metas, picture);
  expect(existsSync(sheet)).toBe(true);
  const html = readFileSync(page, "utf8");
  for (const meta of metas) expect(html).toContain(meta.clip_location);
});

it("the loader gives a step the same clips whenever it is asked, and other steps others", async () => {
  const loader = openLabLoader({ batch: 2, seed: 7, ...options, scenarios: ["slide", "fall"], ahead: 1 });
  try {
    const [first, second] = [await loader.at(3), await loader.at(4)];
    const again = await loader.at(3);
    expect(again.map((clip) => clip.frames)).toEqual(first.map((clip) => clip.frames));
    expect(second.map((clip) => clip.key)).not.toEqual(first.map((clip) => clip.key));
    expect(first[0]).toMatchObject({ width: 32, height: 32, frameCount: 5 });
    expect(first[0]!.caption).toContain("The floor is");
  } finally {
    await loader.close();
  }
});
