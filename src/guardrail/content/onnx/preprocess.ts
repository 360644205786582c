/**
 * From a frame to what an image classifier takes: scaled, cropped, normalised, in the order of axes and colours that the model
 * wants. Settings are those of transformers' `preprocessor_config.json`, whose image processors this follows.
 */
import { z } from "zod";
import { resample, type Filter, type Picture } from "../../../video/index.ts";

const sides = z.union([z.int().positive().max(4096), z.looseObject({ height: z.int().positive().max(4096), width: z.int().positive().max(4096) }), z.looseObject({ shortest_edge: z.int().positive().max(4096) })]);
const perChannel = z.union([z.number(), z.array(z.number()).length(3)]);

/** What is read of `preprocessor_config.json`. */
export const processorSchema = z.looseObject({
  size: sides.optional(),
  crop_size: sides.optional(),
  do_resize: z.boolean().default(true),
  do_center_crop: z.boolean().optional(),
  do_rescale: z.boolean().default(true),
  rescale_factor: z.number().positive().default(1 / 255),
  do_normalize: z.boolean().default(true),
  image_mean: perChannel.default(0.5),
  image_std: perChannel.default(0.5),
  /** Pillow's number: 2 is bilinear, 3 bicubic. */
  resample: z.int().default(2),
});
export type Processor = z.output<typeof processorSchema>;

export interface Preprocessing {
  width: number;
  height: number;
  /** Side to which the shorter edge is scaled before the middle is cut out; absent to distort the picture to the size. */
  shortestEdge?: number;
  filter: Filter;
  scale: number;
  mean: readonly [number, number, number];
  std: readonly [number, number, number];
  layout: "NCHW" | "NHWC";
  channels: "rgb" | "bgr";
}

const three = (v: number | number[]): [number, number, number] => (typeof v === "number" ? [v, v, v] : (v as [number, number, number]));
const square = (size: z.output<typeof sides>): { width: number; height: number } =>
  typeof size === "number" ? { width: size, height: size } : "shortest_edge" in size ? { width: size["shortest_edge"] as number, height: size["shortest_edge"] as number } : { width: size["width"] as number, height: size["height"] as number };

/** Settings for a model whose input has the given sides (-1: any). `undefined` when neither says a size. */
export function preprocessingOf(processor: Processor, input: { width: number; height: number; layout: Preprocessing["layout"] }, channels: Preprocessing["channels"]): Preprocessing | undefined {
  const crop = processor.do_center_crop ?? processor.crop_size !== undefined;
  const said = crop && processor.crop_size !== undefined ? square(processor.crop_size) : processor.size === undefined ? undefined : square(processor.size);
  const width = input.width > 0 ? input.width : said?.width;
  const height = input.height > 0 ? input.height : said?.height;
  if (width === undefined || height === undefined) return undefined;
  const shortest = typeof processor.size === "object" && "shortest_edge" in processor.size ? (processor.size["shortest_edge"] as number) : crop && processor.size !== undefined ? Math.min(square(processor.size).width, square(processor.size).height) : undefined;
  return {
    width, height,
    ...(shortest === undefined ? {} : { shortestEdge: shortest }),
    filter: processor.resample === 3 ? "bicubic" : "bilinear",
    scale: processor.do_rescale ? processor.rescale_factor : 1,
    mean: processor.do_normalize ? three(processor.image_mean) : [0, 0, 0],
    std: processor.do_normalize ? three(processor.image_std) : [1, 1, 1],
    layout: input.layout, channels,
  };
}

/** The picture as numbers, [3, H, W] or [H, W, 3]. */
export function preprocess(picture: Picture, { width, height, shortestEdge, filter, scale, mean, std, layout, channels }: Preprocessing): Float32Array {
  let shown = picture;
  if (shortestEdge === undefined) shown = resample(picture, width, height, { filter });
  else {
    const factor = Math.max(shortestEdge / Math.min(picture.width, picture.height), width / picture.width, height / picture.height);
    const [wide, high] = [Math.max(width, Math.trunc(picture.width * factor)), Math.max(height, Math.trunc(picture.height * factor))];
    const scaled = resample(picture, wide, high, { filter });
    // Cutting is resampling to the same scale: an axis that keeps its scale is copied.
    shown = resample(scaled, width, height, { filter, region: { left: Math.floor((wide - width) / 2), top: Math.floor((high - height) / 2), width, height } });
  }
  const area = width * height;
  const out = new Float32Array(3 * area);
  for (let i = 0; i < area; i++)
    for (let c = 0; c < 3; c++) {
      const from = channels === "bgr" ? 2 - c : c;
      out[layout === "NCHW" ? c * area + i : i * 3 + c] = (shown.pixels[i * 3 + from]! * scale - mean[c]!) / std[c]!;
    }
  return out;
}
