/** Given frames, by hand: what the network is asked, what stands in the answer, and what the loss looks at. */
import { describe, expect, test } from "vitest";
import { evaluateGraph, grad, input, mul, sum, type Tensor } from "../../tensor/index.ts";
import { conditionedDenoise, conditionedLoss, noised, weightOf, type ConditionedNetwork, type Conditioning } from "./conditioning.ts";

const shape = [1, 1, 3, 1, 1];
const x = input("x", shape);
const given = input("given", shape);
const indicator = input("indicator", shape);
const level = input("level", [1]);
const values = new Map<Tensor, number[]>([[x, [5, 6, 7]], [given, [1, 100, 100]], [indicator, [1, 0, 0]], [level, [3]]]);
const evaluate = (...outputs: Tensor[]): number[][] =>
  evaluateGraph(outputs, Object.fromEntries([...values].map(([t, v]) => [t.attrs["name"] as string, { shape: t.shape, data: Float64Array.from(v) }]))).map((a) => [...a.data]);

const how = (formulation: Conditioning["formulation"]): Conditioning => ({ formulation, sigmaData: formulation === "edm" ? 0.5 : 1, conditionSigma: formulation === "edm" ? 0.001 : 1e-4 });

describe.each(["edm", "edm-velocity", "flow", "edm-x0"] as const)("%s", (formulation) => {
  const sigma = formulation === "flow" ? 0.75 : 3;
  const asked: Record<string, Tensor> = {};
  const network: ConditionedNetwork = (question) => (Object.assign(asked, question), mul(question.scaled, 2));
  const estimate = conditionedDenoise(network, x, level, { given, indicator }, how(formulation));

  test("given frames enter clean and stand as given; the others are preconditioned", () => {
    values.set(level, [sigma]);
    const [answer, scaled, timestep, mask] = evaluate(estimate, asked["scaled"]!, asked["timestep"]!, asked["mask"]!) as [number[], number[], number[], number[]];
    expect(mask).toEqual([1, 0, 0]);
    expect(answer[0]).toBe(1);
    const time = sigma / (1 + sigma);
    const total = Math.sqrt(sigma ** 2 + 0.25);
    const expected = {
      edm: { clean: 1 / Math.sqrt(0.001 ** 2 + 0.25), in: 1 / total, skip: 0.25 / total ** 2, out: (sigma * 0.5) / total, times: [0.25 * Math.log(sigma)] },
      "edm-velocity": { clean: 1, in: 1 - time, skip: 1 - time, out: -time, times: [1e-4 / (1 + 1e-4), time, time] },
      flow: { clean: 1, in: 1, skip: 1, out: -sigma, times: [1e-4, sigma, sigma] },
      "edm-x0": { clean: 1, in: 1 - time, skip: 0, out: 1, times: [1e-4 / (1 + 1e-4), time, time] },
    }[formulation];
    expect(scaled).toEqual([expect.closeTo(expected.clean, 5), expect.closeTo(6 * expected.in, 5), expect.closeTo(7 * expected.in, 5)]);
    expect(timestep).toEqual(expected.times.map((t) => expect.closeTo(t, 6)));
    expect(answer[1]).toBeCloseTo(6 * expected.skip + expected.out * 2 * 6 * expected.in, 4);
  });

  test("the loss is the mean weighted error of the frames to predict, and has no gradient through given ones", () => {
    values.set(level, [sigma]);
    const target = input("x0", shape);
    values.set(target, [0, 2, 3]);
    const loss = conditionedLoss(estimate, target, level, indicator, how(formulation));
    const [value, answer, weight, slope] = evaluate(loss, estimate, weightOf(formulation, level, how(formulation).sigmaData), grad(loss, [x])[0]!) as [number[], number[], number[], number[]];
    expect(value[0]).toBeCloseTo((weight[0]! * ((answer[1]! - 2) ** 2 + (answer[2]! - 3) ** 2)) / 2, 4);
    expect(slope[0]).toBe(0);
    expect(slope[1]).not.toBe(0);
    // The weight makes a unit error of the network's own answer count one; where that is x0, a unit error of the velocity.
    const own = formulation === "edm-x0" ? (1 + sigma) / sigma : 1;
    const unit = conditionedDenoise(({ scaled }) => scaled, x, level, { given, indicator }, how(formulation));
    const other = conditionedDenoise(({ scaled }) => mul(scaled, 1.5), x, level, { given, indicator }, how(formulation));
    const [a, b, s] = evaluate(unit, other, asked["scaled"]!) as [number[], number[], number[]];
    expect(weight[0]! * (a[1]! - b[1]!) ** 2).toBeCloseTo((0.5 * s[1]! * own) ** 2, 4);
  });
});

test("next to no noise, an error of x0 does not weigh more and more", () => {
  values.set(level, [0.01]);
  const [near] = evaluate(weightOf("edm-x0", level, 1)) as [number[]];
  expect(near[0]).toBeCloseTo(25, 4);
});

test("noise is added, or mixed in where levels are times", () => {
  values.set(level, [0.25]);
  const [added, mixed] = evaluate(noised("edm", x, given, level), noised("flow", x, given, level)) as [number[], number[]];
  expect(added).toEqual([5.25, 31, 32]);
  expect(mixed).toEqual([0.75 * 5 + 0.25, 0.75 * 6 + 25, 0.75 * 7 + 25]);
  expect(evaluate(sum(x))[0]).toEqual([18]);
});
