/**
 * A tokenizer at work: loaded weights and compiled graphs that turn pixels into latents (or code indices) and back, for
 * clips of any length and size. Long clips are cut into windows that are coded independently, as the reference does
 * (`cosmos_tokenizer/video_lib.py`: 17 frames); large pictures into overlapping tiles that are blended. Memory depends on
 * the window and the tile, not on the video.
 */
import { OrreryError } from "../errors.ts";
import { parameters, type Parameters } from "../nn/index.ts";
import { bindWeights, openComponent, type Bound } from "../registry/index.ts";
import { compile, input, type Tensor } from "../tensor/index.ts";
import { hostTensor, type Executable, type HostTensor, type Runtime } from "../tensor/runtime/node.ts";
import { compression, decode, decodeIndices, encode, encodeIndices, isDiscrete, parseTokenizerConfig, type Compression, type TokenizerConfig } from "./index.ts";
import { cropTile, startBlend, tileGrid, type Tile } from "./tiles.ts";

export interface CodecOptions {
  /** Frames of a window; one more than a multiple of the temporal compression. */
  temporalWindow?: number;
  /** Longest side of a tile in pixels; a multiple of the spatial compression. */
  tile?: number;
}

/** A block of numbers with its shape: latents [B, C, T, H, W] as float32, indices [B, T, H, W] as int64. */
export type Coded = HostTensor;

export interface Codec {
  readonly config: TokenizerConfig;
  readonly compression: Compression;
  readonly discrete: boolean;
  readonly temporalWindow: number;
  readonly tile: number;
  /** Codes pixels [B, 3, T, H, W] in -1..1, T at most a window. Sizes are padded up to what the network takes. */
  encode(pixels: Float32Array, shape: readonly number[]): Promise<Coded>;
  /** Pixels [B, 3, T, H, W] of a coded block, cropped to `frames`, `height` and `width` when these are given. */
  decode(coded: Coded, crop?: { frames: number; height: number; width: number }): Promise<HostTensor>;
  release(): Promise<void>;
}

/** Opens a tokenizer folder. Throws `file_not_found`, `bad_config` or `bad_checkpoint`. */
export async function openCodec(folder: string, runtime: Runtime, options: CodecOptions = {}): Promise<Codec> {
  const component = await openComponent(folder);
  const config = parseTokenizerConfig(component.config);
  const checkpoint = await component.checkpoint();
  try {
    return codec(config, await bindWeights(checkpoint, tokenizerParameters(config).all.values()), runtime, options);
  } finally {
    await checkpoint.close();
  }
}

/** All parameters of the network. */
export function tokenizerParameters(config: TokenizerConfig): Parameters {
  const all = parameters();
  const factors = compression(config);
  // Tracing one small window declares every parameter.
  const pixels = input("pixels", [1, factors.channels, 1 + factors.temporal, factors.spatial * 2, factors.spatial * 2]);
  if (isDiscrete(config)) {
    const { indices } = encodeIndices(all.root, pixels, config);
    decodeIndices(all.root, indices, config);
  } else decode(all.root, encode(all.root, pixels, config), config);
  return all;
}

