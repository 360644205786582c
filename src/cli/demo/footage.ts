/**
 * What the demo looks at: the clips that its user named, or balls thrown into a room, which it films itself. The opening of each
 * clip is held back from training. Clips of any size, rate, rotation or depth of colour will do; one that is too short is left
 * out with its reason.
 */
import { mkdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { OrreryError, fromSystemError } from "../../errors.ts";
import { findVideos } from "../../dataset/index.ts";
import { throwIfCancelled, type Progress } from "../../progress.ts";
import { makeDemoClip, probeVideo, type VideoInfo } from "../../video/index.ts";
import { sizeFor, type Recipe } from "./recipe.ts";

export interface FootageClip {
  path: string;
  name: string;
  info: VideoInfo;
  /** What is done to it on reading, in a few words. */
  notes: readonly string[];
}

export interface Footage {
  clips: readonly FootageClip[];
  rejected: readonly { path: string; reason: string }[];
  /** Whether the demo filmed it itself. */
  own: boolean;
  width: number;
  height: number;
  fps: number;
  /** Seconds at the beginning of each clip that training does not see. */
  heldS: number;
}

/** The demo's own footage: several throws into one room, as one camera would see them. */
export const ownFootage = { throws: 8, width: 160, height: 100, fps: 12, seconds: 5 } as const;

/** Films what is not there yet. */
export async function filmThrows(folder: string, progress: Progress, signal: AbortSignal | undefined, { throws, width, height, fps, seconds }: { throws: number; width: number; height: number; fps: number; seconds: number } = ownFootage): Promise<string[]> {
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw fromSystemError(error, folder);
  });
  const paths: string[] = [];
  for (let i = 0; i < throws; i++) {
    throwIfCancelled(signal, "the demo");
    const path = join(folder, `throw-${String(i + 1).padStart(2, "0")}.mp4`);
    if (!(await stat(path).catch(() => undefined))) await makeDemoClip(path, { width, height, frames: fps * seconds, fps, seed: i, room: 0, signal });
    paths.push(path);
    progress({ stage: "filming balls in a room", done: i + 1, total: throws, unit: "clips" });
  }
  return paths;
}

/** Frames that must be there at the model's rate: those that are held back and shown, and one window to learn from. */
const needed = ({ shown, frames }: Recipe): number => shown + frames;

/**
 * Looks at the clips and settles size and rate. The rate is the recipe's, or as much faster as short clips need.
 * @throws `bad_video` when no clip can be used, with the reason of each.
 */
export async function chooseFootage(paths: readonly string[], recipe: Recipe, own: boolean, progress: Progress, signal?: AbortSignal): Promise<Footage> {
  const files = await findVideos(paths);
  const rejected: { path: string; reason: string }[] = [];
  const probed: { path: string; info: VideoInfo }[] = [];
  for (const [i, path] of files.entries()) {
    try {
      probed.push({ path, info: await probeVideo(path, { signal }) });
    } catch (error) {
      if (!(error instanceof OrreryError) || !["bad_video", "io_failed", "file_not_found"].includes(error.code)) throw error;
      rejected.push({ path, reason: error.message });
    }
    progress({ stage: "looking at the footage", done: i + 1, total: files.length, unit: "clips" });
  }
  const native = probed.map(({ info }) => info.fps);
  const slowest = Math.min(...native, recipe.fps);
  const longEnough = (info: VideoInfo, fps: number): boolean => info.durationS * fps + 1e-6 >= needed(recipe);
  const rates = [slowest, ...[16, 20, 24, 30, ...native].filter((fps) => fps > slowest).sort((a, b) => a - b)];
  const fps = rates.find((rate) => probed.some(({ info }) => info.fps >= rate * 0.99 && longEnough(info, rate)));
  const usable = fps === undefined ? [] : probed.filter(({ info }) => longEnough(info, fps));
  for (const { path, info } of probed)
    if (fps === undefined || !longEnough(info, fps))
      rejected.push({ path, reason: `${path} lasts ${info.durationS.toFixed(2)} s, ${Math.floor(info.durationS * info.fps + 1e-6)} frames; the demo needs ${needed(recipe)} frames${fps === undefined ? "" : ` at ${+fps.toFixed(2)} a second`}: ${recipe.shown} to hold back and ${recipe.frames} to learn from` });
  if (fps === undefined || usable.length === 0) throw new OrreryError("bad_video", `none of the ${files.length} clip(s) can be used. ${rejected.map(({ reason }) => reason).join("; ")}`);
  const { width, height } = sizeFor(recipe, usable[0]!.info);
  const clips = usable.map(({ path, info }) => ({ path, name: basename(path), info, notes: notesOf(info, { width, height, fps }) }));
  return { clips, rejected, own, width, height, fps, heldS: recipe.shown / fps };
}

function notesOf(info: VideoInfo, { width, height, fps }: { width: number; height: number; fps: number }): string[] {
  const notes: string[] = [];
  if (info.rotation) notes.push(`turned upright by ${info.rotation} degrees`);
  if (info.isHdr) notes.push("HDR, brought to ordinary brightness");
  else if (info.bitDepth > 8) notes.push(`${info.bitDepth} bits a channel, read as 8`);
  if (info.isVariableFrameRate) notes.push("frames at uneven times, made even");
  const kept = Math.min(width / height / (info.width / info.height), info.width / info.height / (width / height));
  if (kept < 0.95) notes.push(`cropped at the middle, ${Math.round(kept * 100)} % of the picture is left`);
  if (info.fps < fps * 0.99) notes.push(`only ${+info.fps.toFixed(2)} frames a second, so some are shown twice`);
  return notes;
}
