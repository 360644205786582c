/** Movements of a camera that are known, of things before one that stands, and of nothing. */
import { describe, expect, test } from "vitest";
import { scene, take, type SmallFrame, type View } from "../footage.cases.ts";
import { motionMeter } from "./meter.ts";
import { describeMotion, type ClipMotion } from "./tags.ts";

const fps = 24;
const world = scene(11);

function motionOf(frames: readonly SmallFrame[], rate = fps, aspect = 16 / 9): ClipMotion {
  const meter = motionMeter(aspect);
  return describeMotion(frames.flatMap((frame, i) => meter(frame, i, i / rate) ?? []));
}
const filmed = (at: (t: number) => View, count = 48): ClipMotion => motionOf(take(world, count, (i) => at(i / fps)));

describe("the camera", () => {
  // Speeds in widths (192 pixels) a second; to the right and up are positive.
  test.each([
    ["pan", "pan-right", (t: number) => ({ x: 180 + 0.2 * 192 * t }), { panPerS: 0.2 }],
    ["pan", "pan-left", (t: number) => ({ x: 300 - 0.1 * 192 * t }), { panPerS: -0.1 }],
    ["tilt", "tilt-up", (t: number) => ({ y: 180 - 0.15 * 192 * t }), { tiltPerS: 0.15 }],
    ["zoom/dolly", "zoom/dolly-in", (t: number) => ({ zoom: 1.1 ** t }), { zoomPerS: Math.log(1.1) }],
    ["zoom/dolly", "zoom/dolly-out", (t: number) => ({ zoom: 1.2 * 0.9 ** t }), { zoomPerS: Math.log(0.9) }],
    ["roll", "roll-clockwise", (t: number) => ({ roll: 0.2 * t }), { rollPerS: 0.2 }],
    ["roll", "roll-counterclockwise", (t: number) => ({ roll: -0.1 * t }), { rollPerS: -0.1 }],
  ] as const)("%s, %s, at the speed that it has", (tag, direction, at, speeds) => {
    const motion = filmed(at);
    expect(motion.tag).toBe(tag);
    expect(motion.directions[0]).toBe(direction);
    for (const [name, value] of Object.entries(speeds)) {
      const found = motion[name as keyof typeof speeds] as number;
      expect(Math.abs(found - value) / Math.abs(value), `${name} ${found}`).toBeLessThan(0.3);
    }
    expect(motion.agreement).toBeGreaterThan(0.7);
  });

  test("a tripod is static, a hand is handheld, running is shaky", () => {
    expect(filmed(() => ({}))).toMatchObject({ tag: "static", directions: [], cameraSpeed: 0 });
    const sway = (size: number) => (t: number) => ({ x: 240 + size * Math.sin(9 * t), y: 150 + size * Math.sin(7 * t + 1) });
    expect(filmed(sway(1.2)).tag).toBe("handheld");
    expect(filmed(sway(9)).tag).toBe("shaky");
  });

  test("a pan by hand is a pan", () => {
    expect(filmed((t) => ({ x: 170 + 40 * t + 1.5 * Math.sin(11 * t), y: 150 + 1.5 * Math.sin(8 * t) })).tag).toBe("pan");
  });

  test("speed does not depend on the rate of frames", () => {
    const at = (rate: number): number => motionOf(take(world, 2 * rate, (i) => ({ x: 180 + (0.2 * 192 * i) / rate })), rate).panPerS;
    expect(at(60)).toBeCloseTo(at(15), 1);
  });

  test("nothing to see, or a single frame, is undetermined", () => {
    expect(motionOf(Array.from({ length: 24 }, () => new Uint8Array(192 * 108 * 3).fill(128))).tag).toBe("undetermined");
    expect(motionOf([take(world, 1)[0]!]).tag).toBe("undetermined");
  });
});

describe("things", () => {
  /** A textured thing that crosses the picture at `speed` widths a second; `size` is its share of the width. */
  const crossing = (speed: number, size: number, background: SmallFrame[], from = 0): SmallFrame[] => {
    const thing = take(scene(12), 1)[0]!;
    return background.map((frame, i) => {
      const out = frame.slice();
      const left = Math.round(-size * 192 + speed * 192 * (i / fps - from));
      for (let y = 15; y < 95; y++)
        for (let x = Math.max(0, left); x < Math.min(192, left + size * 192); x++)
          for (let c = 0; c < 3; c++) out[(y * 192 + x) * 3 + c] = thing[(y * 192 + x - left) * 3 + c]!;
      return out;
    });
  };

  test("a large thing that crosses leaves the camera static, and is seen", () => {
    const motion = motionOf(crossing(0.5, 0.45, take(world, 48)));
    expect(motion.tag).toBe("static");
    expect(motion.objectSpeed).toBeGreaterThan(0.03);
  });

  test("over ground of faint texture as well", () => {
    const asphalt = scene(13, 0.15);
    expect(motionOf(crossing(0.5, 0.45, take(asphalt, 48, undefined, 0.5))).tag).toBe("static");
  });

  test("one that crosses a long empty scene shows in the peak", () => {
    const motion = motionOf(crossing(0.8, 0.3, take(world, 192), 6.5));
    expect(motion.objectPeak).toBeGreaterThan(4 * motion.objectSpeed);
    expect(motion.tag).toBe("static");
  });
});