/** A codec of weights that are already at hand: a model in training. */
export function codec(config: TokenizerConfig, { weights, weightsFolder }: Pick<Bound, "weights" | "weightsFolder">, runtime: Runtime, { temporalWindow, tile = 512 }: CodecOptions = {}): Codec {
  const factors = compression(config);
  const window = temporalWindow ?? (factors.temporal === 1 ? 1 : 2 * factors.temporal + 1);
  if (!Number.isInteger(window) || window < 1 || (window - 1) % factors.temporal) throw new OrreryError("bad_argument", `the temporal window must be 1 more than a multiple of ${factors.temporal}, not ${window}`);
  if (!Number.isInteger(tile) || tile < 2 * factors.spatial || tile % factors.spatial) throw new OrreryError("bad_argument", `the tile must be a multiple of ${factors.spatial} and at least ${2 * factors.spatial}, not ${tile}`);
  const discrete = isDiscrete(config);
  const compiled = new Map<string, Promise<Executable>>();
  const graph = (kind: string, shape: readonly number[], build: () => Record<string, Tensor>): Promise<Executable> => {
    const key = `${kind} ${shape.join()}`;
    let found = compiled.get(key);
    if (!found) {
      found = runtime.load(compile({ outputs: build(), weights, target: runtime.device }), weightsFolder === undefined ? {} : { weightsFolder });
      compiled.set(key, found);
    }
    return found;
  };

  const encodeTile = async (pixels: Float32Array, shape: readonly number[]): Promise<Coded> => {
    const exe = await graph("encode", shape, () => {
      const x = input("pixels", shape);
      const scope = parameters().root;
      return { coded: discrete ? encodeIndices(scope, x, config).indices : encode(scope, x, config) };
    });
    return (await exe.run({ pixels: hostTensor("float32", shape, pixels) }))["coded"]!;
  };
  const decodeTile = async (coded: Coded): Promise<HostTensor> => {
    const exe = await graph("decode", coded.shape, () => {
      const z = input("coded", coded.shape, coded.dtype);
      const scope = parameters().root;
      return { pixels: discrete ? decodeIndices(scope, z, config) : decode(scope, z, config) };
    });
    return (await exe.run({ coded }))["pixels"]!;
  };

  return {
    config,
    compression: factors,
    discrete,
    temporalWindow: window,
    tile,
    async encode(pixels, shape) {
      const padded = padForNetwork(hostTensor("float32", shape, pixels), factors);
      const grid = tileGrid(padded.shape, tile, factors.spatial);
      if (grid.length === 1) return encodeTile(padded.data as Float32Array, padded.shape);
      // Indices cannot be blended: the overlap keeps whichever tile lies deeper inside.
      const blend = startBlend(scaledSize(padded.shape, 1 / factors.spatial), discrete ? "nearest" : "linear");
      for (const t of grid) {
        const part = cropTile(padded, t);
        blend.add(scaleTile(t, 1 / factors.spatial), await encodeTile(part.data as Float32Array, part.shape));
      }
      return blend.result();
    },
    async decode(coded, crop) {
      const grid = tileGrid(coded.shape, tile / factors.spatial, 1);
      let out: HostTensor;
      if (grid.length === 1) out = await decodeTile(coded);
      else {
        const blend = startBlend(scaledSize(coded.shape, factors.spatial), "linear");
        for (const t of grid) blend.add(scaleTile(t, factors.spatial), await decodeTile(cropTile(coded, t)));
        out = blend.result();
      }
      return crop ? cropTo(out, crop) : out;
    },
    async release() {
      for (const exe of compiled.values()) await (await exe).release();
      compiled.clear();
    },
  };
}

const scaledSize = (shape: readonly number[], by: number): { height: number; width: number } => ({ height: shape.at(-2)! * by, width: shape.at(-1)! * by });
const scaleTile = ({ top, left, height, width }: Tile, by: number): Tile => ({ top: top * by, left: left * by, height: height * by, width: width * by });

/** The frames and sides that the network is given for a window of these: up to 1 + k * temporal, and multiples of spatial. */
export function paddedSize({ frames, height, width }: { frames: number; height: number; width: number }, { temporal, spatial }: Pick<Compression, "temporal" | "spatial">): { frames: number; height: number; width: number } {
  const side = (d: number): number => Math.max(2, Math.ceil(d / spatial)) * spatial;
  return { frames: 1 + Math.ceil((frames - 1) / temporal) * temporal, height: side(height), width: side(width) };
}

/**
 * What the network takes: frames repeat the last one, sides grow by mid-grey (0) on all sides as in the reference's
 * `pad_video_batch`, here at the right and bottom only so that cropping needs no offsets.
 */
function padForNetwork(pixels: HostTensor, factors: Compression): HostTensor {
  const [b, c, t, h, w] = pixels.shape as [number, number, number, number, number];
  const { frames, height, width } = paddedSize({ frames: t, height: h, width: w }, factors);
  if (frames === t && height === h && width === w) return pixels;
  const out = new Float32Array(b * c * frames * height * width);
  for (let p = 0; p < b * c; p++)
    for (let f = 0; f < frames; f++)
      for (let y = 0; y < h; y++) {
        const from = ((p * t + Math.min(f, t - 1)) * h + y) * w;
        out.set((pixels.data as Float32Array).subarray(from, from + w), ((p * frames + f) * height + y) * width);
      }
  return hostTensor("float32", [b, c, frames, height, width], out);
}

function cropTo(pixels: HostTensor, crop: { frames: number; height: number; width: number }): HostTensor {
  const [b, c, t, h, w] = pixels.shape as [number, number, number, number, number];
  if (crop.frames === t && crop.height === h && crop.width === w) return pixels;
  const { frames, height, width } = crop;
  const out = new Float32Array(b * c * frames * height * width);
  for (let p = 0; p < b * c; p++)
    for (let f = 0; f < frames; f++)
      for (let y = 0; y < height; y++) {
        const from = ((p * t + f) * h + y) * w;
        out.set((pixels.data as Float32Array).subarray(from, from + width), ((p * frames + f) * height + y) * width);
      }
  return hostTensor("float32", [b, c, frames, height, width], out);
}
