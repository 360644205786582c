/**
 * The demo from beginning to end: footage, tokenizer, world model, continuations through the guarded door, the page. Whatever
 * was finished before it was stopped is kept: training goes on from its checkpoints, and what belongs to other footage or
 * another recipe lies in a folder of its own.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, rm } from "node:fs/promises";
import { cpus } from "node:os";
import { basename, join, relative, resolve } from "node:path";
import { fromSystemError, OrreryError } from "../../errors.ts";
import { besides, generateVideo, type Door } from "../../generation/index.ts";
import { writeFileAtomic } from "../../partial-file.ts";
import type { Progress } from "../../progress.ts";
import { signC2pa } from "../../provenance/index.ts";
import { openCodec, type Codec } from "../../tokenizer/codec.ts";
import { trainTokenizer } from "../../tokenizer/train.ts";
import { tokenizerSettings } from "../../tokenizer/training-settings.ts";
import type { Device, Runtime } from "../../tensor/runtime/node.ts";
import { fromTensor, makeClip, readClip, sliceClip, toTensor, writeClip, writePng, type Clip } from "../../video/index.ts";
import { trainDiffusion } from "../../world/diffusion/train.ts";
import { diffusionSettings } from "../../world/diffusion/training-settings.ts";
import { withDoor } from "../door.ts";
import { qualityMeter, withRuntime } from "../train.ts";
import { compare, latentsPicture, sheetOf, sideBySideOf } from "./compare.ts";
import { chooseFootage, filmThrows, ownFootage, type Footage, type FootageClip } from "./footage.ts";
import { overallProgress } from "./overall.ts";
import { standardRecipe, type Recipe } from "./recipe.ts";
import { renderReport, type Continued, type Curve, type DemoReport, type Trained } from "./report.ts";

export interface DemoOptions {
  /** The user's clips and folders of them; none for the demo's own footage. */
  clips: readonly string[];
  out: string;
  seed: number;
  policy?: string | undefined;
  device: Device;
  threads?: number | undefined;
  recipe?: Recipe;
  /** How much footage to film, where none is given. */
  film?: Parameters<typeof filmThrows>[3];
  progress: Progress;
  signal?: AbortSignal | undefined;
}

export interface DemoResult {
  report: DemoReport;
  page: string;
  sheet: string;
  model: string;
  videos: { name: string; video: string; sideBySide: string; psnr: number; psnrRepeat: number }[];
}

