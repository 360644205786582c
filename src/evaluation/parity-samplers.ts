/**
 * Parity of the samplers. Their fixtures have no weights: instead of a network there is a formula in the configuration, in
 * the form that the reference sampler asks its network for.
 */
import { OrreryError } from "../errors.ts";
import { RandomState } from "../tensor/random.ts";
import { edmScaling, guided, samplers, type Denoiser, type SamplerName } from "../world/index.ts";
import { parseFormula } from "./parity-formula.ts";
import type { Answer, Check } from "./parity-fixture.ts";

const f32 = Math.fround;

/** Where a fixture says nothing, or "as" another. */
const usualDenoiser = "x0(x, s) = x*0.25/(s^2+0.25) + 0.1*sin(3x)*s/(1+s)";

/** Settings that a sampler has in one way only; another value would be another sampler. */
const fixed: Readonly<Record<SamplerName, Readonly<Record<string, unknown>>>> = {
  res2ab: { solver: "2ab" },
  euler: { final_sigmas_type: "sigma_min" },
  unipc: { use_karras_sigmas: true, use_flow_sigmas: true, prediction_type: "flow_prediction", flow_shift: 1, solver_order: 2, solver_type: "bh2", final_sigmas_type: "zero", lower_order_final: true },
};

type Settings = Readonly<Record<string, unknown>>;

function numberIn(config: Settings, key: string): number | undefined {
  const value = config[key] ?? undefined;
  if (value !== undefined && (typeof value !== "number" || !Number.isFinite(value))) throw new OrreryError("bad_config", `${key} is ${JSON.stringify(value)}; expected a number`);
  return value as number | undefined;
}

function textIn(config: Settings, key: string): string | undefined {
  const value = config[key] ?? undefined;
  if (value !== undefined && typeof value !== "string") throw new OrreryError("bad_config", `${key} is ${JSON.stringify(value)}; expected a formula in text`);
  return value;
}

/** The estimate of x0 that the fixture's formula stands for: given outright, as a flow's velocity, or as a network inside EDM's preconditioning. */
function denoiserOf(config: Settings): Denoiser {
  const [velocity, network, denoiser] = ["velocity", "network", "denoiser"].map((key) => textIn(config, key));
  if (velocity !== undefined) {
    const v = parseFormula(velocity, "v");
    return (x, s) => Float32Array.from(x, (value) => value - f32(s * v(value, s)));
  }
  if (network !== undefined) {
    const f = parseFormula(network, "F");
    const one = (k: number): Denoiser => (x, s) => {
      const { skip, out, in: scale, noise } = edmScaling(s, numberIn(config, "sigma_data"));
      return Float32Array.from(x, (value) => f32(skip * value) + f32(out * f(f32(scale * value), f32(noise), f32(k))));
    };
    return guided(one(0.5), one(0.3), numberIn(config, "guidance_scale") ?? 0);
  }
  const x0 = parseFormula(denoiser === undefined || /^as\b/.test(denoiser) ? usualDenoiser : denoiser, "x0");
  return (x, s) => Float32Array.from(x, (value) => x0(value, s));
}

/** What schedulers tell the network instead of the noise level. */
const timesteps: Partial<Record<SamplerName, (sigma: number) => number>> = {
  euler: (sigma) => 0.25 * Math.log(sigma),
  unipc: (sigma) => Math.trunc(f32(sigma * 1000)),
};

export const samplerCheck = (name: SamplerName): Check => async ({ fixture: { config, goldens }, signal }) => {
  for (const [key, value] of Object.entries(fixed[name])) {
    const found = config[key];
    if (found !== undefined && found !== value) throw new OrreryError("bad_config", `${key} is ${JSON.stringify(found)}; the sampler "${name}", which Cosmos uses, has ${JSON.stringify(value)}`);
  }
  const seed = numberIn(config, "seed") ?? 0;
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) throw new OrreryError("bad_config", `seed is ${seed}; expected a whole number from 0 to 4294967295`);
  const { shape } = goldens.describe(goldens.has("noise") ? "noise" : "output", { kind: "float" });
  const noise = new RandomState(seed).standardNormalFloat32(shape.reduce((a, b) => a * b, 1));
  const options = { steps: numberIn(config, "num_steps"), sigmaMin: numberIn(config, "sigma_min"), sigmaMax: numberIn(config, "sigma_max"), rho: numberIn(config, "rho"), signal };
  const sigmas = samplers[name].sigmas(options);
  const output = await samplers[name].sample(denoiserOf(config), noise, options);
  const values = new Map<string, Answer>([["noise", { shape, data: noise }], ["sigmas", { shape: [sigmas.length], data: sigmas }], ["output", { shape, data: output }]]);
  const told = timesteps[name];
  if (told) values.set("timesteps", { shape: [sigmas.length - 1], data: sigmas.slice(0, -1).map(told) });
  return { values, inputs: [], unused: [] };
};
