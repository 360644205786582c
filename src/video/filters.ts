/**
 * The ffmpeg filter graph that turns any stream into RGB frames of one size: which frames, which size, which colours.
 */
import { OrreryError } from "../errors.ts";
import type { VideoInfo } from "./probe.ts";

/** How a picture meets a size of another shape: fill it and crop, show it whole between black bars, or distort it. */
export type Fit = "cover" | "contain" | "stretch";

export interface SizeOptions {
  /** Output size in pixels. With one of the two the other follows the picture's shape; with neither the size stays. */
  width?: number;
  height?: number;
  /** Used when both are given. Default "cover". */
  fit?: Fit;
}

export interface Size {
  width: number;
  height: number;
}

type Shape = Pick<VideoInfo, "width" | "height">;
type Colour = Pick<VideoInfo, "codedWidth" | "codedHeight" | "isHdr" | "colorTransfer" | "colorSpace" | "colorRange" | "pixelFormat">;

const largestSide = 16384;
/** Rounding and chroma at full precision: the same bytes on every CPU, and a round trip that loses least. */
const scalerFlags = "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact";
/** For pictures far smaller than their source: each pixel is the mean of those it covers, in less than half the time. */
const thumbnailFlags = "flags=area+accurate_rnd+bitexact";

/** The size of the frames that come out for a file of this shape. */
export function outputSize(shape: Shape, options: SizeOptions): Size {
  const { width, height, fit = "cover" } = options;
  for (const [name, value] of [["width", width], ["height", height]] as const) {
    if (value !== undefined && !(Number.isInteger(value) && value >= 1 && value <= largestSide))
      throw new OrreryError("bad_argument", `${name} ${value} was given; expected a whole number of pixels from 1 to ${largestSide}`);
  }
  if (!["cover", "contain", "stretch"].includes(fit)) throw new OrreryError("bad_argument", `fit "${fit}" was given; expected cover, contain or stretch`);
  if (width !== undefined && height !== undefined) return { width, height };
  if (width !== undefined) return { width, height: Math.max(1, Math.round((width * shape.height) / shape.width)) };
  if (height !== undefined) return { width: Math.max(1, Math.round((height * shape.width) / shape.height)), height };
  return { width: shape.width, height: shape.height };
}

/** Filters that scale to the output size with the wanted fit and end in rgb24, in order. */
export function pictureFilters(shape: Shape, colour: Colour, options: SizeOptions): string[] {
  const { width, height } = outputSize(shape, options);
  const fit = options.fit ?? "cover";
  const factors = [width / shape.width, height / shape.height];
  const factor = fit === "cover" ? Math.max(...factors) : Math.min(...factors);
  // Rounding must not leave a cover one pixel short, nor a contain one too large.
  const scaled = (from: number, to: number) =>
    fit === "stretch" ? to : fit === "cover" ? Math.max(to, Math.round(from * factor)) : Math.min(to, Math.max(1, Math.round(from * factor)));
  const scaledWidth = scaled(shape.width, width);
  const scaledHeight = scaled(shape.height, height);
  const filters = toRgb(colour, scaledWidth, scaledHeight);
  // Crop and pad act on RGB, where every offset is possible; on 4:2:0 they would round to even pixels.
  if (scaledWidth > width || scaledHeight > height) filters.push(`crop=${width}:${height}`);
  if (scaledWidth < width || scaledHeight < height) filters.push(`pad=${width}:${height}:(ow-iw)/2:(oh-ih)/2:black`);
  return filters;
}

/** Filters to a small rgb24 picture that fills the size, its shape distorted: for measuring, not for showing. */
export const thumbnailFilters = (colour: Colour, { width, height }: Size): string[] => toRgb(colour, width, height, thumbnailFlags);

function toRgb(colour: Colour, width: number, height: number, flags = scalerFlags): string[] {
  const scale = `scale=${width}:${height}:${flags}`;
  if (!colour.isHdr) {
    // Untagged pictures follow what players do: HD is BT.709, smaller is BT.601 (ffmpeg alone would take 601 for all).
    const untagged = colour.colorSpace === undefined || colour.colorSpace === "unknown";
    const isYuv = /^(yuv|nv|p0|uyvy|yuyv)/.test(colour.pixelFormat);
    const isHd = Math.max(colour.codedWidth, colour.codedHeight) >= 1280 || Math.min(colour.codedWidth, colour.codedHeight) > 576;
    return [untagged && isYuv && isHd ? `${scale}:in_color_matrix=bt709` : scale, "format=rgb24"];
  }
  // PQ and HLG to SDR: to linear light where 1.0 is 203 nits (the white of BT.2408), to BT.709 primaries, highlights bent by
  // mobius (straight below 0.3, so that skin and shade stay as they are), then the BT.709 curve. Scaling comes first, while
  // the samples are few bytes; 4:4:4 because zscale refuses odd sizes with halved chroma. Tags that are missing are taken to
  // be BT.2020, with which PQ and HLG are defined.
  return [
    scale,
    "format=yuv444p12le",
    `setparams=color_primaries=bt2020:color_trc=${colour.colorTransfer}:colorspace=bt2020nc:range=${colour.colorRange ?? "tv"}`,
    "zscale=t=linear:npl=203",
    "format=gbrpf32le",
    "zscale=p=bt709",
    "tonemap=mobius:desat=0",
    "zscale=t=bt709:m=gbr:r=full:d=error_diffusion",
    "format=gbrp",
    "format=rgb24",
  ];
}
