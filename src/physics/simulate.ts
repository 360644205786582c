/**
 * Moves a scene by Rapier, a rigid-body engine, in the build whose results are documented to be the same on every machine.
 * Steps divide a frame evenly (about 1/240 s), so that frames fall on steps whatever the frame rate. Everything that later
 * counts as truth is recorded here: the state of every body at every step, and when which bodies began and ceased to touch.
 */
import RAPIER from "@dimforge/rapier3d-deterministic-compat";
import type { Vector } from "../video/vector.ts";
import type { Quaternion } from "./exact-math.ts";
import type { Body, Drive, Grip, Scene, Shape } from "./scene.ts";

const stepsPerSecond = 240;

/** Partners that are not bodies. */
export const floor = -1;
export const backWall = -2;

export interface Contact {
  /** Indices of bodies, `a < b`, or `floor` / `backWall` as `a`. */
  a: number;
  b: number;
  startS: number;
  /** Absent while they still touch at the end. */
  endS?: number;
  /** Speed between their centres just before they touched, m/s. */
  speed: number;
  /** How much that velocity changed by the touch, beyond what gravity does, m/s: a graze has little. */
  impact: number;
}

export interface Trajectory {
  fps: number;
  frameCount: number;
  stepsPerFrame: number;
  stepS: number;
  bodyCount: number;
  /** kg, and principal moments of inertia in kg m², of each body; 0 for those that do not move freely. */
  masses: number[];
  inertias: Vector[];
  /** `[step, body, 13]`: position, rotation (x y z w), velocity, spin. Step 0 is the beginning; frame k is step k * stepsPerFrame. */
  states: Float64Array;
  contacts: Contact[];
  /** When grips took hold and let go, by index of `scene.grips`. */
  held: { grip: number; fromS: number; untilS?: number }[];
}

export const stateSize = 13;

let engine: Promise<typeof RAPIER> | undefined;

/** Loads the engine (0.2 s, once). `simulate` needs it. */
export async function loadEngine(): Promise<void> {
  engine ??= RAPIER.init().then(() => RAPIER);
  await engine;
}

