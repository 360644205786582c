/** Samplers by name. Whoever adds one adds it to the table; the conformance test then holds it too. */
import { OrreryError } from "../../errors.ts";
import { edmEuler } from "./edm-euler.ts";
import { res2ab } from "./res.ts";
import type { Sampler } from "./sampler.ts";
import { unipc } from "./unipc.ts";

export const samplers = { res2ab, euler: edmEuler, unipc } as const satisfies Readonly<Record<string, Sampler>>;

export type SamplerName = keyof typeof samplers;

export const samplerNames = Object.keys(samplers) as SamplerName[];

/** The sampler of that name; throws `bad_argument` for an unknown one. */
export function samplerNamed(name: string): Sampler {
  if (!Object.hasOwn(samplers, name)) throw new OrreryError("bad_argument", `there is no sampler "${name}"; choose one of ${samplerNames.join(", ")}`);
  return samplers[name as SamplerName];
}

export { edmEulerSampler, type EdmEulerOptions } from "./edm-euler.ts";
export { resMethods, resSampler, type ResMethod } from "./res.ts";
export { unipcSampler, type UniPcOptions } from "./unipc.ts";
export { guide, guided } from "./guidance.ts";
export { karrasGrid, type Denoiser, type NoiseKind, type Sampler, type SamplerOptions, type SamplerStep } from "./sampler.ts";
