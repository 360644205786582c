/**
 * The caption without a model: what was measured, said in words. It knows the camera, how much moves, the light and the length,
 * and nothing of what is seen; every caption says that it is one of these, by its name, so that nobody takes it for a model's.
 */
import type { CandidateClip } from "./clips.ts";

/** How metadata names this captioner. */
export const measuredCaptioner = "orrery-measured-v1";

const cameras = {
  static: "a fixed camera", pan: "a panning camera", tilt: "a tilting camera", roll: "a rolling camera", "zoom/dolly": "a camera that moves or zooms along its view",
  handheld: "a handheld camera", shaky: "a shaking camera", undetermined: "a camera whose movement could not be told",
} as const;

const directionWords = {
  "pan-left": "to the left", "pan-right": "to the right", "tilt-up": "upwards", "tilt-down": "downwards", "roll-clockwise": "clockwise", "roll-counterclockwise": "counterclockwise",
  "zoom/dolly-in": "inwards", "zoom/dolly-out": "outwards",
} as const;

/** A sentence or two. */
export function describeClip({ motion, quality, brightness, startS, endS }: Pick<CandidateClip, "motion" | "quality" | "brightness" | "startS" | "endS">): string {
  const ways = motion.directions.map((d) => directionWords[d]);
  const way = ways.length > 0 ? `, ${ways.join(" and ")}` : "";
  const moving = motion.objectSpeed > 0.08 ? "fast movement" : motion.objectSpeed > 0.015 ? "clear movement" : motion.objectPeak > 0.01 ? "a little movement" : "hardly any movement";
  const light = brightness < 55 ? "dark" : brightness > 185 ? "very bright" : brightness > 140 ? "bright" : "well-lit";
  const flaw = quality.defects[quality.worst] > 0.5 ? ` Its worst technical defect is ${quality.worst}.` : "";
  return `A ${light} shot of ${(endS - startS).toFixed(1)} seconds by ${cameras[motion.tag]}${way}, with ${moving} in the scene.${flaw}`;
}
