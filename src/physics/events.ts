/**
 * What happened, in words a person would use, from what the engine and the painter recorded: a fall, a bounce, a hit, a
 * hiding. Events are findings about the motion, not intentions of the scenario, so a caption made of them is true.
 */
import { dot, length, subtract, type Vector } from "../video/vector.ts";
import { axesOf } from "./exact-math.ts";
import type { Film } from "./render/film.ts";
import type { Scene } from "./scene.ts";
import { backWall, floor, stateAt, type BodyState, type Contact, type Trajectory } from "./simulate.ts";

export const eventKinds = [
  "falls", "flies", "lands", "bounces", "hits", "topples", "rolls", "slides", "swings", "turns", "stops",
  "hides", "reappears", "leaves", "enters", "pushes", "grasps", "lifts", "releases",
] as const;
export type EventKind = (typeof eventKinds)[number];

export interface LabEvent {
  kind: EventKind;
  timeS: number;
  /** The first frame at or after it. */
  frame: number;
  /** Index of the body that does it; for "pushes" and "grasps" the tool. */
  subject: number;
  /** The other party: a body, `floor` or `backWall`. */
  object?: number;
}

/** All events of a clip in the order of time. */
export function findEvents(scene: Scene, trajectory: Trajectory, film: Film): LabEvent[] {
  const found: LabEvent[] = [];
  const lastFrame = trajectory.frameCount - 1;
  const add = (kind: EventKind, timeS: number, subject: number, object?: number): void => {
    // A hair is taken off, or rounding would put an event at a frame's own time into the next.
    const frame = Math.min(lastFrame, Math.ceil(timeS * trajectory.fps - 1e-6));
    found.push({ kind, timeS, frame, subject, ...(object === undefined ? {} : { object }) });
  };
  scene.bodies.forEach((body, i) => {
    if (body.role !== "object") return;
    const path = Array.from({ length: lastFrame * trajectory.stepsPerFrame + 1 }, (_, step) => stateAt(trajectory, step, i));
    const touches = trajectory.contacts.filter((contact) => contact.a === i || contact.b === i);
    findMotion(scene, trajectory, i, path, touches, add);
    findSight(film, i, trajectory.fps, add);
  });
  findMeetings(scene, trajectory, add);
  return found.sort((a, b) => a.timeS - b.timeS || a.subject - b.subject);
}

type Add = (kind: EventKind, timeS: number, subject: number, object?: number) => void;

const otherOf = (contact: Contact, body: number): number => (contact.a === body ? contact.b : contact.a);

