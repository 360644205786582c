import { describe, expect, it } from "vitest";
import { frameAt, fromTensor, makeClip, sliceClip, toTensor } from "./index.ts";

// Two frames of 2 x 1 pixels.
const clip = makeClip(Uint8Array.from([0, 51, 255, 102, 153, 204, 1, 2, 3, 4, 5, 6]), 2, 1, 10);

describe("clips", () => {
  it("become [1, 3, T, H, W] in -1..1", () => {
    const expected = [0, 102, 1, 4, 51, 153, 2, 5, 255, 204, 3, 6].map((byte) => Math.fround((2 * byte) / 255 - 1));
    expect(Array.from(toTensor(clip))).toEqual(expected);
  });

  it("come back exactly, for every byte", () => {
    const all = makeClip(Uint8Array.from({ length: 768 }, (_, i) => (i * 7) % 256), 16, 16, 10);
    expect(fromTensor(toTensor(all), [1, 3, 1, 16, 16], 10)).toEqual(all);
    expect(fromTensor(toTensor(clip), [1, 3, 2, 1, 2], 10)).toEqual(clip);
  });

  it("clamp, round half up, and refuse what is no number", () => {
    expect(Array.from(fromTensor(Float32Array.from([-3, 2, 0]), [1, 3, 1, 1, 1], 1).frames)).toEqual([0, 255, 128]);
    expect(() => fromTensor(Float32Array.from([0, NaN, 0]), [1, 3, 1, 1, 1], 1)).toThrow(expect.objectContaining({ code: "diverged" }));
    expect(() => fromTensor(new Float32Array(3), [3, 1, 1, 1], 1)).toThrow(/\[1, 3, T, H, W\]/);
  });

  it("are cut by inclusive frame ranges", () => {
    expect(sliceClip(clip, 1, 1)).toMatchObject({ frameCount: 1, frames: Uint8Array.from([1, 2, 3, 4, 5, 6]) });
    expect(frameAt(clip, 0).pixels).toEqual(Uint8Array.from([0, 51, 255, 102, 153, 204]));
    expect(() => sliceClip(clip, 1, 2)).toThrow(/frames 0 to 1/);
    expect(() => frameAt(clip, 2)).toThrow(/frames 0 to 1/);
    expect(() => makeClip(new Uint8Array(7), 2, 1, 10)).toThrow(/7 bytes/);
  });
});
