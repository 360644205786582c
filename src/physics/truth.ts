/**
 * Everything that is known about a clip, as one JSON document (`truth/<uuid>.json`). Frames are 0-based; positions are
 * metres in the room (x right, y up from the floor, z towards the camera), pixels are counted from the top left corner,
 * boxes are `[left, top, right, bottom]` in whole pixels, all four inclusive.
 */
import type { Vector } from "../video/vector.ts";
import { project, type CameraPose } from "./camera.ts";
import { nameOf, type Caption } from "./caption.ts";
import { energyAt, type EventKind, type LabEvent } from "./events.ts";
import type { Quaternion } from "./exact-math.ts";
import type { Film } from "./render/film.ts";
import type { Box } from "./render/painter.ts";
import { encodeMask, type RleMask } from "./rle.ts";
import type { CameraMotion, Material, Role, Room, Scene, Shape } from "./scene.ts";
import { drivenPosition, stateAt, type Trajectory } from "./simulate.ts";

export const truthFormat = "orrery-lab-truth-v1";

export interface TrackPoint {
  frame: number;
  position: Vector;
  /** Quaternion x y z w. */
  rotation: Quaternion;
  /** m/s, rad/s. */
  velocity: Vector;
  spin: Vector;
  /** Where its centre is in the picture, hidden or not. */
  centre: [x: number, y: number];
  /** Metres from the camera along its view. */
  depth: number;
  /** What is seen of it; absent when nothing is. */
  box?: Box;
  /** What would be seen if nothing stood before it. */
  wholeBox?: Box;
  /** The part of its silhouette inside the picture that is seen, 0..1; 0 outside the picture. */
  visibility: number;
}

export interface TruthObject {
  id: number;
  role: Role;
  /** "red ball". */
  name: string;
  noun: string;
  colour: string;
  shape: Shape;
  /** kg; absent for what does not move freely. */
  mass?: number;
  material: Material;
  track: TrackPoint[];
  /** For objects and tools, one for each frame. */
  masks?: RleMask[];
}

export interface TruthCamera {
  eye: Vector;
  /** Rows: right, down, forward: the rotation from the room to OpenCV's camera frame. */
  rotation: [Vector, Vector, Vector];
  /** Pixels. */
  focal: number;
  principal: [x: number, y: number];
}

export interface LabTruth {
  format: typeof truthFormat;
  scenario: string;
  split: string;
  index: number;
  seed: number;
  width: number;
  height: number;
  fps: number;
  frameCount: number;
  caption: string;
  captionShort: string;
  /** m/s², downwards. */
  gravity: number;
  room: Room;
  light: { name: string; direction: Vector };
  cameraMotion: CameraMotion;
  objects: TruthObject[];
  /** Parties are ids of objects, or "floor" and "back wall". */
  contacts: { a: number | string; b: number | string; startS: number; endS?: number; startFrame: number; endFrame?: number; speed: number; impact: number }[];
  events: { kind: EventKind; timeS: number; frame: number; subject: number | string; object?: number | string }[];
  /** For scenes with a tool: what it was told between frame t and t + 1, metres to the right, up and nearer; grip 1 is closed. */
  actions?: { frame: number; move: Vector; grip: 0 | 1 }[];
  camera: TruthCamera[];
  /** Joules of all free bodies at each frame. */
  energy: number[];
}

export interface ClipIdentity {
  split: string;
  index: number;
  seed: number;
}

