/** EDM and rectified flow: numbers against graphs, and both against what defines them. */
import { describe, expect, test } from "vitest";
import { constant, evaluateGraph, mul, type Tensor } from "../../tensor/index.ts";
import { RandomState } from "../../tensor/random.ts";
import { addNoise, denoise, drawSigma, edmLoss, edmScaling, edmScalingOf, flowScaling, flowScalingOf, lossWeight, lossWeightOf } from "./edm.ts";
import { drawTime, flowDenoise, flowLoss, interpolate, shiftTime, velocity } from "./flow.ts";

const value = (t: Tensor): number[] => [...evaluateGraph([t])[0]!.data];
const close = (got: number[], want: readonly number[], digits = 5): void => {
  expect(got).toHaveLength(want.length);
  want.forEach((w, i) => expect(got[i]).toBeCloseTo(w, digits));
};

const shape = [2, 2, 3, 1, 2];
const random = new RandomState(9);
const latent = (): Tensor => constant(random.standardNormalFloat32(24), shape);
const sigmas = [0.002, 0.3, 1, 7, 80];

describe("preconditioning", () => {
  test.each([["edm", edmScaling, edmScalingOf], ["flow", flowScaling, flowScalingOf]] as const)("%s: graphs give the numbers", (_, one, many) => {
    const all = many(constant(sigmas));
    for (const part of ["skip", "out", "in", "noise"] as const) close(value(all[part]), sigmas.map((s) => one(s)[part]));
  });

  test("the network's input and target have unit variance", () => {
    for (const s of sigmas) {
      const { skip, out, in: scale } = edmScaling(s);
      expect(scale ** 2 * (0.25 + s * s)).toBeCloseTo(1, 12);
      // Target: (x0 - skip (x0 + s n)) / out.
      expect(((1 - skip) ** 2 * 0.25 + (skip * s) ** 2) / out ** 2).toBeCloseTo(1, 12);
      expect(lossWeight(s) * out ** 2).toBeCloseTo(1, 12);
    }
    close(value(lossWeightOf(constant(sigmas.slice(1)))), sigmas.slice(1).map((s) => lossWeight(s)));
  });

  test.each([[[2]], [[2, 1, 3, 1, 1]]])("a network that knows the data gives it back, with levels %j", (levels) => {
    const [x0, noise] = [latent(), latent()];
    const sigma = constant(Float32Array.from({ length: levels.reduce((a, b) => a * b) }, (_, i) => 0.2 + i), levels);
    const x = addNoise(x0, noise, sigma);
    let told: Tensor | undefined;
    const got = denoise((scaled, level) => ((told = level), mul(scaled, 0)), x, sigma);
    expect(told!.shape).toEqual(levels);
    const per = 24 / levels.reduce((a, b) => a * b);
    const level = (i: number): number => 0.2 + (levels.length === 1 ? Math.floor(i / per) : Math.floor(i / 12) * 3 + (Math.floor(i / 2) % 3));
    close(value(got), value(x).map((v, i) => edmScaling(level(i)).skip * v));
    // 2.0: answering with the velocity noise - x0 is answering with the data.
    close(value(denoise(() => velocity(x0, noise), x, sigma, flowScalingOf)), value(x0), 4);
  });

  test("the loss weighs squares by level", () => {
    const [x0, estimate] = [latent(), latent()];
    const s = [0.4, 3];
    const [a, b] = [value(x0), value(estimate)];
    const expected = a.reduce((t, v, i) => t + (v - b[i]!) ** 2 * lossWeight(s[Math.floor(i / 12)]!), 0) / 24;
    close(value(edmLoss(estimate, x0, constant(s))), [expected], 4);
  });
});

test("training levels are log-normal, and rise with the root of the frames", () => {
  const draws = Array.from({ length: 4000 }, () => Math.log(drawSigma(random)));
  const mean = draws.reduce((a, b) => a + b) / draws.length;
  expect(mean).toBeCloseTo(-1.2, 1);
  expect(Math.sqrt(draws.reduce((a, b) => a + (b - mean) ** 2, 0) / draws.length)).toBeCloseTo(1.2, 1);
  expect(drawSigma(new RandomState(1), { frames: 9 })).toBe(3 * drawSigma(new RandomState(1)));
});

describe("rectified flow", () => {
  test("a path from data to noise, and the data from a velocity", () => {
    const [x0, noise] = [latent(), latent()];
    close(value(interpolate(x0, noise, constant([0, 1]))), [...value(x0).slice(0, 12), ...value(noise).slice(12)]);
    const time = constant([0.3, 0.9]);
    close(value(flowDenoise(() => velocity(x0, noise), interpolate(x0, noise, time), time)), value(x0));
    close(value(flowLoss(velocity(x0, noise), x0, noise)), [0]);
  });

  test("shifted times stay in order and in range", () => {
    expect([0, 0.5, 1].map((t) => shiftTime(t, 5))).toEqual([0, 2.5 / 3, 1]);
    const draws = Array.from({ length: 500 }, (_, i) => drawTime(random, { distribution: i % 2 ? "uniform" : "logitnormal" }));
    expect(draws.every((t) => t >= 0 && t < 1)).toBe(true);
    expect(draws.reduce((a, b) => a + b) / 500).toBeGreaterThan(0.65);
  });
});
