import { createHash } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { decodeMask, encodeMask, openLaboratory, objectColours, scenarioNames, splits, type LabClip, type Laboratory, type ScenarioName } from "./index.ts";
import { makeDraw } from "./draw.ts";
import { seedOf } from "./laboratory.ts";
import { makeScene } from "./scenarios/index.ts";
import { object as makeObject } from "./scenarios/parts.ts";
import { simulate, stateAt } from "./simulate.ts";

let lab: Laboratory;
const clips = new Map<string, LabClip>();
const clip = (scenario: ScenarioName, index: number): LabClip => {
  const key = `${scenario} ${index}`;
  if (!clips.has(key)) clips.set(key, lab.render({ scenario, split: "train", index }));
  return clips.get(key)!;
};
const some = (scenario: ScenarioName, count = 6) => Array.from({ length: count }, (_, i) => clip(scenario, i));
/** Where only the motion counts, few pixels do. */
const moved = (scenario: ScenarioName, count: number) => Array.from({ length: count }, (_, index) => lab.render({ scenario, split: "train", index }, { width: 16, height: 16 }));

beforeAll(async () => {
  lab = await openLaboratory();
});

describe("the same everywhere", () => {
  // Whoever changes scenes, motion or paint changes these on purpose, and raises labVersion.
  const goldens: Record<ScenarioName, string> = {
    fall: "66943167051243ea",
    ramp: "0b55165ed2946ee7",
    collision: "7cebad6b659fdd29",
    stack: "c3ee9b6f8c77399a",
    pendulum: "1a9dc5754fc25988",
    projectile: "03c7e6ab5f09b3ab",
    domino: "b3ef4d18ad8a2184",
    occlusion: "3cad87e441f1f535",
    slide: "c50dff9f3206497c",
    pusher: "ca859463e06c4771",
    gripper: "2bb631f8959380ec",
  };
  it.each(scenarioNames)("%s: frames and truth are those of the golden digest", (scenario) => {
    const { frames, truth } = clip(scenario, 1);
    const digest = createHash("sha256").update(frames).update(JSON.stringify(truth)).digest("hex").slice(0, 16);
    expect(digest).toBe(goldens[scenario]);
  });

  it("gives a moving camera its golden digest too", () => {
    const { frames } = lab.render({ scenario: "collision", split: "val", index: 3 }, { width: 48, height: 32, frames: 9, camera: "orbit" });
    expect(createHash("sha256").update(frames).digest("hex").slice(0, 16)).toBe("f0eb389b66086af8");
  });

  it("splits never share a seed, and another index is another clip", () => {
    const ranges = Object.values(splits).map(({ first, count }) => [first, first + count] as const);
    ranges.forEach(([, end], i) => ranges.slice(i + 1).forEach(([first]) => expect(end).toBeLessThanOrEqual(first)));
    expect(seedOf({ scenario: "fall", split: "test", index: 5 })).toBe(2 ** 30 + 2 ** 29 + 5);
    expect(lab.render({ scenario: "fall", split: "val", index: 0 }).frames).not.toEqual(clip("fall", 0).frames);
    expect(() => seedOf({ scenario: "fall", split: "val", index: 2 ** 29 })).toThrow(/has 0 to/);
  });
});

