/** Films a trajectory: places the solids of a scene at each frame, follows with the camera, and paints. */
import { mix, scale, subtract, length, unit, type Vector } from "../../video/vector.ts";
import { makeClip, type Clip } from "../../video/clip.ts";
import { cameraPose, type CameraPose } from "../camera.ts";
import { noRotation, type Quaternion } from "../exact-math.ts";
import { albedo } from "../palette.ts";
import type { Body, Scene } from "../scene.ts";
import { stateAt, type Trajectory } from "../simulate.ts";
import { makePainter, type Sighting } from "./painter.ts";
import { makeSolid, placeSolid, type Paint, type Solid } from "./solid.ts";

export interface Film {
  clip: Clip;
  poses: CameraPose[];
  /** `[frame][body]`: what is seen of each body of the scene. */
  sightings: Sighting[][];
  /** `[T, H, W]`: 0, or 1 + the body that fills most of a pixel. */
  ids: Uint8Array;
}

export function film(scene: Scene, trajectory: Trajectory, width: number, height: number): Film {
  const { frameCount, fps } = trajectory;
  const isStill = (body: Body) => body.role === "fixture";
  const order = [...scene.bodies.keys()].sort((a, b) => Number(isStill(scene.bodies[b]!)) - Number(isStill(scene.bodies[a]!)) || a - b);
  const solids = scene.bodies.map((body) => {
    const solid = makeSolid(body.shape, paintOf(body));
    placeSolid(solid, body.position, body.rotation);
    return solid;
  });
  const ropes = scene.tethers.map(({ body, pivot }) => ({ body, pivot, solid: ropeSolid(scene.bodies[body]!.position, pivot) }));
  const still = order.filter((i) => isStill(scene.bodies[i]!)).map((i) => solids[i]!);
  const moving = [...order.filter((i) => !isStill(scene.bodies[i]!)).map((i) => solids[i]!), ...ropes.map((rope) => rope.solid)];
  const painter = makePainter(scene.room, scene.light, still, moving, width, height);

  const area = width * height;
  const frames = new Uint8Array(frameCount * area * 3);
  const ids = new Uint8Array(frameCount * area);
  const poses: CameraPose[] = [];
  const sightings: Sighting[][] = [];
  for (let t = 0; t < frameCount; t++) {
    scene.bodies.forEach((body, i) => {
      if (isStill(body)) return;
      const { position, rotation } = stateAt(trajectory, t * trajectory.stepsPerFrame, i);
      placeSolid(solids[i]!, position, rotation);
    });
    for (const { body, pivot, solid } of ropes) placeRope(solid, stateAt(trajectory, t * trajectory.stepsPerFrame, body).position, pivot);
    // A film that stands still keeps one pose, and with it the painted room.
    const pose = scene.camera.motion === "static" && poses[0] ? poses[0] : cameraPose(scene.camera, frameCount > 1 ? t / (frameCount - 1) : 0, width, height);
    poses.push(pose);
    const seen = painter.paint(pose, frames.subarray(t * area * 3, (t + 1) * area * 3), ids.subarray(t * area, (t + 1) * area));
    const ofBody: Sighting[] = scene.bodies.map(() => ({ visible: 0, whole: 0 }));
    order.forEach((body, at) => (ofBody[body] = seen[at]!));
    sightings.push(ofBody);
  }
  // Painted in the order of `order`, ropes last; ropes are nobody's mask.
  for (let i = 0; i < ids.length; i++) if (ids[i]! > 0) ids[i] = (order[ids[i]! - 1] ?? -1) + 1;
  return { clip: makeClip(frames, width, height, fps), poses, sightings, ids };
}

function paintOf(body: Body): Paint {
  const base = albedo(body.colour);
  if (body.role !== "object") return { base, second: scale(base, 0.7), gloss: body.colour === "steel" ? 0.3 : 0.04, pattern: body.colour === "wood" ? 2 : body.role === "tool" ? 0 : 1 };
  // Marks are of the same hue, darker on pale objects and paler on dark ones, so that the colour keeps its name.
  const bright = 0.2126 * base[0] + 0.7152 * base[1] + 0.0722 * base[2];
  const second: Vector = bright > 0.13 ? scale(base, 0.55) : mix(scale(base, 1.8), [1, 1, 1], bright < 0.02 ? 0.09 : 0.03);
  return { base, second, gloss: 0.4, pattern: 1 };
}

function ropeSolid(end: Vector, pivot: Vector): Solid {
  const solid = makeSolid({ kind: "capsule", radius: 0.025, half: length(subtract(pivot, end)) / 2 }, { base: albedo("rope"), second: albedo("rope"), gloss: 0, pattern: 0 });
  placeRope(solid, end, pivot);
  return solid;
}

function placeRope(solid: Solid, end: Vector, pivot: Vector): void {
  const way = subtract(pivot, end);
  solid.hy = length(way) / 2;
  solid.bound = solid.hy + solid.hx;
  placeSolid(solid, mix(end, pivot, 0.5), turnToward(unit(way)));
}

/** The shortest turn that points a body's y axis along a unit vector (which is not straight down). */
function turnToward([x, y, z]: Vector): Quaternion {
  if (y < -0.999999) return noRotation;
  const w = Math.sqrt((1 + y) / 2);
  return [z / (2 * w), 0, -x / (2 * w), w];
}