/** @throws `bad_video` when no clip can be used, `blocked` when no continuation was allowed, `cancelled` after a checkpoint. */
export async function runDemo({ clips, out, seed, policy, device, threads, recipe = standardRecipe, film = ownFootage, progress, signal }: DemoOptions): Promise<DemoResult> {
  const { expectedS } = recipe;
  const overall = overallProgress(Object.entries(expectedS), progress);
  await makeFolder(out);

  const footage = await overall.stage("footage", async (report) => {
    const own = clips.length === 0;
    return chooseFootage(own ? await filmThrows(join(out, "footage"), report, signal, film) : clips, recipe, own, report, signal);
  });
  const work = join(out, "work", workName(footage, recipe, seed));
  const data = { width: footage.width, height: footage.height, frames: recipe.frames, fps: footage.fps, holdout: { at: "start", seconds: footage.heldS } };
  const paths = footage.clips.map(({ path }) => path);
  const measure = await qualityMeter();
  const machine = { device, threads };

  const [tokenizer, world] = await withRuntime(machine, async (runtime) => {
    const common = { data: paths, runtime, measure, signal };
    const first = await overall.stage("tokenizer", (report) =>
      trainTokenizer({ ...common, out: join(work, "tokenizer"), settings: tokenizerSettings.parse({ ...recipe.tokenizer, seed, data }), progress: report }),
    );
    const second = await overall.stage("world", (report) =>
      trainDiffusion({ ...common, out: join(work, "world"), tokenizer: first.model, settings: diffusionSettings.parse({ ...recipe.world, seed, data, conditionFrames: [recipe.given] }), progress: report }),
    );
    return [first, second];
  });

  const continued: Continued[] = [];
  const blocked: { name: string; message: string }[] = [];
  const shownTokenizer = await overall.stage("continue", (report) =>
    withDoor({ model: world.model, policy, ...machine, hasWords: false, progress: report }, async (door) => {
      for (const [i, clip] of footage.clips.slice(0, recipe.continued).entries()) {
        try {
          continued.push(await continueClip(clip, i, door, footage, recipe, seed, out, report, signal));
        } catch (error) {
          if (!(error instanceof OrreryError) || error.code !== "blocked") throw error;
          blocked.push({ name: clip.name, message: error.message });
        }
      }
      return withRuntime(machine, (runtime) => lookThroughTokenizer(tokenizer.model, runtime, continued, footage, recipe));
    }),
  );

  return overall.stage("page", async (report) => {
    report({ stage: "writing the page", done: 0, total: 3, unit: "files" });
    for (const one of continued) {
      const side = sideBySideOf(one.truth, one.made, one.comparison.given);
      Object.assign(one.sideBySide, { width: side.width, height: side.height });
      await writeComposite(join(out, one.sideBySide.file), side, signal);
    }
    report({ stage: "writing the page", done: 1, total: 3, unit: "files" });
    const sheet = join(out, "contact-sheet.png");
    if (continued.length > 0) await writePng(sheet, sheetOf(continued));
    report({ stage: "writing the page", done: 2, total: 3, unit: "files" });
    const all: DemoReport = {
      footage, seen: await glimpses(footage, footage.heldS, recipe, signal), held: await glimpses(footage, 0, recipe, signal),
      tokenizer: { ...(await trained(join(work, "tokenizer"), tokenizer)), ...shownTokenizer },
      world: { ...(await trained(join(work, "world"), world)), frames: recipe.frames, given: recipe.given },
      continued, blocked, seconds: { ...overall.seconds }, commands: commandsFor(footage, world.model, recipe, seed, continued[0], out), machine: machineOf(),
    };
    const page = join(out, "index.html");
    await writeFileAtomic(page, renderReport(all));
    report({ stage: "writing the page", done: 3, total: 3, unit: "files" });
    if (continued.length === 0) throw new OrreryError("blocked", `no continuation was allowed: ${blocked.map(({ name, message }) => `${name}: ${message}`).join("; ")}. The trained models and the page are in ${out}`);
    const videos = continued.map(({ name, file, sideBySide, comparison }) => ({ name, video: join(out, file), sideBySide: join(out, sideBySide.file), psnr: comparison.continuation.psnr, psnrRepeat: comparison.repeat.psnr }));
    return { report: all, page, sheet, model: world.model, videos };
  });
}

/** Goes on from the held-back opening of a clip, through the door that everybody goes through. */
async function continueClip(clip: FootageClip, index: number, door: Door, footage: Footage, recipe: Recipe, seed: number, out: string, progress: Progress, signal: AbortSignal | undefined): Promise<Continued> {
  const suffix = index === 0 ? "" : `-${index + 1}`;
  const file = `continuation${suffix}.mp4`;
  const previews: Continued["previews"][number][] = [];
  const { record, clip: made } = await generateVideo(
    { video: resolve(clip.path), video_end_s: recipe.given / footage.fps, num_frames: recipe.shown, num_inference_steps: recipe.steps, seed },
    door, besides(join(out, file)),
    {
      // The first clip is shown on its way; the others only at their end.
      ...(index === 0 ? { previews: { every: recipe.previewEvery, show: async ({ done, total, video }) => void previews.push({ done, total, clip: video.clip }) } } : {}),
      progress, signal,
    },
  );
  const truth = await readClip(clip.path, { info: clip.info, width: footage.width, height: footage.height, fit: "cover", fps: footage.fps, maxFrames: recipe.shown, signal });
  return { name: clip.name, file, sideBySide: { file: `side-by-side${suffix}.mp4`, width: 0, height: 0 }, truth, made, comparison: compare(truth, made, truth, recipe.given), record, previews };
}

/** Real and generated frames in one video; its credential says so. The generated ones are those that the guards allowed. */
async function writeComposite(path: string, clip: Clip, signal: AbortSignal | undefined): Promise<void> {
  const unsigned = path.replace(/\.mp4$/, ".unsigned.mp4");
  try {
    await writeClip(unsigned, clip, { signal });
    await signC2pa(unsigned, path, { title: basename(path), source: "compositeWithTrainedAlgorithmicMedia" }, { signal });
  } finally {
    await rm(unsigned, { force: true });
  }
}

