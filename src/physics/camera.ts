/** Where the camera is at each frame, as a pinhole: what the painter looks through and what truth writes down. */
import { add, cross, dot, scale, subtract, unit, type Vector } from "../video/vector.ts";
import { cosine, sine } from "./exact-math.ts";
import type { CameraPlan } from "./scene.ts";

export interface CameraPose {
  eye: Vector;
  /** Unit vectors: to the right in the picture, up in it, and into it. */
  right: Vector;
  up: Vector;
  forward: Vector;
  /** Focal length in pixels. The principal point is the middle of the picture. */
  focal: number;
  width: number;
  height: number;
}

/** The pose at `part` of the clip, 0 at its first frame and 1 at its last. */
export function cameraPose(plan: CameraPlan, part: number, width: number, height: number): CameraPose {
  let { eye, target, halfView } = plan;
  const swing = plan.sign * plan.amount * (part - 0.5);
  if (plan.motion === "pan") target = add(target, [1.3 * swing, 0, 0]);
  if (plan.motion === "zoom") halfView *= 1.06 + 0.55 * swing;
  if (plan.motion === "orbit") {
    const arm = subtract(eye, target);
    const [c, s] = [cosine(0.9 * swing), sine(0.9 * swing)];
    eye = add(target, [arm[0] * c + arm[2] * s, arm[1], arm[2] * c - arm[0] * s]);
  }
  if (plan.motion === "shake") {
    const tremble: Vector = [wobble(plan.seed, part), wobble(plan.seed + 1, part), 0];
    eye = add(eye, scale(tremble, 0.05 * plan.amount));
    target = add(target, scale(tremble, 0.11 * plan.amount));
  }
  const way = subtract(target, eye);
  const forward = unit(way);
  const right = unit(cross(forward, [0, 1, 0]));
  const focal = ((Math.min(width, height) / 2) * Math.sqrt(dot(way, way))) / halfView;
  return { eye, right, up: cross(right, forward), forward, focal, width, height };
}

/** A restless number in about -1.5..1.5: a hand that holds a camera. */
function wobble(seed: number, part: number): number {
  const phase = (seed % 97) * 0.7;
  return sine(part * 17 + phase) * 0.7 + sine(part * 41 + phase * 1.9) * 0.5 + sine(part * 73 + phase * 3.1) * 0.3;
}

/** A point of the world in the picture: pixels from the top left corner, and its depth in metres (negative behind the camera). */
export function project({ eye, right, up, forward, focal, width, height }: CameraPose, point: Vector): { x: number; y: number; depth: number } {
  const way = subtract(point, eye);
  const depth = dot(way, forward);
  return { x: width / 2 + (focal * dot(way, right)) / depth, y: height / 2 - (focal * dot(way, up)) / depth, depth };
}
