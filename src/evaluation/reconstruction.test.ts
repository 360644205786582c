/** Figures of a round trip that are summed up piece by piece are those of the whole. */
import { expect, test } from "vitest";
import { makeClip, sliceClip, type Clip } from "../video/index.ts";
import { psnr, reconstructionMeter, ssim, ssimPerFrame } from "./index.ts";

const noise = (frames: number, width: number, height: number, seed: number): Clip =>
  makeClip(Uint8Array.from({ length: frames * width * height * 3 }, (_, i) => (Math.imul(i + 1, 2_654_435_761) >>> (8 + seed)) % 256), width, height, 10);

test("windows add up to the whole video, frame by frame", () => {
  const [a, b] = [noise(7, 16, 9, 1), noise(7, 16, 9, 2)];
  b.frames.set(a.frames.subarray(0, 16 * 9 * 3));
  const meter = reconstructionMeter();
  for (const [first, last] of [[0, 2], [3, 5], [6, 6]] as const) meter.add(sliceClip(a, first, last), sliceClip(b, first, last));
  const { frames, perFrame, ...whole } = meter.result();
  expect(frames).toBe(7);
  expect(whole.psnr).toBe(psnr(a, b));
  expect(whole.ssim).toBeCloseTo(ssim(a, b), 12);
  expect(perFrame.map((f) => f.ssim)).toEqual([...ssimPerFrame(a, b)]);
  expect(perFrame.map((f) => f.psnr)).toEqual(Array.from({ length: 7 }, (_, t) => psnr(sliceClip(a, t, t), sliceClip(b, t, t))));
  expect(perFrame[0]!.psnr).toBeGreaterThan(150);
});

test("pictures too small for structural similarity have none", () => {
  const meter = reconstructionMeter();
  meter.add(noise(1, 6, 6, 1), noise(1, 6, 6, 2));
  expect(Object.keys(meter.result())).toEqual(["frames", "psnr", "perFrame"]);
});

test("pictures of different shapes are refused", () => {
  expect(() => reconstructionMeter().add(noise(2, 8, 8, 1), noise(1, 8, 8, 1))).toThrow(/same shape/);
});
