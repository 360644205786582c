/**
 * What a configuration means: the levels of the encoder and decoder, their widths, and where they have attention and
 * resample. Both naming families and the image networks become the same plan, so the networks never read a configuration.
 */
import { badConfig, isDiscrete, isImage, parseFields, type TokenizerConfig } from "./config.ts";

/** Whether a step halves (or doubles) the picture, the frames, or both. */
export interface Resample {
  space: boolean;
  time: boolean;
}

export interface Level {
  width: number;
  attention: boolean;
  /** Absent where no resampler exists. */
  resample?: Resample;
}

/** One half of the network. Levels are in the order in which they run. */
export interface Half {
  /** Channels of the input of `conv_in`: patches for the encoder, latents for the decoder. */
  input: number;
  /** Width after `conv_in`. */
  start: number;
  blocks: number;
  levels: readonly Level[];
  /** Channels that `conv_out` makes. */
  output: number;
  /** By how much it changes the picture's sides and the frames, patches included. */
  space: number;
  time: number;
}

export interface Plan {
  naming: "diffusers" | "original" | "image";
  patch: { size: number; method: "haar" | "rearrange" };
  encoder: Half;
  decoder: Half;
  /** Output channels of `quant_conv`; twice `latent` for a VAE. */
  moments: number;
  /** Channels of the latent, or of the code vectors. */
  latent: number;
  temporal: number;
  spatial: number;
}

/** The attributes that both families have, under one name each. */
interface Common {
  naming: Plan["naming"];
  encoderWidths: readonly number[];
  /** From low resolution to high, `conv_in`'s first. */
  decoderWidths: readonly number[];
  blocks: number;
  attentionAt: readonly number[];
  resolution: number;
  patch: Plan["patch"];
  inChannels: number;
  outChannels: number;
  encoded: number;
  decoded: number;
  moments: number;
  latent: number;
  spatial: number;
  temporal: number;
  legacy: boolean;
}

function common(config: TokenizerConfig): Common {
  if (config["_class_name"] === "AutoencoderKLCosmos") {
    const latent = config.latent_channels;
    return {
      naming: "diffusers",
      encoderWidths: config.encoder_block_out_channels,
      decoderWidths: [...config.decode_block_out_channels].reverse(),
      blocks: config.num_layers,
      attentionAt: config.attention_resolutions,
      resolution: config.resolution,
      patch: { size: config.patch_size, method: config.patch_type },
      inChannels: config.in_channels,
      outChannels: config.out_channels,
      encoded: latent,
      decoded: latent,
      moments: latent,
      latent,
      spatial: config.spatial_compression_ratio,
      temporal: config.temporal_compression_ratio,
      legacy: false,
    };
  }
  const widths = config.channels_mult.map((m) => m * config.channels);
  const latent = isDiscrete(config) ? config.embedding_dim : config.latent_channels;
  // The discrete image class has no z_factor.
  const factor = config["_class_name"] === "DiscreteImageTokenizer" ? 1 : config.z_factor;
  return {
    naming: isImage(config) ? "image" : "original",
    encoderWidths: [config.channels, ...widths],
    decoderWidths: [widths.at(-1)!, ...[...widths].reverse()],
    blocks: config.num_res_blocks,
    attentionAt: config.attn_resolutions,
    resolution: config.resolution,
    patch: { size: config.patch_size, method: config.patch_method },
    inChannels: config.in_channels,
    outChannels: config.out_channels,
    encoded: factor * config.z_channels,
    decoded: config.z_channels,
    moments: isDiscrete(config) ? latent : factor * latent,
    latent,
    spatial: config.spatial_compression,
    temporal: isImage(config) ? 1 : config.temporal_compression,
    legacy: isImage(config) ? false : config.legacy_mode,
  };
}

/** Levels from their widths; `step(i)` tells what follows level `i`. */
function levels(widths: readonly number[], resolution: number, attentionAt: readonly number[], step: (i: number) => Resample | undefined, next: (r: number, resampled: boolean) => number): Level[] {
  let at = resolution;
  return widths.map((width, i) => {
    const attention = attentionAt.includes(at);
    const resample = step(i);
    at = next(at, resample !== undefined);
    return resample ? { width, attention, resample } : { width, attention };
  });
}

