/** Things that move along the ground: down a ramp, until friction stops them, into each other, behind a wall. */
import type { Vector } from "../../video/vector.ts";
import type { Draw } from "../draw.ts";
import { cosine, sine, turnAbout } from "../exact-math.ts";
import type { Body } from "../scene.ts";
import { askew, fixture, halfHeight, halfWidth, lying, materials, object, rolling, shapeOf, someColours, type Play } from "./parts.ts";

/** Something round rolls down a ramp, or a cube slides down it or stays, as friction decides. */
export function ramp(draw: Draw): Play {
  const [colour, second] = someColours(draw, 2);
  const side = draw.side(); // the high end
  const slope = draw.between(0.3, 0.5);
  const half = draw.between(0.95, 1.1);
  const thick = 0.05;
  const along: Vector = [cosine(slope) * side, sine(slope), 0];
  const normal: Vector = [-sine(slope) * side, cosine(slope), 0];
  // The upper edge of the low end lies on the floor.
  const centre: Vector = [side * 0.55 - normal[0] * thick, half * along[1] - normal[1] * thick, 0];
  const rotation = turnAbout([0, 0, 1], slope * side);
  const post = half * along[1] - 0.07;
  const bodies: Body[] = [
    fixture({ noun: "ramp", shape: { kind: "box", half: [half, thick, 0.5] }, colour: "wood", position: centre, rotation }),
    fixture({ noun: "post", shape: { kind: "box", half: [0.07, post, 0.42] }, colour: "slate", position: [centre[0] + along[0] * half * 0.8, post * 0.8, 0] }),
  ];
  const noun = draw.one(["ball", "ball", "cylinder", "cube"] as const);
  const size = draw.between(0.24, 0.33);
  const shape = shapeOf(noun, size);
  const start = half * draw.between(0.55, 0.8);
  const lift = noun === "cylinder" ? halfWidth(shape) : halfHeight(shape);
  const position: Vector = [centre[0] + along[0] * start + normal[0] * (thick + lift), centre[1] + along[1] * start + normal[1] * (thick + lift), draw.between(-0.1, 0.1)];
  const grip = noun === "cube" ? draw.one([0.04, 0.15, 0.9]) : 0.7;
  bodies.push(object({ noun, shape, colour: colour!, position, rotation: noun === "cube" ? rotation : noun === "cylinder" ? lying : rotation, material: { density: 900, restitution: 0.2, friction: grip } }));
  if (draw.chance(0.4)) {
    const target = draw.one(["cube", "ball", "cylinder"] as const);
    const standing = shapeOf(target, draw.between(0.24, 0.3));
    bodies.push(object({ noun: target, shape: standing, colour: second!, position: [-side * draw.between(0.95, 1.25), halfHeight(standing), position[2]], rotation: askew(draw, 0.3), material: { ...materials.wood, density: 400 } }));
  }
  return { bodies };
}

/** Something is shoved and slides until friction stops it, early or late; two of them show the difference. */
export function slide(draw: Draw): Play {
  const count = draw.one([1, 1, 2]);
  const colours = someColours(draw, count);
  const side = draw.side();
  return {
    bodies: colours.map((colour, i) => {
      const noun = draw.one(["cube", "box", "cylinder"] as const);
      const shape = shapeOf(noun, draw.between(0.26, 0.36));
      const friction = draw.one([0.08, 0.2, 0.35, 0.55]);
      // So that it comes to rest inside the picture, or nearly.
      const speed = Math.min(3.4, Math.sqrt(2 * 9.81 * friction * draw.between(0.9, 2.2)));
      const z = count === 1 ? draw.between(-0.4, 0.4) : i === 0 ? 0.55 : -0.55;
      return object({ noun, shape, colour, position: [-1.25 * side, halfHeight(shape), z], rotation: askew(draw, 0.15), velocity: [speed * side, 0, 0], material: { density: 700, restitution: 0.05, friction } });
    }),
  };
}

/** One object runs into another, or both meet. */
export function collision(draw: Draw): Play {
  const [colour, second, third] = someColours(draw, 3);
  const side = draw.side();
  const z = draw.between(-0.25, 0.25);
  const radius = draw.between(0.26, 0.36);
  const speed = draw.between(1.7, 3.2);
  const material = draw.one([materials.rubber, materials.steel, materials.wood]);
  const bodies = [object({ noun: "ball", shape: { kind: "ball", radius }, colour: colour!, position: [-1.3 * side, radius, z], ...rolling(speed * side, radius), material })];
  const noun = draw.one(["ball", "ball", "cube", "cylinder"] as const);
  const shape = shapeOf(noun, draw.between(0.26, 0.36));
  const oncoming = noun === "ball" && draw.chance(0.4);
  const place: Vector = [oncoming ? 1.3 * side : draw.between(-0.1, 0.45) * side, halfHeight(shape), z + draw.between(-0.08, 0.08)];
  const motion = oncoming ? rolling(-draw.between(1.2, 2.6) * side, halfHeight(shape)) : {};
  bodies.push(object({ noun, shape, colour: second!, position: place, ...motion, material: draw.one([materials.rubber, materials.steel, materials.wood]), rotation: askew(draw, 0.3) }));
  if (!oncoming && draw.chance(0.3)) {
    const next = shapeOf("ball", draw.between(0.24, 0.32));
    bodies.push(object({ noun: "ball", shape: next, colour: third!, position: [place[0] + side * (halfWidth(shape) + halfWidth(next) + draw.between(0.1, 0.3)), halfHeight(next), z], material: materials.rubber }));
  }
  return { bodies };
}

/** Something passes behind a wall, or stops there; behind the wall there may be something that nobody has seen. */
export function occlusion(draw: Draw): Play {
  const [colour, second] = someColours(draw, 2);
  const side = draw.side();
  const half: Vector = [draw.between(0.5, 0.65), draw.between(0.5, 0.62), 0.07];
  const bodies: Body[] = [fixture({ noun: "wall", shape: { kind: "box", half }, colour: "stone", position: [draw.between(-0.1, 0.2) * side, half[1], 0.7] })];
  const noun = draw.one(["ball", "ball", "cylinder", "cube"] as const);
  const shape = shapeOf(noun, draw.between(0.24, 0.3));
  const z = draw.between(-0.35, -0.05);
  const ending = draw.one(["passes", "passes", "stops"] as const);
  const start = -1.4 * side;
  if (noun === "cube") {
    const friction = ending === "passes" ? 0.05 : 0.32;
    const speed = ending === "passes" ? draw.between(1.9, 2.5) : Math.sqrt(2 * 9.81 * friction * draw.between(1.35, 1.5));
    bodies.push(object({ noun, shape, colour: colour!, position: [start, halfHeight(shape), z], velocity: [speed * side, 0, 0], material: { density: 700, restitution: 0.05, friction } }));
  } else {
    const speed = ending === "passes" ? draw.between(1.8, 2.4) : draw.between(1.9, 2.2);
    // A ball that is to stay meets a heavy block which the wall hides.
    const lift = halfWidth(shape);
    bodies.push(object({ noun, shape, colour: colour!, position: [start, lift, z], ...rolling(speed * side, lift), rotation: noun === "cylinder" ? lying : askew(draw), material: { density: 700, restitution: 0.05, friction: 0.8 } }));
    if (ending === "stops") bodies.push(object({ noun: "block", shape: { kind: "box", half: [0.16, 0.3, 0.24] }, colour: second!, position: [side * 0.28, 0.3, z], material: { density: 4000, restitution: 0, friction: 0.9 } }));
  }
  return { bodies };
}
