/** What every sampler must do, and what the reference samplers answered. */
import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { OrreryError } from "../../errors.ts";
import { RandomState } from "../../tensor/random.ts";
import { difference, readConfig, readGoldens, testdata } from "../fixtures.cases.ts";
import { guide, guided, samplerNamed, samplerNames, type Denoiser, type Sampler, type SamplerStep } from "./index.ts";

/**
 * The exact denoiser of Gaussian data with deviation `std` around `mean`, and the standard normal numbers behind the data:
 * along the flow of the differential equation an element keeps its number of deviations from the mean.
 */
function gaussian({ kind }: Sampler, mean: number, std: number): { denoise: Denoiser; answer: (noise: number, first: number) => number } {
  const signal = (s: number): number => (kind === "flow" ? 1 - s : 1);
  const spread = (s: number): number => Math.hypot(signal(s) * std, s);
  return {
    denoise: (x, s) => Float64Array.from(x, (v) => mean + ((signal(s) * std * std) / spread(s) ** 2) * (v - signal(s) * mean)),
    // `first` is the first level, where the sampler's start is noise alone.
    answer: (noise, first) => mean + (std * ((kind === "flow" ? noise : first * noise) - signal(first) * mean)) / spread(first),
  };
}

const noise = new RandomState(3).standardNormalFloat32(200);
const zero: Denoiser = (x) => new Float32Array(x.length);

describe.each(samplerNames)("every sampler: %s", (name) => {
  const sampler = samplerNamed(name);

  test("is the one of its name, and has falling levels", () => {
    expect(sampler.name).toBe(name);
    const sigmas = sampler.sigmas({ steps: 10 });
    expect(sigmas).toHaveLength(11);
    for (let i = 1; i < sigmas.length - 1; i++) expect(sigmas[i]).toBeLessThan(sigmas[i - 1]!);
  });

  test("carries noise to Gaussian data along the exact path, the better the more steps", async () => {
    const { denoise, answer } = gaussian(sampler, 0.7, 0.5);
    const error = async (steps: number): Promise<number> => {
      const got = await sampler.sample(denoise, noise, { steps });
      return difference(got, Float64Array.from(noise, (z) => answer(z, sampler.sigmas({ steps })[0]!)));
    };
    const [few, many] = [await error(20), await error(160)];
    expect(many).toBeLessThan(name === "euler" ? 0.02 : 0.004);
    expect(many).toBeLessThan(few / 2);
  });

  test("gives the data exactly where the denoiser knows it", async () => {
    const data = new RandomState(4).standardNormalFloat32(200);
    const got = await sampler.sample(() => data, noise, { steps: 12 });
    // Euler as diffusers uses it ends at the smallest level, not at zero.
    expect(difference(got, data)).toBeLessThan(name === "euler" ? 0.01 : 1e-6);
  });

  test("is deterministic, and leaves its noise alone", async () => {
    const copy = noise.slice();
    const { denoise } = gaussian(sampler, 0, 1);
    expect(await sampler.sample(denoise, noise, { steps: 5 })).toEqual(await sampler.sample(denoise, noise, { steps: 5 }));
    expect(noise).toEqual(copy);
  });

  test("reports every evaluation with an estimate to look at", async () => {
    const seen: SamplerStep[] = [];
    let asked = 0;
    await sampler.sample((x) => (asked++, new Float32Array(x.length).fill(2)), noise, { steps: 6, onStep: (s) => void seen.push(s) });
    expect(seen.map((s) => s.done)).toEqual(seen.map((_, i) => i + 1));
    expect(seen).toHaveLength(asked);
    expect(seen.every((s) => s.total === asked && s.x0[0] === 2 && s.x0.length === noise.length)).toBe(true);
  });

  test("waits for the callback", async () => {
    let inside = 0;
    const onStep = async (): Promise<void> => {
      inside++;
      await new Promise((r) => setTimeout(r, 1));
      inside--;
    };
    await sampler.sample((x) => (expect(inside).toBe(0), new Float32Array(x.length)), noise, { steps: 3, onStep });
  });

  test("stops when told to, before the next evaluation", async () => {
    const stop = new AbortController();
    let asked = 0;
    const denoise: Denoiser = (x) => (++asked === 2 && stop.abort(), new Float32Array(x.length));
    await expect(sampler.sample(denoise, noise, { steps: 8, signal: stop.signal })).rejects.toMatchObject({ code: "cancelled" });
    expect(asked).toBe(2);
  });

  test("works with one step, and refuses what makes no sense", async () => {
    expect((await sampler.sample(zero, noise, { steps: 1 })).every((v) => v === 0)).toBe(true);
    for (const options of [{ steps: 0 }, { steps: 2.5 }, { sigmaMin: 0 }, { sigmaMin: 3, sigmaMax: 2 }])
      await expect(sampler.sample(zero, noise, options)).rejects.toMatchObject({ code: "bad_argument" });
    await expect(sampler.sample(() => [1], noise, { steps: 2 })).rejects.toBeInstanceOf(OrreryError);
  });
});

/** The toy denoiser of the fixtures, in single precision. */
const toy: Denoiser = (x, s) => {
  const f = Math.fround;
  const scale = f(f(s * s) + 0.25);
  return Float32Array.from(x, (v) => f(f(v * 0.25) / scale) + f(f(f(0.1) * f(Math.sin(f(3 * v)))) * s) / f(1 + s));
};

const fixtures = readdirSync(testdata()).filter((f) => f.startsWith("sampler-"));

describe.each(fixtures)("%s", (folder) => {
  const config = readConfig(testdata(folder, "config.json")) as Record<string, number>;
  const sampler = samplerNamed(folder.slice("sampler-".length));
  const options = { steps: config.num_steps!, sigmaMin: config.sigma_min!, sigmaMax: config.sigma_max!, rho: config.rho! };

  test("noise, levels and output are the reference's", async () => {
    const { tensors } = await readGoldens(testdata(folder, "golden.safetensors"));
    const golden = tensors.get("noise")!.data as Float32Array;
    expect(difference(new RandomState(config.seed!).standardNormalFloat32(golden.length), golden)).toBeLessThan(1e-6);
    expect(difference(sampler.sigmas(options), tensors.get("sigmas")!.data)).toBeLessThan(1e-6);
    expect(difference(await sampler.sample(toy, golden, options), tensors.get("output")!.data)).toBeLessThan(1e-5);
  });

  test("the defaults are the reference's", () => {
    expect(sampler.sigmas()).toEqual(sampler.sigmas(options));
  });
});

test("guidance goes past the condition, away from its absence", async () => {
  expect(guide([1, 2], [0, 4], 7)).toEqual(Float32Array.of(8, -12));
  const one: Denoiser = (x) => new Float32Array(x.length).fill(1);
  expect(await guided(one, zero, 3)(new Float32Array(2), 1)).toEqual(Float32Array.of(4, 4));
  expect(guided(one, zero, 0)).toBe(one);
});

test("an unknown sampler is named with its alternatives", () => {
  expect(() => samplerNamed("toString")).toThrow(/res2ab, euler, unipc/);
});