function build(name: string, c: Common): Plan {
  const video = c.naming !== "image";
  const steps = (factor: number): number => Math.log2(factor) - Math.log2(c.patch.size);
  const [inSpace, inTime] = [steps(c.spatial), video ? steps(c.temporal) : 0];
  const [down, up] = [c.encoderWidths.slice(1), c.decoderWidths.slice(1)];
  const base = Math.floor(c.resolution / c.patch.size);
  const halve = (r: number, resampled: boolean): number => (resampled ? Math.floor(r / 2) : r);
  const double = (r: number, resampled: boolean): number => (resampled ? r * 2 : r);
  // The video networks have a resampler after every level but the last, which may do nothing; the image networks only where needed.
  const encoderLevels = levels(down, base, c.attentionAt, video ? (i) => (i < down.length - 1 ? { space: i < inSpace, time: i < inTime } : undefined) : (i) => (i < inSpace ? { space: true, time: false } : undefined), halve);
  const decoderLevels = levels(
    up,
    Math.floor(base / 2 ** (up.length - 1)),
    c.attentionAt,
    video
      ? (i) => {
          if (i >= up.length - 1) return undefined;
          const time = c.legacy ? i < inTime : i > 0 && i < inTime + 1;
          return { time, space: time || (i < inSpace && inSpace > inTime) };
        }
      : (i) => (i < inSpace ? { space: true, time: false } : undefined),
    double,
  );
  const cube = c.patch.size ** (video ? 3 : 2);
  const change = (list: readonly Level[], axis: "space" | "time"): number => c.patch.size * 2 ** list.filter((l) => l.resample?.[axis]).length;
  const changes = (list: readonly Level[]): Pick<Half, "space" | "time"> => ({ space: change(list, "space"), time: video ? change(list, "time") : 1 });
  if (!video)
    for (const width of [...c.encoderWidths, ...c.decoderWidths]) if (width % imageGroups) throw badConfig(name, `widths must be multiples of the ${imageGroups} groups of the norms, not ${width}`);
  return {
    naming: c.naming,
    patch: c.patch,
    encoder: { input: c.inChannels * cube, start: c.encoderWidths[0]!, blocks: c.blocks, levels: encoderLevels, output: c.encoded, ...changes(encoderLevels) },
    decoder: { input: c.decoded, start: c.decoderWidths[0]!, blocks: c.blocks + 1, levels: decoderLevels, output: c.outChannels * cube, ...changes(decoderLevels) },
    moments: c.moments,
    latent: c.latent,
    temporal: c.temporal,
    spatial: c.spatial,
  };
}

/** Groups of the norms in the image networks. */
export const imageGroups = 32;

const plans = new WeakMap<TokenizerConfig, Plan>();

export function planOf(config: TokenizerConfig): Plan {
  let plan = plans.get(config);
  if (!plan) plans.set(config, (plan = build(config["_class_name"], common(config))));
  return plan;
}

/** Throws where the two halves would not undo each other, as the references do not. */
function checkCompression(config: TokenizerConfig): void {
  const { encoder, decoder, spatial, temporal, patch } = planOf(config);
  for (const [name, half] of Object.entries({ encoder, decoder }))
    for (const [axis, nominal] of [["space", spatial], ["time", temporal]] as const)
      if (half[axis] !== nominal)
        throw badConfig(config["_class_name"], `the ${name} with ${half.levels.length} levels and patches of ${patch.size} changes ${axis === "space" ? "the picture" : "the frames"} by ${half[axis]}, not by the compression of ${nominal}; change the compression, patch_size or the number of levels`);
}

/**
 * Parses and checks a tokenizer's `config.json`. Throws `bad_config`. With `uneven`, the encoder and the decoder may compress
 * by other factors than the configuration names: no video survives that, but the references run it.
 */
export function parseTokenizerConfig(json: unknown, { uneven = false }: { uneven?: boolean } = {}): TokenizerConfig {
  const config = parseFields(json);
  planOf(config);
  if (!uneven) checkCompression(config);
  return config;
}
