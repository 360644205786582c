/**
 * What a file of latents says about itself, in the metadata of safetensors: which video, which tokenizer, and how it was cut
 * into windows and tiles and padded. `latents-file.ts` has the numbers themselves.
 *
 * The windows of a long video are coded one by one (`codec.ts`), so its latent frames are the sum over them: each full window
 * of `window` frames gives `latent_window` latent frames, the last one as many as its frames need.
 */
import { z } from "zod";
import { OrreryError } from "../errors.ts";
import { paddedSize } from "./codec.ts";

/** What a file of latents says about itself. Sizes are in pixels and frames of the video. */
export interface LatentsInfo {
  kind: "continuous" | "discrete";
  /** Class of the tokenizer, and the SHA-256 of its configuration and weights. */
  tokenizer: string;
  tokenizerSha256: string;
  temporalCompression: number;
  spatialCompression: number;
  frames: number;
  width: number;
  height: number;
  fps: number;
  /** Frames coded together. */
  window: number;
  /** Longest side of a tile in pixels. */
  tile: number;
  /** Name (without folders) and size in bytes of the video. */
  source: string;
  sourceBytes: number;
  /** What was asked of the reading (rate, size, number of frames), in one word. */
  request: string;
  /** The video ended before its header said. */
  truncated: boolean;
}

/** What follows from the sizes of a video. */
export interface LatentsLayout {
  windows: number;
  /** Latent frames of a full window, and of the last. */
  latentWindow: number;
  lastLatentFrames: number;
  /** Latent frames in all. */
  latentFrames: number;
  latentHeight: number;
  latentWidth: number;
  /** Frames repeated at the end of the last window, and grey columns and rows at the right and bottom. */
  padFrames: number;
  padRight: number;
  padBottom: number;
}

type Sizes = Pick<LatentsInfo, "frames" | "width" | "height" | "window" | "temporalCompression" | "spatialCompression">;

export function latentsLayout({ frames, width, height, window, temporalCompression: temporal, spatialCompression: spatial }: Sizes): LatentsLayout {
  const windows = Math.ceil(frames / window);
  const last = frames - (windows - 1) * window;
  const padded = paddedSize({ frames: last, height, width }, { temporal, spatial });
  const latentFrames = (n: number): number => 1 + (n - 1) / temporal;
  return {
    windows,
    latentWindow: latentFrames(window),
    lastLatentFrames: latentFrames(padded.frames),
    latentFrames: (windows - 1) * latentFrames(window) + latentFrames(padded.frames),
    latentHeight: padded.height / spatial,
    latentWidth: padded.width / spatial,
    padFrames: padded.frames - last,
    padRight: padded.width - width,
    padBottom: padded.height - height,
  };
}

const formatName = "orrery-latents";
const formatVersion = "1";

export function toMetadata(info: LatentsInfo): Record<string, string> {
  const layout = latentsLayout(info);
  const values = {
    format: formatName, format_version: formatVersion,
    kind: info.kind, tokenizer: info.tokenizer, tokenizer_sha256: info.tokenizerSha256,
    temporal_compression: info.temporalCompression, spatial_compression: info.spatialCompression,
    frames: info.frames, width: info.width, height: info.height, fps: info.fps,
    window: info.window, latent_window: layout.latentWindow, tile: info.tile,
    pad_frames: layout.padFrames, pad_right: layout.padRight, pad_bottom: layout.padBottom,
    source: info.source, source_bytes: info.sourceBytes, request: info.request, truncated: info.truncated,
  };
  return Object.fromEntries(Object.entries(values).map(([k, v]) => [k, String(v)]));
}

const whole = (least: number, most: number): z.ZodType<number> => z.string().regex(/^\d{1,15}$/).transform(Number).pipe(z.number().min(least).max(most)) as unknown as z.ZodType<number>;
const metadataSchema = z.object({
  format_version: z.literal(formatVersion),
  kind: z.enum(["continuous", "discrete"]),
  tokenizer: z.string(),
  tokenizer_sha256: z.string().regex(/^[0-9a-f]{64}$/),
  temporal_compression: whole(1, 1024),
  spatial_compression: whole(1, 1024),
  frames: whole(1, 1e9),
  width: whole(1, 16384),
  height: whole(1, 16384),
  fps: z.string().regex(/^[\d.e+-]{1,30}$/).transform(Number).pipe(z.number().positive().max(1000)),
  window: whole(1, 1e6),
  tile: whole(1, 65536),
  source: z.string().max(4096),
  source_bytes: whole(0, Number.MAX_SAFE_INTEGER),
  request: z.string().max(200),
  truncated: z.enum(["true", "false"]),
});

/** Whether the metadata of a safetensors file say that it is a video's latents. */
export const isLatentsMetadata = (metadata: ReadonlyMap<string, string>): boolean => metadata.get("format") === formatName;

/** Reads it back. @throws `bad_checkpoint` when it is missing or damaged. */
export function fromMetadata(metadata: ReadonlyMap<string, string>, path: string): LatentsInfo {
  if (!isLatentsMetadata(metadata))
    throw new OrreryError("bad_checkpoint", `${path} is a safetensors file, but not a video's latents (its metadata lack format "${formatName}"); expected what orrery tokenize encode wrote`);
  const parsed = metadataSchema.safeParse(Object.fromEntries(metadata));
  if (!parsed.success) {
    const { path: key, message } = parsed.error.issues[0]!;
    throw new OrreryError("bad_checkpoint", `${path} has damaged metadata: ${String(key[0])} is ${JSON.stringify(metadata.get(String(key[0])))}: ${message}. Encode the video again`);
  }
  const { data: m } = parsed;
  if ((m.window - 1) % m.temporal_compression) throw new OrreryError("bad_checkpoint", `${path} has damaged metadata: window is ${m.window}, not 1 more than a multiple of ${m.temporal_compression}. Encode the video again`);
  return {
    kind: m.kind, tokenizer: m.tokenizer, tokenizerSha256: m.tokenizer_sha256,
    temporalCompression: m.temporal_compression, spatialCompression: m.spatial_compression,
    frames: m.frames, width: m.width, height: m.height, fps: m.fps, window: m.window, tile: m.tile,
    source: m.source, sourceBytes: m.source_bytes, request: m.request, truncated: m.truncated === "true",
  };
}