function findMotion(scene: Scene, trajectory: Trajectory, i: number, path: readonly BodyState[], touches: readonly Contact[], add: Add): void {
  const { stepS } = trajectory;
  const body = scene.bodies[i]!;
  const isTethered = scene.tethers.some((tether) => tether.body === i);
  const heldAt = (timeS: number) => trajectory.held.some((h) => scene.grips[h.grip]!.object === i && timeS >= h.fromS && timeS < (h.untilS ?? Infinity));
  const touching = new Int16Array(path.length);
  const carried = new Int16Array(path.length);
  for (const contact of touches) {
    const until = contact.endS === undefined ? path.length : Math.round(contact.endS / stepS);
    const from = Math.round(contact.startS / stepS);
    const other = otherOf(contact, i);
    const carries = other < 0 ? other === floor : scene.bodies[other]!.noun === "ramp" || stateAt(trajectory, from, other).position[1] < path[from]!.position[1] - 0.2;
    for (let step = from; step < until; step++) {
      touching[step]! += 1;
      if (carries) carried[step]! += 1;
    }
  }
  const isFree = (step: number) => touching[step] === 0 && !isTethered && !heldAt(step * stepS);
  const speeds = path.map(({ velocity }) => length(velocity));

  // In the air: a stretch without touch that gains speed downwards, or goes up first.
  for (let step = 0; step < path.length; ) {
    if (!isFree(step)) {
      step += 1;
      continue;
    }
    let end = step;
    let fastest = 0;
    while (end + 1 < path.length && isFree(end + 1)) {
      end += 1;
      fastest = Math.max(fastest, -path[end]!.velocity[1]);
    }
    const [vx, vy] = path[step]!.velocity;
    const afterTouch = step > 0;
    if (!afterTouch && vy > 0.6 && Math.abs(vx) > 0.8) add("flies", 0, i);
    else if (fastest > 0.9 && (!afterTouch || path[step]!.position[1] - path[end]!.position[1] > 0.15)) add("falls", step * stepS, i);
    step = end + 1;
  }
  let landed = -1;
  // Landing: the end of a free stretch that came down on something.
  for (const contact of touches) {
    const step = Math.round(contact.startS / stepS);
    const before = path[Math.max(0, step - 1)]!.velocity[1];
    const other = otherOf(contact, i);
    if (other >= 0 && scene.bodies[other]!.role === "object" && scene.bodies[other]!.noun === "domino") continue;
    if (contact.startS - landed < 0.15) continue;
    const airborne = step >= 3 && [1, 2, 3].every((back) => isFree(step - back));
    if (!airborne || before > -0.5 || contact.impact < 0.3) continue;
    landed = contact.startS;
    const soon = path.slice(step, step + Math.round(0.12 / stepS));
    add(soon.some(({ velocity }) => velocity[1] > 0.45) ? "bounces" : "lands", contact.startS, i, other);
  }
  if (isTethered) findSwing(path, stepS, i, add);
  else findTravel(body.shape.kind === "ball" || body.shape.kind === "cylinder" || body.shape.kind === "capsule", widthOf(scene, i), path, carried, stepS, i, heldAt, add);

  if (body.shape.kind !== "ball" && !isTethered) {
    const upright = axesOf(path[0]!.rotation)[1];
    const startsOnGround = touching.slice(0, Math.ceil(0.1 / stepS)).some((count) => count > 0);
    // The moment from which it leans by more than 40 degrees to the end; a toy that rocks back has not toppled.
    const fell = 1 + path.findLastIndex(({ rotation }) => dot(axesOf(rotation)[1], upright) > 0.766);
    if (startsOnGround && Math.abs(upright[1]) > 0.8 && fell < path.length) add("topples", fell * stepS, i);
  }
  // At rest to the end, after having moved, for long enough to be seen.
  let rest = path.length;
  while (rest > 0 && speeds[rest - 1]! < 0.07 && length(path[rest - 1]!.spin) < 0.5) rest -= 1;
  const moved = speeds.slice(0, rest).some((speed) => speed > 0.35);
  if (moved && !isTethered && path.length - rest > 1.5 * trajectory.stepsPerFrame && !heldAt(rest * stepS)) add("stops", rest * stepS, i);
}

function widthOf(scene: Scene, i: number): number {
  const { shape } = scene.bodies[i]!;
  return shape.kind === "box" ? Math.min(...shape.half) : shape.radius;
}

/** Rolling is moving as fast as the turning surface carries; sliding is moving on something without it. */
function findTravel(round: boolean, radius: number, path: readonly BodyState[], carried: Int16Array, stepS: number, i: number, heldAt: (timeS: number) => boolean, add: Add): void {
  const needed = Math.round(0.14 / stepS);
  const seen = new Set<EventKind>();
  let [rolled, slid] = [0, 0];
  path.forEach(({ velocity, spin }, step) => {
    const speed = length(velocity);
    const moves = carried[step]! > 0 && speed > 0.35 && !heldAt(step * stepS);
    const turning = (length(spin) * radius) / Math.max(speed, 1e-9);
    rolled = moves && round && turning > 0.6 && turning < 1.6 ? rolled + 1 : 0;
    slid = moves && length(spin) < (round ? 0.3 * speed / radius : 1) ? slid + 1 : 0;
    for (const [kind, count] of [["rolls", rolled], ["slides", slid]] as const) {
      if (count !== needed || seen.has(kind)) continue;
      seen.add(kind);
      add(kind, (step - needed + 1) * stepS, i);
    }
  });
}

function findSwing(path: readonly BodyState[], stepS: number, i: number, add: Add): void {
  if (path.some(({ velocity }) => length(velocity) > 0.3)) add("swings", 0, i);
  let direction = 0;
  path.forEach(({ velocity }, step) => {
    if (Math.abs(velocity[0]) < 0.03) return;
    const now = Math.sign(velocity[0]);
    if (direction !== 0 && now !== direction) add("turns", step * stepS, i);
    direction = now;
  });
}

