/**
 * Parity of the samplers. Their fixtures have no weights: instead of a network there is a formula in the configuration, in
 * the form that the reference sampler asks its network for.
 */
import { OrreryError } from "../errors.ts";
import { RandomState } from "../tensor/random.ts";
import { edmEulerSampler, edmScaling, guided, resMethods, resSampler, unipcSampler, type Denoiser, type Sampler, type SamplerName } from "../world/index.ts";
import { parseFormula } from "./parity-formula.ts";
import type { Answer, Check } from "./parity-fixture.ts";

const f32 = Math.fround;

/** Where a fixture says nothing, or "as" another. */
const usualDenoiser = "x0(x, s) = x*0.25/(s^2+0.25) + 0.1*sin(3x)*s/(1+s)";

type Settings = Readonly<Record<string, unknown>>;

/** Settings with which a sampler would be another one than is known here. */
const fixed: Readonly<Record<SamplerName, Readonly<Record<string, unknown>>>> = {
  res2ab: { S_churn: 0 },
  euler: { s_churn: 0 },
  unipc: { use_flow_sigmas: true, predict_x0: true, thresholding: false, use_exponential_sigmas: false, use_beta_sigmas: false, use_dynamic_shifting: false, num_train_timesteps: 1000, solver_p: null },
};

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

function choiceIn<T extends string>(config: Settings, key: string, choices: readonly T[], fallback: T): T {
  const value = config[key] ?? fallback;
  if (!choices.includes(value as T)) throw new OrreryError("bad_config", `${key} is ${JSON.stringify(value)}; expected one of ${choices.join(", ")}`);
  return value as T;
}

function switchIn(config: Settings, key: string, fallback: boolean): boolean {
  const value = config[key] ?? fallback;
  if (typeof value !== "boolean") throw new OrreryError("bad_config", `${key} is ${JSON.stringify(value)}; expected true or false`);
  return value;
}

const finals = ["sigma_min", "zero"] as const;

/** The sampler that a configuration describes, in the words of cosmos-predict1 and of diffusers' schedulers. */
const described: Readonly<Record<SamplerName, (config: Settings, endsAtZero: boolean | undefined) => Sampler>> = {
  res2ab: (config) => resSampler(choiceIn(config, config["solver"] === undefined ? "solver_option" : "solver", resMethods, "2ab")),
  euler: (config, endsAtZero) =>
    edmEulerSampler({ final: choiceIn(config, "final_sigmas_type", finals, endsAtZero ? "zero" : "sigma_min"), grid: choiceIn(config, "sigma_schedule", ["karras", "exponential"] as const, "karras") }),
  unipc: (config) => {
    const order = numberIn(config, "solver_order") ?? 2;
    if (!Number.isInteger(order) || order < 1 || order > 9) throw new OrreryError("bad_config", `solver_order is ${order}; expected a whole number from 1 to 9`);
    const uncorrected = config["disable_corrector"] ?? [];
    if (!Array.isArray(uncorrected) || !uncorrected.every(Number.isInteger)) throw new OrreryError("bad_config", `disable_corrector is ${JSON.stringify(uncorrected)}; expected a list of steps`);
    choiceIn(config, "prediction_type", ["flow_prediction", "sample"], "flow_prediction");
    return unipcSampler({
      order,
      uncorrected: uncorrected as number[],
      // The scheduler takes the first three, which are other solvers' names, for bh2.
      solver: choiceIn(config, "solver_type", ["midpoint", "heun", "logrho", "bh1", "bh2"], "bh2") === "bh1" ? "bh1" : "bh2",
      grid: switchIn(config, "use_karras_sigmas", true) ? "karras" : "flow",
      shift: numberIn(config, "flow_shift") ?? 1,
      terminal: numberIn(config, "shift_terminal"),
      final: choiceIn(config, "final_sigmas_type", finals, "zero"),
      lowerOrderFinal: switchIn(config, "lower_order_final", true),
    });
  },
};

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
      const { skip, out: gain, in: scale, noise } = edmScaling(s, numberIn(config, "sigma_data"));
      const out = choiceIn(config, "prediction_type", ["epsilon", "v_prediction"], "epsilon") === "epsilon" ? gain : -gain;
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
    const found = config[key] ?? null;
    if (found !== null && found !== value) throw new OrreryError("bad_config", `${key} is ${JSON.stringify(found)}; parity of the sampler "${name}" is known for ${JSON.stringify(value)} only`);
  }
  const seed = numberIn(config, "seed") ?? 0;
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) throw new OrreryError("bad_config", `seed is ${seed}; expected a whole number from 0 to 4294967295`);
  const { shape } = goldens.describe(goldens.has("noise") ? "noise" : "output", { kind: "float" });
  const noise = new RandomState(seed).standardNormalFloat32(shape.reduce((a, b) => a * b, 1));
  const options = { steps: numberIn(config, "num_steps"), sigmaMin: numberIn(config, "sigma_min"), sigmaMax: numberIn(config, "sigma_max"), rho: numberIn(config, "rho"), signal };
  // Where the configuration is silent, the levels show how they end.
  const levels = goldens.has("sigmas") ? (await goldens.tensor("sigmas")).data : undefined;
  const sampler = described[name](config, levels && levels.at(-1) === 0);
  const sigmas = sampler.sigmas(options);
  const output = await sampler.sample(denoiserOf(config), noise, options);
  const values = new Map<string, Answer>([["noise", { shape, data: noise }], ["sigmas", { shape: [sigmas.length], data: sigmas }], ["output", { shape, data: output }]]);
  const told = timesteps[name];
  if (told) values.set("timesteps", { shape: [sigmas.length - 1], data: sigmas.slice(0, -1).map(told) });
  return { values, inputs: [], unused: [] };
};
