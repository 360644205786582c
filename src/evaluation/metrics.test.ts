import { describe, expect, it } from "vitest";
import { makeClip, type Clip } from "../video/index.ts";
import { psnr, ssim, ssimPerFrame } from "./metrics.ts";

// Made by a formula, so that the same arrays could be given to the reference programs.
const [width, height, frameCount] = [19, 13, 2];
const original = makeClip(
  Uint8Array.from({ length: frameCount * height * width * 3 }, (_, i) => {
    const [channel, x, y, t] = [i % 3, Math.floor(i / 3) % width, Math.floor(i / 3 / width) % height, Math.floor(i / 3 / width / height)];
    return (31 * t + 7 * y * y + 11 * x * (channel + 1) + x * y * channel) % 256;
  }),
  width, height, 10,
);
const changed: Clip = { ...original, frames: original.frames.map((byte, i) => Math.min(255, Math.floor((byte * 3 + (i % 23) * 2) / 4) + 20)) };

/** The definition, a window at a time. */
function slowSsim(a: Clip, b: Clip): number {
  const scores: number[] = [];
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [c1, c2] = [(0.01 * 255) ** 2, (0.03 * 255) ** 2];
  for (let t = 0; t < a.frameCount; t++) for (let channel = 0; channel < 3; channel++) for (let y = 3; y < a.height - 3; y++) for (let x = 3; x < a.width - 3; x++) {
    const look = (clip: Clip) => Array.from({ length: 49 }, (_, k) => clip.frames[((t * clip.height + y - 3 + Math.floor(k / 7)) * clip.width + x - 3 + (k % 7)) * 3 + channel]!);
    const [p, q] = [look(a), look(b)];
    const [mp, mq] = [mean(p), mean(q)];
    const spread = (u: number[], mu: number, v: number[], mv: number) => u.reduce((sum, value, i) => sum + (value - mu) * (v[i]! - mv), 0) / 48;
    scores.push(((2 * mp * mq + c1) * (2 * spread(p, mp, q, mq) + c2)) / ((mp ** 2 + mq ** 2 + c1) * (spread(p, mp, p, mp) + spread(q, mq, q, mq) + c2)));
  }
  return mean(scores);
}

describe("psnr", () => {
  it("is TokenBench's figure", () => {
    // metrics_cli.py's PSNR under numpy 2.4.6 (float32): 22.234158 and, for equal videos, 186.60461.
    expect(psnr(original, changed)).toBeCloseTo(22.234158, 4);
    expect(psnr(original, original)).toBeCloseTo(186.60461, 4);
  });

  it("takes the error over the whole video, not frame by frame", () => {
    const black = makeClip(new Uint8Array(2 * 3), 1, 1, 1);
    const half = { ...black, frames: Uint8Array.from([0, 0, 0, 255, 255, 255]) };
    expect(psnr(black, half)).toBeCloseTo(20 * Math.log10(Math.SQRT2), 5);
  });
});

describe("ssim", () => {
  it("is scikit-image's figure, frame by frame", () => {
    // skimage 0.26.0 structural_similarity(channel_axis=2, data_range=255).
    const [first, second] = ssimPerFrame(original, changed);
    expect(first).toBeCloseTo(0.9570443551638764, 12);
    expect(second).toBeCloseTo(0.9557986075691726, 12);
    expect(ssim(original, changed)).toBeCloseTo(slowSsim(original, changed), 12);
    expect(ssim(original, original)).toBe(1);
  });

  it("of two flat pictures is the brightness term alone", () => {
    const flat = (value: number) => makeClip(new Uint8Array(7 * 7 * 3).fill(value), 7, 7, 1);
    // (2 * 100 * 50 + 6.5025) / (100² + 50² + 6.5025)
    expect(ssim(flat(100), flat(50))).toBeCloseTo(10006.5025 / 12506.5025, 12);
  });

  it("refuses unequal shapes and pictures smaller than its window", () => {
    expect(() => psnr(original, { ...original, width: 13, height: 19 })).toThrow(/2 frames of 19 x 13/);
    const small = makeClip(new Uint8Array(6 * 8 * 3), 6, 8, 1);
    expect(() => ssim(small, small)).toThrow(/7 x 7/);
  });
});