export function truthOf(scene: Scene, trajectory: Trajectory, picture: Film, events: readonly LabEvent[], caption: Caption, identity: ClipIdentity): LabTruth {
  const { frameCount, fps, stepsPerFrame } = trajectory;
  const { width, height } = picture.clip;
  const party = (index: number): number | string => (index < 0 ? nameOf(scene, index) : index);
  const frameOf = (timeS: number) => Math.min(frameCount - 1, Math.ceil(timeS * fps - 1e-6));
  return {
    format: truthFormat,
    scenario: scene.scenario,
    ...identity,
    width,
    height,
    fps,
    frameCount,
    caption: caption.full,
    captionShort: caption.short,
    gravity: scene.gravity,
    room: scene.room,
    light: { name: scene.light.name, direction: rounded(scene.light.direction) },
    cameraMotion: scene.camera.motion,
    objects: scene.bodies.map((body, id) => ({
      id,
      role: body.role,
      name: nameOf(scene, id),
      noun: body.noun,
      colour: body.colour,
      shape: body.shape,
      ...(body.role === "object" ? { mass: round(trajectory.masses[id]!) } : {}),
      material: body.material,
      track: Array.from({ length: frameCount }, (_, frame) => trackPoint(trajectory, picture, frame, id)),
      ...(body.role === "fixture" ? {} : { masks: Array.from({ length: frameCount }, (_, t) => encodeMask(picture.ids.subarray(t * width * height, (t + 1) * width * height), width, height, id + 1)) }),
    })),
    contacts: trajectory.contacts.map(({ a, b, startS, endS, speed, impact }) => ({
      a: party(a),
      b: party(b),
      startS: round(startS),
      ...(endS === undefined ? {} : { endS: round(endS) }),
      startFrame: frameOf(startS),
      ...(endS === undefined ? {} : { endFrame: frameOf(endS) }),
      speed: round(speed),
      impact: round(impact),
    })),
    events: events.map(({ kind, timeS, frame, subject, object }) => ({ kind, timeS: round(timeS), frame, subject: party(subject), ...(object === undefined ? {} : { object: party(object) }) })),
    ...(scene.drives.length > 0 ? { actions: actionsOf(scene, trajectory) } : {}),
    camera: picture.poses.map(cameraTruth),
    energy: Array.from({ length: frameCount }, (_, t) => round(energyAt(scene, trajectory, t * stepsPerFrame))),
  };
}

function trackPoint(trajectory: Trajectory, picture: Film, frame: number, id: number): TrackPoint {
  const { position, rotation, velocity, spin } = stateAt(trajectory, frame * trajectory.stepsPerFrame, id);
  const { x, y, depth } = project(picture.poses[frame]!, position);
  const { visible, whole, box, wholeBox } = picture.sightings[frame]![id]!;
  return {
    frame,
    position: rounded(position),
    rotation: rotation.map(round) as unknown as Quaternion,
    velocity: rounded(velocity),
    spin: rounded(spin),
    centre: [round(x), round(y)],
    depth: round(depth),
    ...(box ? { box } : {}),
    ...(wholeBox ? { wholeBox } : {}),
    visibility: whole === 0 ? 0 : round(visible / whole),
  };
}

/** The first drive is the tool's hand; the others belong to the same tool. */
function actionsOf(scene: Scene, { frameCount, fps }: Trajectory): NonNullable<LabTruth["actions"]> {
  const hand = scene.drives[0]!;
  const grip = scene.grips[0];
  return Array.from({ length: frameCount - 1 }, (_, frame) => {
    const [from, to] = [drivenPosition(hand, frame / fps), drivenPosition(hand, (frame + 1) / fps)];
    const middle = (frame + 0.5) / fps;
    const closed = grip !== undefined && middle >= grip.fromS && middle < grip.untilS;
    return { frame, move: rounded([to[0] - from[0], to[1] - from[1], to[2] - from[2]]), grip: closed ? 1 : 0 };
  });
}

function cameraTruth({ eye, right, up, forward, focal, width, height }: CameraPose): TruthCamera {
  return { eye: rounded(eye), rotation: [rounded(right), rounded([-up[0], -up[1], -up[2]]), rounded(forward)], focal: round(focal), principal: [width / 2, height / 2] };
}

const round = (value: number): number => Math.round(value * 1e5) / 1e5 + 0;
const rounded = (v: Vector): Vector => [round(v[0]), round(v[1]), round(v[2])];
