/**
 * Physics alignment: how a made video agrees with a laboratory clip whose truth is known, as the Cosmos paper asks (PSNR,
 * SSIM, IoU of objects), and beyond it where objects are, whether they last while hidden, and whether their energy is
 * plausible. Objects of the made video are found by the laboratory's own detector, by colour; things that share a colour
 * (dominoes) are left out of what is told per object.
 */
import { decodeMask, type ColourName, type LabTruth, type TruthObject } from "../physics/index.ts";
import type { Clip } from "../video/index.ts";
import { OrreryError } from "../errors.ts";
import { checkHallucination, type Hallucination } from "./hallucination.ts";
import { trackObjects, type Track } from "./lab-detector.ts";
import { smallestSsimSide, psnrOf, squaredErrors, ssimPerFrame } from "./metrics.ts";

export interface FrameAlignment {
  frame: number;
  psnr: number;
  ssim?: number;
  /** Mean over visible objects; one that is not found has IoU 0. */
  iou?: number;
  /** Mean distance of found objects from where they should be, as part of the picture's width. */
  position?: number;
  visible: number;
  found: number;
}

export interface ClipAlignment {
  scenario: string;
  /** Frames that were given; all figures are over the rest. */
  given: number;
  frames: FrameAlignment[];
  psnr: number;
  ssim?: number;
  iou?: number;
  position?: number;
  /** Of object-frames in which an object is to be seen, the share in which it is found. */
  presence?: number;
  /** Objects that come out from behind something, and how many of them are found again there. */
  permanence?: { expected: number; kept: number };
  /** Joules by which the objects' energy rises above that at the start, as part of it, at most; only where nothing drives them. */
  energyGain?: number;
  /** Share of object-frames in which an object is seen below the floor by more than a quarter of its size. */
  sunk?: number;
  hallucination: Hallucination;
}

/** The least visible area that counts, in pixels of a picture of 64 x 64. */
const leastPixels = 8;

/** Objects whose colour is theirs alone. */
export function distinctObjects(truth: LabTruth): TruthObject[] {
  const objects = truth.objects.filter(({ role }) => role === "object");
  return objects.filter(({ colour }) => objects.filter((other) => other.colour === colour).length === 1);
}

/** Compares a made clip with the true one from frame `given` on. @throws `bad_argument` when size or length differ. */
export function alignClip(made: Clip, real: Clip, truth: LabTruth, given: number): ClipAlignment {
  if (made.width !== real.width || made.height !== real.height || made.frameCount < real.frameCount)
    throw new OrreryError("bad_argument", `a video of ${real.frameCount} frames of ${real.width} x ${real.height} was expected; ${made.frameCount} of ${made.width} x ${made.height} were given`);
  const shown: Clip = made.frameCount === real.frameCount ? made : { ...made, frameCount: real.frameCount, frames: made.frames.subarray(0, real.frames.length) };
  const { width, height, frameCount } = real;
  const objects = distinctObjects(truth);
  const tracks = trackObjects(shown, objects.map(({ colour }) => colour as ColourName));
  const size = width * height * 3;
  const errors = squaredErrors(real, shown);
  const similarities = Math.min(width, height) >= smallestSsimSide ? ssimPerFrame(real, shown) : undefined;
  const frames: FrameAlignment[] = [];
  for (let t = given; t < frameCount; t++) {
    const seen = objects.map((object) => compareObject(object, tracks.get(object.colour as ColourName)!, t, width, height)).filter((one) => one !== undefined);
    const positions = seen.flatMap(({ position }) => (position === undefined ? [] : [position]));
    frames.push({
      frame: t,
      psnr: psnrOf(errors[t]! / size),
      ...(similarities ? { ssim: similarities[t]! } : {}),
      ...(seen.length > 0 ? { iou: mean(seen.map(({ iou }) => iou)) } : {}),
      ...(positions.length > 0 ? { position: mean(positions) } : {}),
      visible: seen.length,
      found: positions.length,
    });
  }
  const visible = frames.reduce((sum, frame) => sum + frame.visible, 0);
  const permanence = permanenceOf(truth, objects, tracks, given, width, height);
  const plausible = plausibility(truth, objects, tracks, given);
  return {
    scenario: truth.scenario,
    given,
    frames,
    psnr: psnrOf(errors.subarray(given).reduce((sum, error) => sum + error, 0) / (size * (frameCount - given))),
    ...(similarities ? { ssim: mean([...similarities.subarray(given)]) } : {}),
    ...optional("iou", meanOf(frames, "iou")),
    ...optional("position", meanOf(frames, "position")),
    ...(visible > 0 ? { presence: frames.reduce((sum, frame) => sum + frame.found, 0) / visible } : {}),
    ...(permanence.expected > 0 ? { permanence } : {}),
    ...plausible,
    hallucination: checkHallucination(real, shown, given),
  };
}