/** Runs a scene for `frameCount` frames. Call `loadEngine` first. */
export function simulate(scene: Scene, frameCount: number, fps: number): Trajectory {
  const stepsPerFrame = Math.max(1, Math.round(stepsPerSecond / fps));
  const stepS = 1 / (fps * stepsPerFrame);
  const steps = (frameCount - 1) * stepsPerFrame;
  const world = new RAPIER.World({ x: 0, y: -scene.gravity, z: 0 });
  const queue = new RAPIER.EventQueue(true);
  try {
    world.timestep = stepS;
    const ids = new Map<number, number>();
    const still = (id: number, half: Vector, at: Vector) => {
      const desc = RAPIER.ColliderDesc.cuboid(...half).setTranslation(...at).setFriction(1).setRestitution(0);
      ids.set(world.createCollider(desc).handle, id);
    };
    still(floor, [60, 1, 60], [0, -1, 0]);
    still(backWall, [60, 60, 1], [0, 0, scene.room.wallZ - 1]);
    const bodies = scene.bodies.map((body, i) => {
      const rigid = world.createRigidBody(bodyDesc(body));
      ids.set(world.createCollider(colliderDesc(body), rigid).handle, i);
      return rigid;
    });
    for (const { body, pivot } of scene.tethers) {
      const anchor = world.createRigidBody(RAPIER.RigidBodyDesc.fixed().setTranslation(...pivot));
      const [x, y, z] = scene.bodies[body]!.position;
      world.createImpulseJoint(RAPIER.JointData.spherical({ x: 0, y: 0, z: 0 }, { x: pivot[0] - x, y: pivot[1] - y, z: pivot[2] - z }), anchor, bodies[body]!, true);
    }

    const count = bodies.length;
    const states = new Float64Array((steps + 1) * count * stateSize);
    const record = (step: number) => bodies.forEach((body, i) => writeState(states, (step * count + i) * stateSize, body));
    const contacts: Contact[] = [];
    const touching = new Map<string, Contact>();
    const held: Trajectory["held"] = [];
    const joints = new Map<number, RAPIER.ImpulseJoint>();
    record(0);
    for (let step = 1; step <= steps; step++) {
      const timeS = step * stepS;
      for (const drive of scene.drives) {
        const [x, y, z] = drivenPosition(drive, timeS);
        bodies[drive.body]!.setNextKinematicTranslation({ x, y, z });
      }
      scene.grips.forEach((grip, g) => {
        if (!joints.has(g) && timeS >= grip.fromS && timeS - stepS < grip.fromS && holds(grip, touching)) {
          joints.set(g, glue(world, bodies[grip.tools[0]!]!, bodies[grip.object]!));
          held.push({ grip: g, fromS: timeS });
        }
        const joint = joints.get(g);
        if (joint && timeS >= grip.untilS && timeS - stepS < grip.untilS) {
          world.removeImpulseJoint(joint, true);
          held.findLast((h) => h.grip === g)!.untilS = timeS;
        }
      });
      world.step(queue);
      record(step);
      queue.drainCollisionEvents((first, second, started) => {
        const [one, other] = [ids.get(first), ids.get(second)];
        if (one === undefined || other === undefined) return;
        const [a, b] = one < other ? [one, other] : [other, one];
        const key = `${a} ${b}`;
        if (!started) {
          const known = touching.get(key);
          if (known) known.endS = timeS;
          touching.delete(key);
          return;
        }
        const contact: Contact = { a, b, startS: timeS, speed: norm(relativeVelocity(states, count, step - 1, a, b)), impact: 0 };
        contacts.push(contact);
        touching.set(key, contact);
      });
    }
    for (const contact of contacts) contact.impact = impactOf(contact, states, count, Math.round(contact.startS / stepS), steps, scene.gravity * stepS);
    const masses = bodies.map((body, i) => (scene.bodies[i]!.role === "object" ? body.mass() : 0));
    const inertias = bodies.map((body, i): Vector => {
      const { x, y, z } = body.principalInertia();
      return scene.bodies[i]!.role === "object" ? [x, y, z] : [0, 0, 0];
    });
    return { fps, frameCount, stepsPerFrame, stepS, bodyCount: count, masses, inertias, states, contacts, held };
  } finally {
    queue.free();
    world.free();
  }
}

function bodyDesc(body: Body): RAPIER.RigidBodyDesc {
  const kind = body.role === "object" ? RAPIER.RigidBodyDesc.dynamic() : body.role === "tool" ? RAPIER.RigidBodyDesc.kinematicPositionBased() : RAPIER.RigidBodyDesc.fixed();
  const [x, y, z, w] = body.rotation;
  const [spinX, spinY, spinZ] = body.spin;
  kind.setTranslation(...body.position).setRotation({ x, y, z, w }).setCanSleep(false);
  if (body.role === "object") kind.setLinvel(...body.velocity).setAngvel({ x: spinX, y: spinY, z: spinZ }).setLinearDamping(body.linearDamping).setAngularDamping(body.angularDamping);
  return kind;
}

function colliderDesc({ shape, material }: Body): RAPIER.ColliderDesc {
  return solid(shape)
    .setDensity(material.density).setRestitution(material.restitution).setFriction(material.friction)
    .setFrictionCombineRule(RAPIER.CoefficientCombineRule.Min).setRestitutionCombineRule(RAPIER.CoefficientCombineRule.Max)
    .setActiveEvents(RAPIER.ActiveEvents.COLLISION_EVENTS);
}

function solid(shape: Shape): RAPIER.ColliderDesc {
  switch (shape.kind) {
    case "ball":
      return RAPIER.ColliderDesc.ball(shape.radius);
    case "box":
      return RAPIER.ColliderDesc.cuboid(...shape.half);
    case "cylinder":
      return RAPIER.ColliderDesc.cylinder(shape.half, shape.radius);
    case "capsule":
      return RAPIER.ColliderDesc.capsule(shape.half, shape.radius);
  }
}