describe("physics", () => {
  it("energy of what moves freely never grows", () => {
    for (const scenario of ["fall", "ramp", "collision", "stack", "pendulum", "projectile", "domino", "occlusion", "slide"] as const) {
      for (const { truth } of moved(scenario, 3)) {
        truth.energy.forEach((energy, t) => t > 0 && expect(energy, `${scenario} frame ${t}`).toBeLessThan(truth.energy[t - 1]! * 1.01 + 0.02));
      }
    }
  });

  it("a free fall is g t² / 2", () => {
    const { track } = clip("fall", 0).truth.objects[0]!;
    const [first, later] = [track[0]!, track[4]!];
    const t = 0.4;
    expect(first.position[1] - later.position[1]).toBeCloseTo(9.81 * t * t / 2 - first.velocity[1] * t, 1);
  });

  it("balls that meet in empty space keep the sum of their momenta, and lose energy as their material says", () => {
    const scene = makeScene("collision", makeDraw(1), 1.6, "static");
    const ball = (x: number, speed: number, radius: number) => makeObject({ noun: "ball", shape: { kind: "ball", radius }, colour: "red", position: [x, 30, 0], velocity: [speed, 0, 0], material: { density: 700, restitution: 0.5, friction: 0 }, linearDamping: 0, angularDamping: 0 });
    const trajectory = simulate({ ...scene, gravity: 0, bodies: [ball(-1, 2, 0.3), ball(1, -1, 0.4)], tethers: [], drives: [], grips: [] }, 17, 10);
    const speeds = (step: number) => [0, 1].map((body) => stateAt(trajectory, step, body).velocity[0]);
    const momentum = (step: number) => speeds(step).reduce((sum, speed, i) => sum + speed * trajectory.masses[i]!, 0);
    const last = 16 * trajectory.stepsPerFrame;
    expect(trajectory.contacts).toHaveLength(1);
    expect(momentum(last)).toBeCloseTo(momentum(0), 2);
    expect(speeds(last)[1]! - speeds(last)[0]!).toBeCloseTo(0.5 * 3, 1);
    expect(trajectory.masses[0]).toBeCloseTo(700 * (4 / 3) * Math.PI * 0.027, 0);
  });

  it("contacts agree with the tracks: balls that begin to touch are a diameter apart", () => {
    let tried = 0;
    for (const { truth } of moved("collision", 20)) {
      for (const { a, b, startFrame, impact } of truth.contacts) {
        const [one, other] = [truth.objects[a as number], truth.objects[b as number]];
        if (one?.shape.kind !== "ball" || other?.shape.kind !== "ball" || impact < 0.5) continue;
        const gap = (frame: number) => Math.hypot(...one.track[frame]!.position.map((x, i) => x - other.track[frame]!.position[i]!)) - (one.shape as { radius: number }).radius - (other.shape as { radius: number }).radius;
        expect(gap(startFrame - 1)).toBeGreaterThan(-0.01);
        expect(Math.min(gap(startFrame - 1), gap(startFrame))).toBeLessThan(0.45);
        tried += 1;
      }
    }
    expect(tried).toBeGreaterThan(3);
  });

  it("the gripper's object follows the hand while it is held, and the actions add up to the hand's way", () => {
    const { truth } = clip("gripper", 1);
    const hand = truth.objects.find((object) => object.noun === "gripper")!;
    const way = truth.actions!.reduce((sum, { move }) => sum + move[1], 0);
    expect(way).toBeCloseTo(hand.track.at(-1)!.position[1] - hand.track[0]!.position[1], 3);
    const held = truth.actions!.filter(({ grip }) => grip === 1).map(({ frame }) => frame + 1);
    const offsets = held.map((frame) => hand.track[frame]!.position[1] - truth.objects[0]!.track[frame]!.position[1]);
    expect(held.length).toBeGreaterThan(5);
    expect(Math.max(...offsets) - Math.min(...offsets)).toBeLessThan(0.05);
    expect(truth.objects[0]!.track.at(-1)!.position[1]).toBeGreaterThan(truth.objects[0]!.track[0]!.position[1] + 0.3);
  });
});

