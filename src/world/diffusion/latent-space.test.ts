/** Latents as the network sees them: what a change is counted from, and that the way back leads to where one came from. */
import { expect, test } from "vitest";
import { changeMeter, fromNetwork, tempered, toNetwork, type LatentSpace } from "./latent-space.ts";

const shape = [1, 2, 3, 1, 2];
const coded = Float32Array.from([1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60]);
const space: LatentSpace = { sigmaData: 0.5, latents: { mean: [1, 10], std: [2, 20] }, change: { std: [4, 40] } };
const given = { latentFrames: 1, anchor: Float32Array.from([1, 0, 10, 0]) };

test("given frames are standardised, the others are changes against the anchor", () => {
  expect([...toNetwork(coded, shape, given, space)]).toEqual([0, 0.25, 0.25, 0.5, 0.5, 0.75, 0, 0.25, 0.25, 0.5, 0.5, 0.75]);
});

test("no change is the anchor itself", () => {
  const still = toNetwork(coded, shape, given, space);
  for (const c of [0, 1]) still.fill(0, c * 6 + 2, c * 6 + 6);
  expect([...fromNetwork(still, shape, given, space)]).toEqual([1, 2, 1, 0, 1, 0, 10, 20, 10, 0, 10, 0]);
});

test.each([
  ["changes", given, space],
  ["latents, where nothing is given", { latentFrames: 0 }, space],
  ["latents, where no change is predicted", given, { ...space, change: undefined }],
  ["latents as they are", given, { sigmaData: 1 }],
] as const)("there and back: %s", (_, stated, how) => {
  fromNetwork(toNetwork(coded, shape, stated, how), shape, stated, how).forEach((v, i) => expect(v).toBeCloseTo(coded[i]!, 4));
});

test("the deviation of changes is that around no change", () => {
  const meter = changeMeter();
  meter.add(coded, shape, given);
  const [first] = meter.result().std;
  expect(first).toBeCloseTo(Math.sqrt((2 ** 2 + 4 ** 2 + 4 ** 2 + 6 ** 2) / 4), 6);
});

test("whitening 1 keeps deviations, 0 makes them one with the same energy", () => {
  expect(tempered([3, 4], 1)).toEqual([3, 4]);
  const [a, b] = tempered([3, 4], 0);
  expect(a).toBeCloseTo(Math.sqrt(12.5), 9);
  expect(b).toBe(a);
});