/** What the tokenizer alone makes of the truth, and its latents to look at. */
async function lookThroughTokenizer(folder: string, runtime: Runtime, continued: Continued[], footage: Footage, recipe: Recipe): Promise<Pick<DemoReport["tokenizer"], "original" | "reconstructed" | "latents" | "latentShape" | "compression" | "reduction">> {
  const codec = await openCodec(folder, runtime, {});
  try {
    const blank = makeClip(new Uint8Array(recipe.frames * footage.width * footage.height * 3), footage.width, footage.height, footage.fps);
    let first: { original: Clip; reconstructed: Clip; latents: Clip; latentShape: readonly number[]; reduction: number } | undefined;
    const look = async (truth: Clip): Promise<Clip> => {
      const original = sliceClip(truth, 0, Math.min(recipe.frames, truth.frameCount) - 1);
      const coded = await codec.encode(toTensor(original), [1, 3, original.frameCount, original.height, original.width]);
      const reconstructed = await repaint(codec, original);
      first ??= {
        original, reconstructed, latents: latentsPicture(coded.data as Float32Array, coded.shape, codec.compression.spatial), latentShape: coded.shape, reduction: original.frames.length / coded.data.length,
      };
      return truth.frameCount === original.frameCount ? reconstructed : repaint(codec, truth);
    };
    for (const one of continued) one.comparison = compare(one.truth, one.made, await look(one.truth), recipe.given);
    if (!first) await look(blank);
    const { temporal, spatial } = codec.compression;
    return { ...first!, compression: `CV${temporal}x${spatial}x${spatial}` };
  } finally {
    await codec.release();
  }
}

/** A clip once through the tokenizer. */
async function repaint(codec: Codec, clip: Clip): Promise<Clip> {
  const coded = await codec.encode(toTensor(clip), [1, 3, clip.frameCount, clip.height, clip.width]);
  const pixels = await codec.decode(coded, { frames: clip.frameCount, width: clip.width, height: clip.height });
  return fromTensor(pixels.data as Float32Array, pixels.shape, clip.fps);
}

/** A few frames of each of the first clips, from `startS` on. */
async function glimpses({ clips, width, height, fps }: Footage, startS: number, { frames }: Recipe, signal: AbortSignal | undefined): Promise<{ name: string; clip: Clip }[]> {
  return Promise.all(clips.slice(0, 3).map(async ({ name, path, info }) => ({ name, clip: await readClip(path, { info, width, height, fit: "cover", fps, startS, maxFrames: frames, signal }) })));
}

async function trained(folder: string, { model, parameters, step }: { model: string; parameters: number; step: number }): Promise<Trained> {
  const lines = (await readFile(join(folder, "metrics.jsonl"), "utf8")).split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Record<string, number>);
  const curve = (key: string): Curve => lines.flatMap((line): [number, number][] => (Number.isFinite(line[key]) ? [[line["step"]!, line[key]!]] : []));
  return { folder: model, parameters, steps: step, loss: curve("train/loss"), psnr: curve("eval/psnr") };
}

/** A name for this training: other clips, or other models, have another. More steps go on from the fewer. */
function workName(footage: Footage, recipe: Recipe, seed: number): string {
  const clips = footage.clips.map(({ path, info }) => [resolve(path), info.sizeBytes]);
  const { tokenizer, world, frames, given } = recipe;
  const { width, height, fps, heldS } = footage;
  return createHash("sha256").update(JSON.stringify([clips, { ...tokenizer, steps: 0 }, { ...world, steps: 0 }, frames, given, width, height, fps, heldS, seed])).digest("hex").slice(0, 10);
}

function commandsFor({ clips }: Footage, model: string, recipe: Recipe, seed: number, first: Continued | undefined, out: string): { type: string; does: string }[] {
  const name = (path: string): string => quoted(relative(process.cwd(), path) || ".");
  const [clip] = clips;
  return [
    ...(first ? [{ type: `orrery generate --request ${name(join(out, first.file.replace(".mp4", ".orrery.json")))} -o again.mp4`, does: "make the first continuation again, bit for bit" }] : []),
    { type: `orrery generate --model ${name(model)} --video ${name(clip!.path)} --extend 3 --seed ${seed + 1} -o longer.mp4`, does: "another seed, from the end of the clip, three chunks longer" },
    { type: `orrery train diffusion --data ${name(clip!.path)} --tokenizer ${name(model)} --out runs/longer steps=${10 * Number(recipe.world["steps"] ?? 1000)}`, does: "train ten times as long" },
  ];
}

const quoted = (word: string): string => (/^[\w./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);

const machineOf = (): string => `${cpus().length} x ${cpus()[0]?.model.trim() ?? "a processor"}, Node ${process.versions.node}`;

async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch((error: unknown) => {
    throw fromSystemError(error, path);
  });
}
