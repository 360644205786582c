/**
 * One decode for everything that measures a video: every frame as a small RGB picture (its shape distorted to one size, so
 * that all sources measure alike) and, of every n-th frame, the luma of its middle at full resolution, where blur, noise and
 * blocks are still what they were. Both come from one ffmpeg through two pipes. Not for showing or training: `reader.ts`.
 */
import type { Readable } from "node:stream";
import { throwIfCancelled } from "../progress.ts";
import { startTool, videoInput } from "./ffmpeg.ts";
import { thumbnailFilters, type Size } from "./filters.ts";
import type { VideoInfo } from "./probe.ts";
import { cutFrames, frameTimes, reportEnd, type ReadWarning } from "./reader.ts";

/** The middle of a frame at the resolution of the source; whole 8 x 8 blocks, cut where the codec's grid lies. */
export interface Detail extends Size {
  /** Number of its frame. */
  index: number;
  /** 8-bit luma, row by row, as coded (16 is black where the source has video range). */
  luma: Uint8Array;
}

export interface AnalysisFrame {
  /** 0-based number in decode order: frames are neither repeated nor dropped. */
  index: number;
  /** Seconds from the beginning of the file. */
  timeS: number;
  /** RGB, `small.width * small.height * 3` bytes; memory of its own. */
  small: Uint8Array;
}

export interface AnalysisOptions {
  small: Size;
  /**
   * Asks for luma at full resolution of every n-th frame, beginning with the first. They come in order, but before or after
   * their small pictures as the decoder's buffers will: a reader that waited for one could wait for ever.
   */
  detail?: { every: number; take: (detail: Detail) => void; /** Largest size. Default 1280 x 720. */ size?: Size };
  signal?: AbortSignal | undefined;
  onWarning?: (warning: ReadWarning) => void;
  timeoutS?: number;
}

/**
 * Streams the frames of a file that `probeVideo` described.
 * @throws `bad_video` when not one frame comes, `missing_dependency`, `cancelled`.
 */
export async function* readAnalysis(info: VideoInfo, options: AnalysisOptions): AsyncGenerator<AnalysisFrame, void, void> {
  const { small, detail, timeoutS = 60 } = options;
  const size = detailSize(info, detail?.size ?? { width: 1280, height: 720 });
  const what = `reading ${info.path}`;
  const child = await startTool("ffmpeg", analysisArguments(info, small, size, detail?.every ?? 0), { what, signal: options.signal });
  let index = 0;
  try {
    const times = frameTimes(child.side);
    const pictures = cutFrames(child.stdout, small.width * small.height * 3);
    const details = takeDetails(child.second, size, detail);
    // Its failure is that of the whole decode, which the loop meets as well.
    details.catch(() => {});
    for (;;) {
      const next = await child.within(pictures.next(), timeoutS);
      if (next.done) break;
      const told = await child.within(times.next(), timeoutS);
      throwIfCancelled(options.signal, what);
      yield { index, timeS: told.done || Number.isNaN(told.value) ? index / info.fps : told.value, small: next.value };
      index += 1;
    }
    await child.within(details, timeoutS);
    const exit = await child.within(child.exit, timeoutS);
    throwIfCancelled(options.signal, what);
    reportEnd(info, options.onWarning ? { onWarning: options.onWarning } : {}, index, exit);
  } catch (error) {
    throwIfCancelled(options.signal, what);
    throw error;
  } finally {
    child.kill();
  }
}

async function takeDetails(stream: Readable, size: Size, detail: AnalysisOptions["detail"]): Promise<void> {
  let index = 0;
  for await (const luma of cutFrames(stream, size.width * size.height)) {
    detail?.take({ index, luma, ...size });
    index += detail?.every ?? 0;
  }
}

function detailSize(info: VideoInfo, largest: Size): Size {
  const blocks = (side: number, limit: number): number => (side < 8 ? side : Math.floor(Math.min(side, limit) / 8) * 8);
  // As the decoder gives it: turned upright, but not stretched to square pixels.
  const [width, height] = info.rotation % 180 === 0 ? [info.codedWidth, info.codedHeight] : [info.codedHeight, info.codedWidth];
  return { width: blocks(width, largest.width), height: blocks(height, largest.height) };
}

function analysisArguments(info: VideoInfo, small: Size, detail: Size, detailEvery: number): string[] {
  const times = "metadata=mode=add:key=orrery:value=1,metadata=mode=print:file='pipe\\:3':direct=1";
  const measured = `${thumbnailFilters(info, small).join(",")},${times}`;
  const input = `[0:${info.streamIndex}]`;
  const corner = (side: "w" | "h", size: number): string => `'trunc((i${side}-${size})/16)*8'`;
  const graph = detailEvery > 0
    ? `${input}split[a][b];[a]${measured}[small];[b]select='not(mod(n\\,${detailEvery}))',format=pix_fmts=${info.bitDepth > 8 ? "gray" : "yuv420p|yuvj420p|yuv422p|yuvj422p|yuv444p|yuvj444p|gray"},extractplanes=y,crop=${detail.width}:${detail.height}:${corner("w", detail.width)}:${corner("h", detail.height)}:exact=1[detail]`
    : `${input}${measured}[small]`;
  const out = (label: string, format: string, pipe: number): string[] => ["-map", `[${label}]`, "-fps_mode", "passthrough", "-pix_fmt", format, "-f", "rawvideo", `pipe:${pipe}`];
  return [
    "-threads", "1", "-filter_complex_threads", "1",
    ...videoInput(info.path),
    "-filter_complex", graph,
    ...out("small", "rgb24", 1),
    ...(detailEvery > 0 ? out("detail", "gray", 4) : []),
  ];
}