describe("what the truth says is what the picture shows", () => {
  it("masks lie on pixels of the object's colour", () => {
    for (const scenario of ["fall", "collision", "slide"] as const) {
      for (const { frames, truth, width, height } of some(scenario, 3)) {
        for (const object of truth.objects.filter(({ role }) => role === "object")) {
          const mask = decodeMask(object.masks![0]!);
          const [r, g, b] = objectColours[object.colour as keyof typeof objectColours];
          let [near, count] = [0, 0];
          for (let i = 0; i < width * height; i++) {
            if (!mask[i]) continue;
            count += 1;
            // The same order of channels, whatever the light: hue without its strength.
            const [x, y, z] = [frames[i * 3]!, frames[i * 3 + 1]!, frames[i * 3 + 2]!];
            const [p, q] = [x + y + z + 1, r + g + b + 1];
            if (Math.abs(x / p - r / q) + Math.abs(y / p - g / q) + Math.abs(z / p - b / q) < 0.35) near += 1;
          }
          expect(count).toBeGreaterThan(20);
          expect(near / count, `${scenario} ${object.name}`).toBeGreaterThan(0.65);
        }
      }
    }
  });

  it("boxes hold the masks, and a mask is as large as its visibility says", () => {
    for (const { truth, width } of some("occlusion")) {
      for (const { track, masks, role } of truth.objects) {
        if (role !== "object") continue;
        track.forEach(({ box, wholeBox, visibility }, t) => {
          const mask = decodeMask(masks![t]!);
          const inside = [...mask.keys()].filter((i) => mask[i]);
          if (visibility === 0) return expect(inside).toEqual([]);
          for (const i of inside) expect([i % width >= box![0], Math.floor(i / width) >= box![1], i % width <= box![2], Math.floor(i / width) <= box![3]]).toEqual([true, true, true, true]);
          expect(wholeBox![0] <= box![0] && wholeBox![2] >= box![2]).toBe(true);
          const area = (wholeBox![2] - wholeBox![0] + 1) * (wholeBox![3] - wholeBox![1] + 1);
          expect(inside.length).toBeLessThanOrEqual(area * Math.max(visibility, 0.02) * 1.7 + 6);
        });
      }
    }
  });

  it("what the wall hides is behind it, and comes out where it would be", () => {
    const passing = moved("occlusion", 10).filter(({ truth }) => truth.events.some(({ kind }) => kind === "reappears"));
    expect(passing.length).toBeGreaterThan(2);
    for (const { truth } of passing) {
      const { subject, frame } = truth.events.find(({ kind }) => kind === "hides")!;
      const wall = truth.objects.find(({ noun }) => noun === "wall")!;
      const { track } = truth.objects[subject as number]!;
      expect(track[frame]!.visibility).toBeLessThan(0.1);
      expect(track[frame]!.depth).toBeGreaterThan(wall.track[frame]!.depth);
      const [left, , right] = wall.track[frame]!.wholeBox!;
      expect(track[frame]!.centre[0]).toBeGreaterThan(left);
      expect(track[frame]!.centre[0]).toBeLessThan(right + 1);
    }
  });

  it("a caption names every object that can be seen and none that cannot", () => {
    for (const scenario of scenarioNames.filter((name) => name !== "domino")) {
      for (const { truth, caption } of some(scenario, 3)) {
        for (const { name, role, track } of truth.objects) {
          if (role !== "object") continue;
          const shows = track.some(({ visibility }) => visibility > 0.1);
          expect(caption.toLowerCase().includes(name), `${caption} / ${name}`).toBe(shows);
        }
        expect(caption).toContain(truth.room.floor.colour);
      }
    }
  });

  it("the camera's matrices project positions to the recorded centres", () => {
    const { truth } = lab.render({ scenario: "fall", split: "train", index: 2 }, { camera: "orbit", width: 96, height: 64 });
    truth.camera.forEach(({ eye, rotation, focal, principal }, t) => {
      const { position, centre, depth } = truth.objects[0]!.track[t]!;
      const seen = rotation.map((row) => row.reduce((sum, x, i) => sum + x * (position[i]! - eye[i]!), 0));
      expect(seen[2]).toBeCloseTo(depth, 2);
      expect(principal[0] + (focal * seen[0]!) / seen[2]!).toBeCloseTo(centre[0], 1);
      expect(principal[1] + (focal * seen[1]!) / seen[2]!).toBeCloseTo(centre[1], 1);
    });
    expect(truth.camera[0]!.eye).not.toEqual(truth.camera.at(-1)!.eye);
  });
});

describe("any size, length and rate", () => {
  it.each([{ width: 33, height: 17, frames: 3, fps: 24 }, { width: 160, height: 90, frames: 2, fps: 7.5 }, { width: 16, height: 40, frames: 1, fps: 240 }])("%o", (options) => {
    const { frames, frameCount, truth } = lab.render({ scenario: "ramp", split: "test", index: 1 }, options);
    expect(frames).toHaveLength(options.width * options.height * 3 * options.frames);
    expect([frameCount, truth.frameCount, truth.camera.length, truth.objects[0]!.track.length]).toEqual(Array(4).fill(options.frames));
  });

  it.each([[{ width: 8 }, /width 8/], [{ fps: 0 }, /fps 0/], [{ frames: 1.5 }, /frames 1.5/], [{ camera: "up" as never }, /camera "up"/], [{ width: 4096, height: 4096, frames: 100 }, /in memory/]])("refuses %o", (options, message) => {
    expect(() => lab.render({ scenario: "fall", split: "train", index: 0 }, options)).toThrow(message);
  });
});

describe("masks as COCO writes them", () => {
  it("agree with pycocotools", () => {
    // pycocotools 2.0.11: mask.encode(np.asfortranarray(m))["counts"], for 4 rows of 5 with the given ones.
    const ids = Uint8Array.from([0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 1]);
    expect(encodeMask(ids, 5, 4, 1)).toEqual({ size: [4, 5], counts: "431O70" });
  });

  it("survive the way there and back, also where runs are long", () => {
    const ids = Uint8Array.from({ length: 70 * 90 }, (_, i) => ((i * 7919) % 977 < 400 || i < 3000 ? 3 : 0));
    const mask = encodeMask(ids, 90, 70, 3);
    expect(createHash("sha256").update(mask.counts).digest("hex").slice(0, 16)).toBe("30d1c315193aa86c"); // pycocotools', too
    expect(decodeMask(mask)).toEqual(ids.map((id) => (id === 3 ? 1 : 0)));
  });
});
