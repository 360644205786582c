/**
 * A set of video files as training material: found, probed once, and read as windows of equal size and rate. Small files
 * are decoded once and kept as bytes; what does not fit the memory budget is decoded window by window.
 */
import { readdir, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { fromSystemError, OrreryError } from "../errors.ts";
import { silent, throwIfCancelled, type Progress } from "../progress.ts";
import { makeClip, probeVideo, readClip, sliceClip, type Clip, type VideoInfo } from "../video/index.ts";
import { captionOfFile } from "./captions.ts";

const videoExtensions = new Set([".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v", ".mpg", ".mpeg", ".ts", ".wmv", ".flv"]);

export interface ClipSetOptions {
  width: number;
  height: number;
  /** Frames a second of the windows; default: the first file's own rate. */
  fps?: number | undefined;
  /** Which seconds of a file to use; default: all of it. See `holdout.ts`. */
  part?: ((info: VideoInfo) => Part) | undefined;
  /** Bytes of decoded frames to keep. */
  memoryBytes?: number;
  progress?: Progress;
  signal?: AbortSignal | undefined;
}

/** A stretch of a file, in seconds. */
export interface Part {
  startS: number;
  endS: number;
}

export interface ClipEntry {
  path: string;
  info: VideoInfo;
  /** Where in the file frame 0 lies. */
  startS: number;
  /** Frames at the set's rate, within the chosen part; 0 when nothing of the file lies in it. */
  frameCount: number;
}

/** A file that was left out, and why. */
export interface Rejected {
  path: string;
  reason: string;
}

export interface ClipSet {
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly entries: readonly ClipEntry[];
  readonly rejected: readonly Rejected[];
  /** Frames `first` to `first + count - 1` of an entry; a file that ends early repeats its last frame. */
  window(entry: number, first: number, count: number): Promise<Clip>;
  /** What is written about an entry, where the set knows such things. */
  caption?(entry: number): Promise<string | undefined>;
}

/** Video files among `paths`: files as they are, folders searched by extension, all in a stable order. */
export async function findVideos(paths: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  const walk = async (folder: string): Promise<void> => {
    const items = await readdir(folder, { withFileTypes: true });
    for (const item of items.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(folder, item.name);
      if (item.isDirectory()) await walk(path);
      else if (videoExtensions.has(extname(item.name).toLowerCase())) found.push(path);
    }
  };
  for (const path of paths) {
    const info = await stat(path).catch((error: unknown) => {
      throw fromSystemError(error, path);
    });
    if (info.isDirectory()) await walk(path);
    else found.push(path);
  }
  if (found.length === 0) throw new OrreryError("bad_argument", `no video files in ${paths.join(", ") || "an empty list"}; name files or folders that hold some (${[...videoExtensions].join(" ")})`);
  return [...new Set(found)];
}

/**
 * Opens every file. A file that cannot be used is set aside with its reason; only a set with none left is an error.
 * Throws `bad_video` with all reasons, or `cancelled`.
 */
export async function openClips(paths: readonly string[], options: ClipSetOptions): Promise<ClipSet> {
  const { width, height, part, memoryBytes = 2 ** 30, progress = silent, signal } = options;
  const files = await findVideos(paths);
  const rejected: Rejected[] = [];
  const probed: { path: string; info: VideoInfo }[] = [];
  for (const [i, path] of files.entries()) {
    throwIfCancelled(signal, "opening the clips");
    try {
      probed.push({ path, info: await probeVideo(path, { signal }) });
    } catch (error) {
      if (!(error instanceof OrreryError) || error.code === "cancelled" || error.code === "missing_dependency") throw error;
      rejected.push({ path, reason: error.message });
    }
    progress({ stage: "opening clips", done: i + 1, total: files.length, unit: "files" });
  }
  if (probed.length === 0) throw new OrreryError("bad_video", `none of the ${files.length} file(s) can be used: ${rejected.map((r) => r.reason).join("; ")}`);
  const fps = options.fps ?? probed[0]!.info.fps;
  const entries = probed.map(({ path, info }): ClipEntry => {
    const { startS, endS } = part?.(info) ?? { startS: 0, endS: info.durationS };
    // A file of a single frame may say that it lasts for no time at all.
    const least = part === undefined ? 1 : 0;
    return { path, info, startS, frameCount: Math.max(least, Math.floor((Math.min(info.durationS, endS) - startS) * fps + 1e-6)) };
  });

  const frameBytes = width * height * 3;
  const kept = new Map<number, Promise<Clip>>();
  let room = memoryBytes;
  const read = (entry: ClipEntry, first: number, count: number): Promise<Clip> =>
    readClip(entry.path, { width, height, fit: "cover", fps, startS: entry.startS + first / fps, maxFrames: count, info: entry.info, signal });
  const whole = (index: number): Promise<Clip> | undefined => {
    const known = kept.get(index);
    if (known) return known;
    const entry = entries[index]!;
    if (entry.frameCount * frameBytes > room) return undefined;
    room -= entry.frameCount * frameBytes;
    const clip = read(entry, 0, entry.frameCount);
    kept.set(index, clip);
    return clip;
  };
  return {
    width,
    height,
    fps,
    entries,
    rejected,
    async window(index, first, count) {
      const clip = whole(index);
      const frames = clip ? cut(await clip, first, count) : await read(entries[index]!, first, count);
      return extend(frames, count);
    },
    caption: (index) => captionOfFile(entries[index]!.path),
  };
}

function cut(clip: Clip, first: number, count: number): Clip {
  const start = Math.min(first, clip.frameCount - 1);
  return sliceClip(clip, start, Math.min(clip.frameCount, start + count) - 1);
}

/** Repeats the last frame up to `count`. */
function extend(clip: Clip, count: number): Clip {
  if (clip.frameCount === count) return clip;
  const frame = clip.width * clip.height * 3;
  const frames = new Uint8Array(count * frame);
  for (let t = 0; t < count; t++) {
    const from = Math.min(t, clip.frameCount - 1) * frame;
    frames.set(clip.frames.subarray(from, from + frame), t * frame);
  }
  return makeClip(frames, clip.width, clip.height, clip.fps);
}
