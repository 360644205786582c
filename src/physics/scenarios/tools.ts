/** Things that are handled: an arm that pushes, a gripper that lifts. What the tool is told is recorded as actions. */
import type { Vector } from "../../video/vector.ts";
import type { Draw } from "../draw.ts";
import type { Body, Drive } from "../scene.ts";
import { askew, halfHeight, halfWidth, object, shapeOf, someColours, tool, type Play } from "./parts.ts";

/** An arm pushes an object along, once or in two goes; a second object may be in the way. */
export function pusher(draw: Draw, durationS: number): Play {
  const [colour, second] = someColours(draw, 2);
  const side = draw.side();
  const z = draw.between(-0.2, 0.2);
  const noun = draw.one(["cube", "cube", "cylinder", "box", "ball"] as const);
  const shape = shapeOf(noun, draw.between(0.27, 0.36));
  const start = -side * draw.between(0.35, 0.6);
  const bodies: Body[] = [object({ noun, shape, colour: colour!, position: [start, halfHeight(shape), z], rotation: askew(draw, 0.15), material: { density: 600, restitution: 0.02, friction: 0.5 } })];
  if (draw.chance(0.35)) {
    const other = draw.one(["cube", "ball", "cylinder"] as const);
    const standing = shapeOf(other, draw.between(0.25, 0.31));
    bodies.push(object({ noun: other, shape: standing, colour: second!, position: [side * draw.between(0.45, 0.75), halfHeight(standing), z], material: { density: 500, restitution: 0.05, friction: 0.5 } }));
  }
  const height = Math.min(0.3, halfHeight(shape));
  const plateX = start - side * (halfWidth(shape) + draw.between(0.25, 0.45));
  const reach = 1.1;
  const plate = bodies.push(tool({ noun: "arm", shape: { kind: "box", half: [0.05, 0.2, 0.22] }, colour: "steel", position: [plateX, height, z] })) - 1;
  const rod = bodies.push(tool({ noun: "arm", shape: { kind: "box", half: [reach, 0.06, 0.06] }, colour: "slate", position: [plateX - side * (reach + 0.05), height, z] })) - 1;
  const stroke = side * draw.between(0.9, 1.5);
  const stops: [part: number, done: number][] = draw.one([
    [[0.06, 0], [0.85, 1], [1, 1]],
    [[0.06, 0], [0.4, 0.5], [0.55, 0.5], [0.92, 1]],
    [[0.06, 0], [0.55, 1], [0.7, 1], [1, 0.55]],
  ]);
  const path = (from: Vector): Drive["path"] => stops.map(([part, done]) => ({ timeS: part * durationS, position: [from[0] + stroke * done, from[1], from[2]] }));
  return { bodies, drives: [plate, rod].map((body) => ({ body, path: path(bodies[body]!.position) })) };
}

/** A gripper comes down, closes on an object, lifts it, carries it a little and may let it go; now and then it misses. */
export function gripper(draw: Draw, durationS: number): Play {
  const [colour, second] = someColours(draw, 2);
  const noun = draw.one(["cube", "cube", "cylinder", "ball"] as const);
  const shape = shapeOf(noun, draw.between(0.24, 0.32));
  const wide = halfWidth(shape);
  const [x, z] = [draw.between(-0.7, 0.7), draw.between(-0.15, 0.15)];
  const bodies: Body[] = [object({ noun, shape, colour: colour!, position: [x, halfHeight(shape), z], material: { density: 600, restitution: 0.15, friction: 0.9 } })];
  if (draw.chance(0.3)) {
    const other = shapeOf("cube", 0.26);
    bodies.push(object({ noun: "cube", shape: other, colour: second!, position: [x > 0 ? x - 1.2 : x + 1.2, 0.26, z], rotation: askew(draw) }));
  }
  const misses = draw.chance(0.15);
  const slack = misses ? 0.05 : 0;
  const open = wide + 0.16;
  const closed = misses ? wide + slack : wide - 0.004;
  const finger: Vector = [0.05, 0.26, 0.12];
  const low = Math.max(finger[1] + 0.03, halfHeight(shape));
  const high = low + draw.between(0.9, 1.1);
  const lifted = low + draw.between(0.6, 0.95);
  const carry = draw.between(0.3, 0.7) * (x > 0 ? -1 : 1);
  const drops = draw.chance(0.5);
  /** Part of the clip, sideways, height of the fingers' middle, half the distance between them. */
  const plan: [number, number, number, number][] = [
    [0, 0, high, open],
    [0.3, 0, low, open],
    [0.4, 0, low, closed],
    [0.66, drops ? carry : 0, lifted, closed],
    [drops ? 0.72 : 1, carry, lifted, closed],
    ...(drops ? ([[0.8, carry, lifted, open], [1, carry, lifted + 0.2, open]] as [number, number, number, number][]) : []),
  ];
  const palmUp = finger[1] + 0.05;
  const parts = [
    { half: [0.3, 0.06, 0.13] as Vector, at: (): Vector => [0, palmUp, 0] },
    { half: finger, at: (spread: number): Vector => [-spread - finger[0], 0, 0] },
    { half: finger, at: (spread: number): Vector => [spread + finger[0], 0, 0] },
    { half: [0.06, 0.7, 0.06] as Vector, at: (): Vector => [0, palmUp + 0.75, 0] },
  ];
  const place = (at: Vector, [, sideways, up]: (typeof plan)[number]): Vector => [x + sideways + at[0], up + at[1], z + at[2]];
  const tools = parts.map(({ half, at }, i) => bodies.push(tool({ noun: "gripper", shape: { kind: "box", half }, colour: i === 3 ? "slate" : "steel", position: place(at(open), plan[0]!) })) - 1);
  const drives = tools.map((body, i) => ({ body, path: plan.map((step) => ({ timeS: step[0] * durationS, position: place(parts[i]!.at(step[3]), step) })) }));
  return { bodies, drives, grips: [{ tools: [tools[0]!, tools[1]!, tools[2]!], object: 0, fromS: 0.4 * durationS, untilS: (drops ? 0.73 : 9) * durationS }] };
}
