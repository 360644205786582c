/**
 * Starting weights that already code: the network begins as a linear autoencoder on the principal components of the clips'
 * wavelet patches, and training goes on from there. Measured on small budgets this is worth hours: see LOGBOOK.md. The idea is
 * data-dependent initialisation (Krähenbühl et al. 2016) with the optimum of a linear autoencoder (Baldi and Hornik 1989).
 *
 * A network of norms and SiLUs can be exactly linear at first:
 * - SiLU(x) - SiLU(-x) = x, so every component u passes as the pair u, -u;
 * - a norm divides by a frame's deviation, which would lose its contrast; a pair of constant channels keeps that nearly fixed;
 * - residual branches start at zero (`quietStart` in `train.ts`).
 *
 * A discrete tokenizer squashes each component by a tanh before it rounds it; scaled so that most of them lie where the tanh is
 * nearly straight, that is a linear autoencoder too, of rounded components.
 *
 * It needs a network that keeps its width and does not resample (compression = patch size) with room for the pairs.
 */
import type { Parameters } from "../nn/index.ts";
import { size } from "../tensor/index.ts";
import type { TokenizerConfig } from "./config.ts";
import { diffusersNames, originalNames } from "./names.ts";
import { planOf } from "./plan.ts";

/** Whether a configuration can begin this way. */
export function hasPrincipalStart(config: TokenizerConfig): boolean {
  const { naming, patch, encoder, decoder, latent, spatial, temporal } = planOf(config);
  const widths = [encoder, decoder].flatMap((half) => [half.start, ...half.levels.map((l) => l.width)]);
  return (
    naming !== "image" && widths.every((w) => w === encoder.start) && encoder.start >= 2 * latent + 2 && spatial === patch.size && temporal === patch.size &&
    encoder.output >= latent && decoder.input >= latent && latent < encoder.input
  );
}

export interface Components {
  mean: Float64Array;
  /** Unit vectors, the largest variance first. */
  vectors: Float64Array[];
  /** Variance along each. */
  variances: number[];
}

/** The first `count` principal components of `rows` vectors of `width` numbers, by orthogonal iteration. */
export function principalComponents(data: Float32Array, width: number, count: number, iterations = 12): Components {
  const rows = data.length / width;
  const mean = new Float64Array(width);
  for (let r = 0; r < rows; r++) for (let i = 0; i < width; i++) mean[i]! += data[r * width + i]! / rows;
  const covariance = new Float64Array(width * width);
  const row = new Float64Array(width);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < width; i++) row[i] = data[r * width + i]! - mean[i]!;
    for (let i = 0; i < width; i++) {
      const value = row[i]! / rows;
      for (let j = 0; j <= i; j++) covariance[i * width + j]! += value * row[j]!;
    }
  }
  for (let i = 0; i < width; i++) for (let j = 0; j < i; j++) covariance[j * width + i] = covariance[i * width + j]!;
  const times = (v: Float64Array): Float64Array => Float64Array.from({ length: width }, (_, i) => {
    let sum = 0;
    for (let j = 0; j < width; j++) sum += covariance[i * width + j]! * v[j]!;
    return sum;
  });
  // Any start with something of every component will do; this one needs no random numbers.
  let vectors = orthonormal(Array.from({ length: count }, (_, k) => Float64Array.from({ length: width }, (__, i) => Math.cos((k + 1) * (i + 1) * 1.7) + (i === k ? 1 : 0))));
  for (let n = 0; n < iterations; n++) vectors = orthonormal(vectors.map(times));
  const variances = vectors.map((v) => dot(v, times(v)));
  return { mean, vectors, variances };
}

const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0);

/** Gram-Schmidt, twice, because once loses digits. A vector that has nothing of its own left becomes zero. */
function orthonormal(vectors: readonly Float64Array[]): Float64Array[] {
  const out: Float64Array[] = [];
  for (const vector of vectors) {
    const v = vector.slice();
    for (let pass = 0; pass < 2; pass++)
      for (const other of out) {
        const part = dot(v, other);
        for (let i = 0; i < v.length; i++) v[i]! -= part * other[i]!;
      }
    const length = Math.sqrt(dot(v, v));
    out.push(length > 1e-12 ? v.map((x) => x / length) : v.fill(0));
  }
  return out;
}