/** Undefined where the object is not to be seen. */
function compareObject(object: TruthObject, track: Track, t: number, width: number, height: number): { iou: number; position?: number } | undefined {
  const mask = decodeMask(object.masks![t]!);
  let [area, x, y] = [0, 0, 0];
  mask.forEach((inside, i) => {
    if (!inside) return;
    area += 1;
    x += (i % width) + 0.5;
    y += Math.floor(i / width) + 0.5;
  });
  if (area < (leastPixels * width * height) / 4096 || object.track[t]!.visibility < 0.3) return undefined;
  const found = track[t];
  if (!found) return { iou: 0 };
  const common = found.pixels.reduce((sum, pixel) => sum + mask[pixel]!, 0);
  return { iou: common / (area + found.area - common), position: Math.hypot(found.centre[0] - x / area, found.centre[1] - y / area) / width };
}

/** Who was hidden and comes out again must be found within a quarter of the picture of where it comes out. */
function permanenceOf(truth: LabTruth, objects: readonly TruthObject[], tracks: ReadonlyMap<ColourName, Track>, given: number, width: number, height: number): { expected: number; kept: number } {
  let [expected, kept] = [0, 0];
  for (const { kind, subject, frame } of truth.events) {
    const object = objects.find(({ id }) => id === subject);
    if (kind !== "reappears" || frame < given || object === undefined) continue;
    // In the frames after it came out, as far as there are any in which it can be judged.
    const later = Array.from({ length: truth.frameCount - frame }, (_, k) => compareObject(object, tracks.get(object.colour as ColourName)!, frame + k, width, height)).filter((one) => one !== undefined);
    if (later.length === 0) continue;
    expected += 1;
    if (later.some(({ position }) => position !== undefined && position < 0.25)) kept += 1;
  }
  return { expected, kept };
}

/** Energy and height from where the detector sees the objects, at the depth at which they truly are. */
function plausibility(truth: LabTruth, objects: readonly TruthObject[], tracks: ReadonlyMap<ColourName, Track>, given: number): { energyGain?: number; sunk?: number } {
  const free = objects.filter(({ mass }) => mass !== undefined);
  if (truth.actions !== undefined || free.length === 0) return {};
  const { fps, frameCount } = truth;
  const placeOf = (object: TruthObject, t: number): [number, number] | undefined => {
    const found = tracks.get(object.colour as ColourName)![t];
    const { eye, rotation, focal, principal } = truth.camera[t]!;
    if (!found || object.track[t]!.visibility < 0.9) return undefined;
    const { depth } = object.track[t]!;
    const [a, b] = [((found.centre[0] - principal[0]) / focal) * depth, ((found.centre[1] - principal[1]) / focal) * depth];
    const at = (i: 0 | 1 | 2) => eye[i] + rotation[0][i] * a + rotation[1][i] * b + rotation[2][i] * depth;
    return [at(0), at(1)];
  };
  let [sunk, judged] = [0, 0];
  const energies: number[] = [];
  for (let t = Math.max(1, given - 1); t < frameCount; t++) {
    let [energy, complete] = [0, true];
    for (const object of free) {
      const [before, now] = [placeOf(object, t - 1), placeOf(object, t)];
      if (now) {
        judged += 1;
        const half = object.track[0]!.position[1] - Math.min(...object.track.map(({ position }) => position[1])) > 0.2 ? halfOf(object) : Math.min(...object.track.map(({ position }) => position[1]));
        if (now[1] < 0.5 * half) sunk += 1;
      }
      if (!before || !now) complete = false;
      else energy += object.mass! * (truth.gravity * (before[1] + now[1]) * 0.5 + 0.5 * (((now[0] - before[0]) * fps) ** 2 + ((now[1] - before[1]) * fps) ** 2));
    }
    if (complete) energies.push(energy);
  }
  const first = energies[0];
  return {
    ...(first !== undefined && first > 0 && energies.length > 1 ? { energyGain: Math.max(0, ...energies.map((energy) => energy / first - 1)) } : {}),
    ...(judged > 0 ? { sunk: sunk / judged } : {}),
  };
}

function halfOf({ shape }: TruthObject): number {
  return shape.kind === "box" ? Math.min(...shape.half) : shape.radius;
}

export const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function meanOf(frames: readonly FrameAlignment[], key: "iou" | "position"): number | undefined {
  const values = frames.flatMap((frame) => frame[key] ?? []);
  return values.length === 0 ? undefined : mean(values);
}

const optional = <K extends string>(key: K, value: number | undefined): Partial<Record<K, number>> => (value === undefined ? {} : ({ [key]: value } as Record<K, number>));
