/** Classifier-free guidance as Cosmos writes it: cond + g (cond - uncond), so that 0 is no guidance (elsewhere that is 1). */
import type { Denoiser } from "./sampler.ts";

/** The guided estimate. */
export function guide(conditional: ArrayLike<number>, unconditional: ArrayLike<number>, guidance: number): Float32Array {
  return Float32Array.from(conditional, (c, i) => c + guidance * (c - unconditional[i]!));
}

/** A denoiser that asks with and without the condition; without guidance only with it. */
export function guided(conditional: Denoiser, unconditional: Denoiser, guidance: number): Denoiser {
  if (guidance === 0) return conditional;
  return async (x, sigma) => guide(await conditional(x, sigma), await unconditional(x, sigma), guidance);
}
