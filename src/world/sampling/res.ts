/**
 * RES, the sampler of Cosmos 1.0 ("Refined Exponential Solver", Zhang et al. 2023, arXiv 2308.02157): the diffusion equation
 * in estimates of the data, solved exactly but for how the estimate changes. Cosmos uses "2ab", the second-order
 * Adams-Bashforth method, which asks once per step and reuses the estimate of the step before; the others are Runge-Kutta
 * methods, which ask as often per step as their order says. After the last level the denoiser is asked once more, and its
 * estimate is the answer. Double precision throughout, as in cosmos-predict1 `diffusion/modules/res_sampler.py` and
 * `diffusion/functional/{multi_step,runge_kutta}.py`, whose names of methods these are.
 */
import { OrreryError } from "../../errors.ts";
import { evaluator, karrasGrid, scaled, stepCount, type Sampler } from "./sampler.ts";

type State = Float64Array;
type Ask = (x: State, sigma: number) => Promise<State>;

/** An estimate of the data, and the level it was made at. */
interface Estimate {
  sigma: number;
  x0: State;
}

/** Straight towards the estimate, from level `s` to `t`. */
const euler = (x: State, s: number, t: number, x0: State): State => x.map((v, i) => (t / s) * v + ((s - t) / s) * x0[i]!);

/** The exponential step of order two: estimates at level `s` and at another. */
function exponential(x: State, s: number, t: number, x0: State, other: Estimate): State {
  // Time is -ln sigma, h the step in it.
  const h = Math.log(s / t);
  const phi1 = -Math.expm1(-h) / h;
  const phi2 = (1 - phi1) / h;
  const share = phi2 / (Math.log(s / other.sigma) / h);
  const [a, b, c] = [t / s, h * (phi1 - share), h * share];
  return x.map((v, i) => a * v + b * x0[i]! + c * other.x0[i]!);
}

/** The noise that the estimate sees in x, per unit of level. */
const noiseIn = (x: State, s: number, x0: State): State => x.map((v, i) => (v - x0[i]!) / s);
const along = (x: State, s: number, t: number, noise: State): State => x.map((v, i) => v + (t - s) * noise[i]!);
const combine = (weights: readonly number[], parts: readonly State[]): State => parts[0]!.map((_, i) => weights.reduce((sum, w, k) => sum + w * parts[k]![i]!, 0));

interface Method {
  /** Evaluations in a step: `steps` is divided by it. */
  order: number;
  step(x: State, s: number, t: number, ask: Ask, past: Estimate | undefined): Promise<{ x: State; estimate?: Estimate }>;
}

const methods = {
  "2ab": {
    order: 1,
    async step(x, s, t, ask, past) {
      const x0 = await ask(x, s);
      return { x: past ? exponential(x, s, t, x0, past) : euler(x, s, t, x0), estimate: { sigma: s, x0 } };
    },
  },
  "1euler": { order: 1, step: async (x, s, t, ask) => ({ x: euler(x, s, t, await ask(x, s)) }) },
  "2mid": {
    order: 2,
    async step(x, s, t, ask) {
      const [x0, sigma] = [await ask(x, s), Math.sqrt(s * t)];
      return { x: exponential(x, s, t, x0, { sigma, x0: await ask(euler(x, s, sigma, x0), sigma) }) };
    },
  },
  "2mid_stable": {
    order: 2,
    async step(x, s, t, ask) {
      const middle = Math.sqrt(s * t);
      return { x: euler(x, s, t, await ask(euler(x, s, middle, await ask(x, s)), middle)) };
    },
  },
  "2heun_edm": {
    order: 2,
    async step(x, s, t, ask) {
      const x0 = await ask(x, s);
      return { x: euler(x, s, t, combine([0.5, 0.5], [x0, await ask(euler(x, s, t, x0), t)])) };
    },
  },
  "2heun_naive": {
    order: 2,
    async step(x, s, t, ask) {
      const x0 = await ask(x, s);
      const end = euler(x, s, t, x0);
      // The reference takes the first noise at the end of the step too.
      return { x: along(x, s, t, combine([0.5, 0.5], [noiseIn(end, s, x0), noiseIn(end, t, await ask(end, t))])) };
    },
  },
  "3kutta_naive": {
    order: 3,
    async step(x, s, t, ask) {
      const middle = s + 0.5 * (t - s);
      const x0 = await ask(x, s);
      const first = noiseIn(x, s, x0);
      const half = euler(x, s, middle, x0);
      const second = noiseIn(half, middle, await ask(half, middle));
      const end = along(x, s, t, combine([-1, 2], [first, second]));
      const third = noiseIn(end, t, await ask(end, t));
      return { x: along(x, s, t, combine([1 / 6, 4 / 6, 1 / 6], [first, second, third])) };
    },
  },
} as const satisfies Record<string, Method>;

export type ResMethod = keyof typeof methods;

export const resMethods = Object.keys(methods) as ResMethod[];

/** The sampler with one of the methods; `steps` counts evaluations before the clean one. */
export function resSampler(name: ResMethod): Sampler {
  const { order, step }: Method = methods[name];
  return {
    name: `res${name}`,
    kind: "edm",
    defaultSteps: 35,

    sigmas(options = {}) {
      const steps = Math.floor(stepCount(options, 35) / order);
      if (steps === 0) throw new OrreryError("bad_argument", `RES ${name} asks the network ${order} times per step, so steps must be at least ${order}, not ${options.steps}`);
      return karrasGrid(steps + 1, options.sigmaMin ?? 0.002, options.sigmaMax ?? 80, options.rho);
    },

    async sample(denoise, noise, options = {}) {
      const sigmas = this.sigmas(options);
      if (Math.log(sigmas.at(-2)! / sigmas.at(-1)!) < 1e-6) throw new OrreryError("bad_argument", `${sigmas.length - 1} steps are too many between noise levels ${sigmas[0]} and ${sigmas.at(-1)}`);
      const ask = evaluator(denoise, (sigmas.length - 1) * order + 1, options);
      let x: State = scaled(noise, sigmas[0]!);
      let past: Estimate | undefined;
      for (let i = 0; i + 1 < sigmas.length; i++) ({ x, estimate: past } = await step(x, sigmas[i]!, sigmas[i + 1]!, ask, past));
      return Float32Array.from(await ask(x, sigmas.at(-1)!));
    },
  };
}

export const res2ab: Sampler = resSampler("2ab");