/** Meetings of objects with each other and with walls, and of tools with objects. */
function findMeetings(scene: Scene, trajectory: Trajectory, add: Add): void {
  const { contacts, stepS } = trajectory;
  const last = new Map<string, number>();
  for (const { a, b, startS, impact } of contacts) {
    const [first, second] = [scene.bodies[a], scene.bodies[b]!];
    const pair = `${a} ${b}`;
    const known = last.get(pair);
    last.set(pair, startS);
    // A body that rattles on another hits it once.
    if (known !== undefined && startS - known < 0.25) continue;
    if (first === undefined) {
      if (a === backWall && impact > 0.3) add("hits", startS, b, a);
      continue;
    }
    const step = Math.max(0, Math.round(startS / stepS) - 1);
    const [one, other] = [stateAt(trajectory, step, a), stateAt(trajectory, step, b)];
    if (first.role === "tool" || second.role === "tool") {
      const [tool, object] = first.role === "tool" ? [a, b] : [b, a];
      const speed = length((first.role === "tool" ? one : other).velocity);
      if (scene.bodies[object]!.role === "object" && scene.grips.length === 0 && speed > 0.05 && !last.has(`push ${object}`)) {
        last.set(`push ${object}`, startS);
        add("pushes", startS, tool, object);
      }
      continue;
    }
    if (impact < 0.2) continue;
    if (first.role === "object" && second.role === "object") {
      // The one that comes nearer faster does it.
      const way = subtract(other.position, one.position);
      const [towards, back] = [dot(one.velocity, way), -dot(other.velocity, way)];
      if (towards >= back) add("hits", startS, a, b);
      else add("hits", startS, b, a);
      continue;
    }
    const [fixture, object] = first.role === "object" ? [b, a] : [a, b];
    const level = Math.abs(scene.bodies[fixture]!.position[1] - stateAt(trajectory, step, object).position[1]);
    if (scene.bodies[fixture]!.noun === "wall" && level < 0.6) add("hits", startS, object, fixture);
  }
  for (const { grip, fromS, untilS } of trajectory.held) {
    const { tools, object } = scene.grips[grip]!;
    add("grasps", fromS, tools[0]!, object);
    const start = stateAt(trajectory, Math.round(fromS / stepS), object).position[1];
    const steps = trajectory.states.length / (trajectory.bodyCount * 13);
    for (let step = Math.round(fromS / stepS); step < Math.min(steps, Math.round((untilS ?? Infinity) / stepS)); step++) {
      if (stateAt(trajectory, step, object).position[1] < start + 0.12) continue;
      add("lifts", step * stepS, tools[0]!, object);
      break;
    }
    if (untilS !== undefined) add("releases", untilS, tools[0]!, object);
  }
}

/** Hidden means that less than a tenth of what is inside the picture can be seen. */
function findSight(film: Film, i: number, fps: number, add: Add): void {
  let [hidden, outside] = [false, false];
  film.sightings.forEach((frame, t) => {
    const { visible, whole } = frame[i]!;
    const isOutside = whole === 0;
    const isHidden = !isOutside && visible < 0.1 * whole;
    if (t > 0) {
      if (isOutside && !outside) add("leaves", t / fps, i);
      if (!isOutside && outside) add("enters", t / fps, i);
      if (isHidden && !hidden) add("hides", t / fps, i, frontOf(film, t, i));
      if (!isHidden && hidden && !isOutside) add("reappears", t / fps, i);
    }
    // What leaves the picture while hidden has not come out.
    if (!isOutside) hidden = isHidden;
    outside = isOutside;
  });
}

/** The body that fills most of the box in which a hidden one would be seen. */
function frontOf(film: Film, frame: number, i: number): number | undefined {
  const box = film.sightings[frame]![i]!.wholeBox;
  if (!box) return undefined;
  const { width, height } = film.clip;
  const counts = new Map<number, number>();
  for (let y = box[1]; y <= box[3]; y++) {
    for (let x = box[0]; x <= box[2]; x++) {
      const id = film.ids[(frame * height + y) * width + x]!;
      if (id > 0) counts.set(id - 1, (counts.get(id - 1) ?? 0) + 1);
    }
  }
  return [...counts].sort((p, q) => q[1] - p[1])[0]?.[0];
}

/** What an index of a contact or event is called. */
export function partnerName(scene: Scene, index: number): string {
  return index === floor ? "floor" : index === backWall ? "back wall" : scene.bodies[index]!.noun;
}

/** Kinetic and potential energy of the free bodies at a step, joules; the floor is the zero of height. */
export function energyAt(scene: Scene, trajectory: Trajectory, step: number): number {
  let sum = 0;
  trajectory.masses.forEach((mass, i) => {
    if (mass === 0) return;
    const { position, velocity, spin, rotation } = stateAt(trajectory, step, i);
    const turning = axesOf(rotation).map((axis) => dot(axis, spin)) as unknown as Vector;
    const inertia = trajectory.inertias[i]!;
    sum += mass * (dot(velocity, velocity) / 2 + scene.gravity * position[1]);
    for (let k = 0; k < 3; k++) sum += (inertia[k]! * turning[k]! * turning[k]!) / 2;
  });
  return sum;
}