/** Eased from one point of the path to the next, so that the speed has no jumps. */
export function drivenPosition({ path }: Drive, timeS: number): Vector {
  const after = path.findIndex((point) => point.timeS > timeS);
  if (after === 0) return path[0]!.position;
  if (after < 0) return path.at(-1)!.position;
  const [from, to] = [path[after - 1]!, path[after]!];
  const part = (timeS - from.timeS) / (to.timeS - from.timeS);
  const eased = part * part * (3 - 2 * part);
  const between = (i: 0 | 1 | 2) => from.position[i] + (to.position[i] - from.position[i]) * eased;
  return [between(0), between(1), between(2)];
}

/** A hand holds what all its fingers touch. */
function holds({ tools, object }: Grip, touching: ReadonlyMap<string, Contact>): boolean {
  return tools.slice(1).every((tool) => touching.has(tool < object ? `${tool} ${object}` : `${object} ${tool}`));
}

function glue(world: RAPIER.World, tool: RAPIER.RigidBody, object: RAPIER.RigidBody): RAPIER.ImpulseJoint {
  // Tools do not turn, so the difference of positions is already in the tool's frame.
  const [from, to] = [tool.translation(), object.translation()];
  const anchor = { x: to.x - from.x, y: to.y - from.y, z: to.z - from.z };
  return world.createImpulseJoint(RAPIER.JointData.fixed(anchor, object.rotation(), { x: 0, y: 0, z: 0 }, { x: 0, y: 0, z: 0, w: 1 }), tool, object, true);
}

function writeState(states: Float64Array, at: number, body: RAPIER.RigidBody): void {
  const [p, q, v, s] = [body.translation(), body.rotation(), body.linvel(), body.angvel()];
  states[at] = p.x;
  states[at + 1] = p.y;
  states[at + 2] = p.z;
  states[at + 3] = q.x;
  states[at + 4] = q.y;
  states[at + 5] = q.z;
  states[at + 6] = q.w;
  states[at + 7] = v.x;
  states[at + 8] = v.y;
  states[at + 9] = v.z;
  states[at + 10] = s.x;
  states[at + 11] = s.y;
  states[at + 12] = s.z;
}

const norm = ([x, y, z]: Vector): number => Math.sqrt(x * x + y * y + z * z);

function velocityAt(states: Float64Array, count: number, step: number, body: number): Vector {
  if (body < 0) return [0, 0, 0];
  const at = (step * count + body) * stateSize + 7;
  return [states[at]!, states[at + 1]!, states[at + 2]!];
}

function relativeVelocity(states: Float64Array, count: number, step: number, a: number, b: number): Vector {
  const [u, v] = [velocityAt(states, count, step, a), velocityAt(states, count, step, b)];
  return [v[0] - u[0], v[1] - u[1], v[2] - u[2]];
}

/** The engine reports a touch when bodies are about to, and pushes in one of the next steps. */
function impactOf({ a, b }: Contact, states: Float64Array, count: number, step: number, lastStep: number, fallPerStep: number): number {
  const before = relativeVelocity(states, count, step - 1, a, b);
  let most = 0;
  for (let k = 0; k <= 3 && step + k <= lastStep; k++) {
    const after = relativeVelocity(states, count, step + k, a, b);
    most = Math.max(most, norm([after[0] - before[0], after[1] - before[1], after[2] - before[2]]) - fallPerStep * (k + 1));
  }
  return most;
}

export interface BodyState {
  position: Vector;
  rotation: Quaternion;
  velocity: Vector;
  spin: Vector;
}

/** A body at a step. */
export function stateAt({ states, bodyCount }: Trajectory, step: number, body: number): BodyState {
  const at = (step * bodyCount + body) * stateSize;
  const [px, py, pz, qx, qy, qz, qw, vx, vy, vz, sx, sy, sz] = states.subarray(at, at + stateSize);
  return { position: [px!, py!, pz!], rotation: [qx!, qy!, qz!, qw!], velocity: [vx!, vy!, vz!], spin: [sx!, sy!, sz!] };
}