/** Deviations that lie where the tanh of a quantizer is nearly straight, and how much of them it takes away on average there. */
const squashed = 0.65;
const straightness = 0.84;

/** The weights of the first and last layers of both halves, so that the network codes `components` linearly. `levels` are those of a discrete code. */
export function principalStart(config: TokenizerConfig, { all }: Parameters, components: Components, levels?: readonly number[]): Map<string, Float32Array> {
  const { naming, latent, moments, encoder: first, decoder: second } = planOf(config);
  const names = naming === "diffusers" ? diffusersNames : originalNames;
  const lone = naming === "diffusers" ? "" : ".conv3d";
  const width = first.start;
  const bands = components.mean.length;
  const start = new Map<string, Float32Array>();
  const zeros = (name: string): Float32Array => {
    const values = new Float32Array(size(all.get(name)!.shape));
    start.set(name, values);
    return values;
  };
  /** Sets a spatial 1x3x3 convolution's middle tap, and lets the temporal one after it pass every channel of the newest frame. */
  const pair = (name: string, outputs: number, inputs: number, weight: (o: number, i: number) => number, bias: (o: number) => number): void => {
    const spatial = zeros(`${name}.${names.pair[0]}.weight`);
    for (let o = 0; o < outputs; o++) for (let i = 0; i < inputs; i++) spatial[(o * inputs + i) * 9 + 4] = weight(o, i);
    zeros(`${name}.${names.pair[0]}.bias`).forEach((_, o, values) => (values[o] = bias(o)));
    const temporal = zeros(`${name}.${names.pair[1]}.weight`);
    for (let o = 0; o < outputs; o++) temporal[(o * outputs + o) * 3 + 2] = 1;
    zeros(`${name}.${names.pair[1]}.bias`);
  };
  const diagonal = (name: string, inputs: number, factor: (c: number) => number): void => {
    const values = zeros(`${name}${lone}.weight`);
    for (let c = 0; c < latent; c++) values[c * inputs + c] = factor(c);
    zeros(`${name}${lone}.bias`);
  };
  /** Sign of a channel: u, then -u, then the constant pair, then channels that training may use. */
  const sign = (channel: number): number => (channel < latent ? 1 : channel < 2 * latent ? -1 : 0);
  const constant = (channel: number, level: number): number => (channel === 2 * latent ? level : channel === 2 * latent + 1 ? -level : 0);
  /** The constant's level for components of these variances, and what the norm then divides by. */
  const balance = (variances: readonly number[]): { level: number; deviation: number } => {
    const total = variances.reduce((a, b) => a + b, 0);
    const level = 2 * Math.sqrt(total);
    return { level, deviation: Math.sqrt((2 * total + 2 * level * level) / width) };
  };

  const { mean, vectors, variances } = components;
  const encoder = balance(variances);
  const offset = vectors.map((v) => dot(v, mean));
  pair("encoder.conv_in", width, bands, (o, i) => sign(o) * (vectors[o % latent]![i] ?? 0), (o) => constant(o, encoder.level) - sign(o) * (offset[o % latent] ?? 0));
  // Latents are the components over what the norm divided by.
  pair("encoder.conv_out", first.output, width, (o, i) => (o < latent && i % latent === o && i < 2 * latent ? sign(i) : 0), () => 0);
  const squash = variances.map((v) => squashed / Math.max(1e-6, Math.sqrt(v) / encoder.deviation));
  /** What the quantizer makes of one unit before it: see `bound` in fsq.ts. */
  const reached = (c: number): number => (straightness * ((levels![c]! - 1) / 2)) / Math.floor(levels![c]! / 2);
  diagonal("quant_conv", first.output, (c) => (levels && moments === latent ? squash[c]! : 1));
  diagonal("post_quant_conv", latent, (c) => (levels ? 1 / (squash[c]! * reached(c)) : 1));
  const decoder = balance(variances.map((v) => v / encoder.deviation ** 2));
  pair("decoder.conv_in", width, second.input, (o, i) => (o < 2 * latent && o % latent === i ? sign(o) : 0), (o) => constant(o, decoder.level));
  const scale = encoder.deviation * decoder.deviation;
  pair("decoder.conv_out", bands, width, (o, i) => (i < 2 * latent ? sign(i) * scale * vectors[i % latent]![o]! : 0), (o) => mean[o]!);
  return start;
}
