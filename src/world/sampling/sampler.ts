/**
 * What a sampler is: a way from noise to data that asks a denoiser for its estimate of the data at falling noise levels.
 * It knows nothing of networks. Latents are flat arrays; a sampler treats all elements alike, so batches and shapes are the
 * denoiser's business. The same conformance test holds every sampler (`samplers.test.ts`).
 */
import { OrreryError } from "../../errors.ts";
import { throwIfCancelled } from "../../progress.ts";

/** The estimate of the data in `x` at noise level `sigma`. It must not keep or change `x`. */
export type Denoiser = (x: Float32Array, sigma: number) => Promise<ArrayLike<number>> | ArrayLike<number>;

export interface SamplerStep {
  /** Evaluations of the denoiser that are done, and of how many. */
  done: number;
  total: number;
  sigma: number;
  /** The newest estimate of the data: what a preview shows. Valid during the call. */
  x0: ArrayLike<number>;
}

export interface SamplerOptions {
  /** Default: the sampler's `defaultSteps`. */
  steps?: number | undefined;
  sigmaMin?: number | undefined;
  sigmaMax?: number | undefined;
  /** How unevenly the levels are spread (Karras et al. 2022, eq. 5); 7 for all Cosmos models. */
  rho?: number | undefined;
  /** Called after each evaluation; the sampler waits for it. */
  onStep?: ((step: SamplerStep) => void | Promise<void>) | undefined;
  /** Stops before the next evaluation, with `cancelled`. */
  signal?: AbortSignal | undefined;
}

/** How noise and data mix at level s: x0 + s noise, or (1 - s) x0 + s noise. */
export type NoiseKind = "edm" | "flow";

export interface Sampler {
  readonly name: string;
  readonly kind: NoiseKind;
  readonly defaultSteps: number;
  /** The levels from noise to data, one more than there are steps. */
  sigmas(options?: SamplerOptions): Float64Array;
  /** Data from standard normal `noise`; the sampler scales it to its first level. */
  sample(denoise: Denoiser, noise: ArrayLike<number>, options?: SamplerOptions): Promise<Float32Array>;
}

/** `steps` after checking it. */
export function stepCount({ steps }: SamplerOptions, fallback: number): number {
  const n = steps ?? fallback;
  if (!Number.isInteger(n) || n < 1) throw new OrreryError("bad_argument", `steps must be a whole number of at least 1, not ${n}`);
  return n;
}

/** The grid of Karras et al.: `count` levels from `sigmaMax` to `sigmaMin`, even in their rho-th roots. */
export function karrasGrid(count: number, sigmaMin: number, sigmaMax: number, rho = 7): Float64Array {
  if (!(sigmaMin > 0 && sigmaMin < sigmaMax)) throw new OrreryError("bad_argument", `noise levels must have 0 < sigmaMin < sigmaMax, not ${sigmaMin} and ${sigmaMax}`);
  const [low, high] = [sigmaMin ** (1 / rho), sigmaMax ** (1 / rho)];
  return Float64Array.from({ length: count }, (_, i) => (high + (count === 1 ? 0 : i / (count - 1)) * (low - high)) ** rho);
}

/** `values` times `scale`, in double precision. */
export const scaled = (values: ArrayLike<number>, scale: number): Float64Array => Float64Array.from(values, (v) => v * scale);

/** The denoiser with everything around an evaluation: cancelling, single precision in, doubles out, the callback. */
export function evaluator(denoise: Denoiser, total: number, { onStep, signal }: SamplerOptions): (x: Float64Array, sigma: number) => Promise<Float64Array> {
  let done = 0;
  return async (x, sigma) => {
    throwIfCancelled(signal, "sampling");
    const level = Math.fround(sigma);
    const answer = await denoise(Float32Array.from(x), level);
    if (answer.length !== x.length) throw new OrreryError("internal", `the denoiser answered ${answer.length} values for ${x.length}`);
    const x0 = Float64Array.from(answer);
    await onStep?.({ done: ++done, total, sigma: level, x0 });
    return x0;
  };
}
