/** Things that stand until they do not: stacks and rows of dominoes. */
import type { Vector } from "../../video/vector.ts";
import type { Draw } from "../draw.ts";
import { turnAbout } from "../exact-math.ts";
import type { Body } from "../scene.ts";
import { askew, materials, object, rolling, someColours, type Play } from "./parts.ts";

/** Two to four blocks on each other: standing firm, leaning too far, or struck by a ball. */
export function stack(draw: Draw): Play {
  const count = draw.one([2, 3, 3, 4]);
  const colours = someColours(draw, count + 1);
  const fate = draw.one(["stands", "leans", "leans", "struck", "struck"] as const);
  const side = draw.side();
  const foot = draw.between(-0.2, 0.3) * side;
  const z = draw.between(-0.2, 0.2);
  const halves = Array.from({ length: count }, (): Vector => [draw.between(0.27, 0.34), draw.between(0.2, 1.0 / count), draw.between(0.27, 0.34)]);
  const bodies: Body[] = [];
  // What lies on the lowest block has its centre (count / 2) steps beside that block's; beyond its edge it cannot stay.
  const step = ((halves[0]![0] * 2) / count) * draw.between(1.1, 1.35);
  let [x, y] = [foot, 0];
  halves.forEach((half, i) => {
    if (i > 0) x += fate === "leans" ? side * step * draw.between(0.97, 1.03) : draw.between(-0.05, 0.05);
    bodies.push(object({ noun: "block", shape: { kind: "box", half }, colour: colours[i]!, position: [x, y + half[1], z], rotation: askew(draw, 0.2), material: { density: 600, restitution: 0.02, friction: 0.6 } }));
    y += 2 * half[1];
  });
  if (fate === "struck") {
    const radius = draw.between(0.24, 0.3);
    const high = draw.chance(0.5);
    const position: Vector = [-1.45 * side, high ? Math.min(y * 0.75, 1.3) : radius, z];
    const flying = { velocity: [draw.between(3, 3.8) * side, draw.between(0.8, 1.5), 0] as Vector };
    bodies.push(object({ noun: "ball", shape: { kind: "ball", radius }, colour: colours[count]!, position, ...(high ? flying : rolling(draw.between(2.4, 3.2) * side, radius)), material: { ...materials.steel, density: 1800 } }));
  }
  return { bodies };
}

/** A row of dominoes; a ball or a nudge tips the first, or a gap ends the run. */
export function domino(draw: Draw): Play {
  const count = draw.whole(4, 6);
  const [colour, second] = someColours(draw, 2);
  const side = draw.side();
  const half: Vector = [0.055, draw.between(0.32, 0.42), 0.2];
  const gap = draw.between(0.3, 0.36);
  const byBall = draw.chance(0.55);
  const first = -side * (byBall ? 0.62 : 1.05);
  const z = draw.between(-0.2, 0.2);
  const broken = draw.chance(0.25) ? draw.whole(2, count - 2) : count;
  const bodies = Array.from({ length: count }, (_, i): Body => {
    const x = first + side * (i * gap + (i >= broken ? 0.75 : 0));
    const nudge = !byBall && i === 0 ? { rotation: turnAbout([0, 0, 1], -0.16 * side), spin: [0, 0, -1.2 * side] as Vector } : {};
    return object({ noun: "domino", shape: { kind: "box", half }, colour: colour!, position: [x, half[1] + (i === 0 && !byBall ? 0.006 : 0), z], material: { density: 700, restitution: 0.02, friction: 0.45 }, ...nudge });
  });
  if (byBall) {
    const radius = draw.between(0.22, 0.28);
    bodies.push(object({ noun: "ball", shape: { kind: "ball", radius }, colour: second!, position: [-1.5 * side, radius, z], ...rolling(draw.between(2, 2.8) * side, radius), material: materials.steel }));
  }
  return { bodies };
}
