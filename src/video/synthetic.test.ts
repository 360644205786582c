import { afterAll, describe, expect, it } from "vitest";
import { frameAt, makeDemoClip, readClip, renderDemoClip } from "./index.ts";
import { advance, type Ball, type Room } from "./synthetic.ts";
import { makeScratch } from "./test-clips.cases.ts";

const scratch = makeScratch();
afterAll(() => scratch.remove());

const room: Room = { halfWidth: 2, height: 40, depth: 4 };
const ball = (change: Partial<Ball>): Ball => ({ position: [0, 1, 2], velocity: [0, 0, 0], spin: [0, 0, 0], radius: 0.2, axes: [[1, 0, 0], [0, 1, 0], [0, 0, 1]], paint: 0, ...change });
const run = (balls: Ball[], seconds: number) => {
  for (let i = 0; i < seconds * 1000; i++) advance(balls, room, 0.001);
};

describe("the laws of the room", () => {
  it("free fall follows g t² / 2", () => {
    const falling = ball({ position: [0, 20, 2] });
    run([falling], 1);
    expect(20 - falling.position[1]).toBeCloseTo(9.81 / 2, 1);
  });

  it("balls exchange momentum and keep its sum", () => {
    const [a, b] = [ball({ position: [-0.5, 20, 2], velocity: [3, 0, 0], radius: 0.3 }), ball({ position: [0.5, 20, 2] })];
    const momentum = () => a.velocity[0] * a.radius ** 3 + b.velocity[0] * b.radius ** 3;
    const before = momentum();
    run([a, b], 0.25);
    expect(b.velocity[0]).toBeGreaterThan(2);
    expect(momentum()).toBeCloseTo(before, 10);
  });

  it("a sliding ball ends by rolling: spin times radius is its speed", () => {
    const sliding = ball({ position: [-1.7, 0.2, 2], velocity: [2.4, 0, 0] });
    run([sliding], 0.9);
    expect(-sliding.spin[2] * sliding.radius).toBeCloseTo(sliding.velocity[0], 2);
    expect(sliding.velocity[0]).toBeCloseTo((5 / 7) * 2.4, 1);
  });

  it("nothing gains energy or leaves", () => {
    const balls = [ball({ velocity: [5, 2, 1] }), ball({ position: [1, 2, 1], velocity: [-3, 1, 2], radius: 0.3 })];
    const energy = () => balls.reduce((sum, { radius, velocity: [x, y, z], position, spin: [p, q, r] }) => sum + radius ** 3 * ((x * x + y * y + z * z) / 2 + 9.81 * position[1] + 0.2 * radius ** 2 * (p * p + q * q + r * r)), 0);
    let before = energy();
    for (let i = 0; i < 40; i++) {
      run(balls, 0.1);
      expect(energy()).toBeLessThan(before * 1.01);
      before = energy();
      for (const { position: [x, y, z], radius } of balls) expect([Math.abs(x) + radius <= 2.01, y >= radius - 0.01, z >= radius - 0.01, z + radius <= 4.01]).toEqual([true, true, true, true]);
    }
  });
});

describe("demo footage", () => {
  it("is the same for the same seed, other for another, and moves", () => {
    const options = { width: 48, height: 32, frames: 4 };
    const clip = renderDemoClip({ ...options, seed: 3 });
    expect(clip).toEqual(renderDemoClip({ ...options, seed: 3 }));
    expect(clip.frames).not.toEqual(renderDemoClip({ ...options, seed: 4 }).frames);
    expect(frameAt(clip, 0).pixels).not.toEqual(frameAt(clip, 1).pixels);
    // A textured picture, neither black nor burnt out.
    const mean = clip.frames.reduce((sum, byte) => sum + byte, 0) / clip.frames.length;
    expect(mean).toBeGreaterThan(70);
    expect(mean).toBeLessThan(190);
  });

  it("is written as a file, and refuses impossible sizes", async () => {
    await makeDemoClip(scratch.path("demo.mp4"), { width: 48, height: 32, frames: 5, fps: 15 });
    expect(await readClip(scratch.path("demo.mp4"))).toMatchObject({ width: 48, height: 32, frameCount: 5, fps: 15 });
    await expect(makeDemoClip(scratch.path("x.mp4"), { width: 8 })).rejects.toMatchObject({ code: "bad_argument" });
    expect(scratch.names()).toEqual(["demo.mp4"]);
  });
});
