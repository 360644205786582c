/**
 * From the camera's steps over a clip to words: static, pan, tilt, roll, zoom/dolly, handheld, shaky, undetermined; and how
 * much things move, apart from the camera. A fixed camera before a running dog is static and moves: only where both are
 * small is nothing to learn from a clip.
 */
import type { CameraStep } from "./camera.ts";

export type CameraTag = "static" | "pan" | "tilt" | "roll" | "zoom/dolly" | "handheld" | "shaky" | "undetermined";
export type CameraDirection = "pan-left" | "pan-right" | "tilt-up" | "tilt-down" | "roll-clockwise" | "roll-counterclockwise" | "zoom/dolly-in" | "zoom/dolly-out";

/** A step with the time that it took. */
export interface TimedStep extends CameraStep {
  durationS: number;
}

export interface ClipMotion {
  /** The tag that describes the clip best. */
  tag: CameraTag;
  /** Every directed movement that is clearly there, strongest first. */
  directions: CameraDirection[];
  /** Mean shift of the camera, widths a second: to the right and up are positive, as a person at the camera would say. */
  panPerS: number;
  tiltPerS: number;
  /** Mean growth of the picture a second. */
  zoomPerS: number;
  /** Mean roll of the camera, radians a second, clockwise. */
  rollPerS: number;
  /** Mean change of the camera's speed from step to step, widths a second. */
  jitter: number;
  /** Mean speed of the camera, whatever its direction, widths a second (zoom and roll as the edge of the picture moves). */
  cameraSpeed: number;
  /** Mean and largest (over a second) speed of things against the camera, widths a second. */
  objectSpeed: number;
  objectPeak: number;
  /** Share of blocks that agree about the camera, 0..1; below 0.4 the tag is undetermined. */
  agreement: number;
}

export interface MotionRules {
  /** Camera speeds from which on a movement counts. */
  shift: number;
  zoom: number;
  roll: number;
  /** Jitter from which on a clip is handheld, and shaky. */
  handheld: number;
  shaky: number;
  /** Agreement below which nothing is claimed. */
  agreement: number;
}

export const defaultMotionRules: MotionRules = { shift: 0.02, zoom: 0.018, roll: 0.035, handheld: 0.02, shaky: 0.12, agreement: 0.4 };

/** Distance of the picture's edge from its centre, in widths: how far a zoom or a roll moves it. */
const edge = 0.5;

/** Describes a clip by its steps, in order. A clip of one frame has none, and is undetermined. */
export function describeMotion(steps: readonly TimedStep[], rules: MotionRules = defaultMotionRules): ClipMotion {
  const duration = steps.reduce((sum, s) => sum + s.durationS, 0);
  const agreement = duration > 0 ? mean(steps, (s) => s.inliers) : 0;
  const trusted = steps.filter((s) => s.inliers >= rules.agreement / 1.5);
  const speeds = trusted.map((s) => ({ durationS: s.durationS, x: s.tx / s.durationS, y: s.ty / s.durationS, zoom: s.zoom / s.durationS, roll: s.roll / s.durationS }));
  const [x, y, zoomPerS, roll] = [mean(speeds, (s) => s.x), mean(speeds, (s) => s.y), mean(speeds, (s) => s.zoom), mean(speeds, (s) => s.roll)];
  const jitter = mean(speeds.slice(1).map((s, i) => ({ durationS: s.durationS, change: Math.hypot(s.x - speeds[i]!.x, s.y - speeds[i]!.y) })), (s) => s.change);
  const cameraSpeed = mean(speeds, (s) => Math.hypot(s.x, s.y) + edge * (Math.abs(s.zoom) + Math.abs(s.roll)));
  const objects = steps.map((s) => ({ durationS: s.durationS, speed: s.objects / s.durationS }));
  const measured = {
    // What the picture shows moves against the camera.
    panPerS: -x, tiltPerS: y, zoomPerS, rollPerS: -roll, jitter, cameraSpeed,
    objectSpeed: mean(objects, (s) => s.speed), objectPeak: peak(objects), agreement,
  };
  return { ...tagOf(measured, steps.length, speeds.length, rules), ...measured };
}

function tagOf(m: Omit<ClipMotion, "tag" | "directions">, steps: number, trusted: number, rules: MotionRules): { tag: CameraTag; directions: CameraDirection[] } {
  if (steps === 0 || trusted < steps / 3 || m.agreement < rules.agreement) return { tag: "undetermined", directions: [] };
  const movements: { tag: CameraTag; direction: CameraDirection; strength: number }[] = [
    { tag: "pan", direction: m.panPerS > 0 ? "pan-right" : "pan-left", strength: Math.abs(m.panPerS) / rules.shift },
    { tag: "tilt", direction: m.tiltPerS > 0 ? "tilt-up" : "tilt-down", strength: Math.abs(m.tiltPerS) / rules.shift },
    { tag: "zoom/dolly", direction: m.zoomPerS > 0 ? "zoom/dolly-in" : "zoom/dolly-out", strength: Math.abs(m.zoomPerS) / rules.zoom },
    { tag: "roll", direction: m.rollPerS > 0 ? "roll-clockwise" : "roll-counterclockwise", strength: Math.abs(m.rollPerS) / rules.roll },
  ];
  const strongest = Math.max(...movements.map((one) => one.strength));
  const clear = movements.filter(({ strength }) => strength >= 1 && strength >= 0.35 * strongest).sort((a, b) => b.strength - a.strength);
  const directions = clear.map(({ direction }) => direction);
  // A movement that is steady is steady although a hand leads it; shaking must outweigh it.
  const led = Math.hypot(m.panPerS, m.tiltPerS) + edge * (Math.abs(m.zoomPerS) + Math.abs(m.rollPerS));
  const shaking = m.jitter > rules.shaky && m.jitter > 0.9 * led;
  if (shaking) return { tag: "shaky", directions };
  if (clear.length > 0) return { tag: clear[0]!.tag, directions };
  return { tag: m.jitter > rules.handheld ? "handheld" : "static", directions: [] };
}

function mean<T extends { durationS: number }>(items: readonly T[], of: (item: T) => number): number {
  let [sum, weight] = [0, 0];
  for (const item of items) {
    sum += of(item) * item.durationS;
    weight += item.durationS;
  }
  return weight > 0 ? sum / weight : 0;
}

/** The fastest second: a person who crosses an empty corridor is seen although the mean is near zero. */
function peak(items: readonly { durationS: number; speed: number }[]): number {
  let best = 0;
  for (let i = 0; i < items.length; i++) {
    let [sum, time] = [0, 0];
    for (let j = i; j < items.length && time < 1; j++) {
      sum += items[j]!.speed * items[j]!.durationS;
      time += items[j]!.durationS;
    }
    best = Math.max(best, time > 0 ? sum / Math.max(time, 0.5) : 0);
  }
  return best;
}
