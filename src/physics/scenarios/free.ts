/** Things in the air: dropped, thrown, hung. */
import type { Vector } from "../../video/vector.ts";
import type { Draw } from "../draw.ts";
import { cosine, sine } from "../exact-math.ts";
import { askew, fixture, halfHeight, materials, object, shapeOf, someColours, tilted, type Play, type Shaping } from "./parts.ts";

const dropped: readonly Shaping[] = ["ball", "ball", "cube", "cylinder", "capsule", "box"];

/** One to three objects fall; those of rubber bounce, those of clay stay where they land. */
export function fall(draw: Draw): Play {
  const count = draw.one([1, 1, 2, 2, 3]);
  const colours = someColours(draw, count);
  const places = draw.some([-1.2, -0.4, 0.4, 1.2], count);
  return {
    bodies: colours.map((colour, i) => {
      const noun = draw.one(dropped);
      const shape = shapeOf(noun, count === 1 ? draw.between(0.28, 0.42) : draw.between(0.26, 0.33));
      const position: Vector = [places[i]! + draw.between(-0.02, 0.02), draw.between(1.1, 2.05) + halfHeight(shape) * 0.3, draw.between(-0.4, 0.4)];
      const material = draw.one([materials.rubber, materials.rubber, materials.wood, materials.clay]);
      return object({ noun, shape, colour, position, material, rotation: tilted(draw, noun === "ball" ? 1 : 0.5), spin: [draw.between(-1, 1), draw.between(-1, 1), draw.between(-2, 2)] });
    }),
  };
}

/** Something is thrown across the picture; now and then there is something to be hit. */
export function projectile(draw: Draw): Play {
  const [colour, second] = someColours(draw, 2);
  const side = draw.side();
  const noun = draw.one(["ball", "ball", "ball", "cube", "capsule"] as const);
  const shape = shapeOf(noun, draw.between(0.22, 0.32));
  const position: Vector = [-1.45 * side, draw.between(0.5, 1.3), draw.between(-0.3, 0.3)];
  const velocity: Vector = [draw.between(1.7, 2.7) * side, draw.between(2.4, 4.4), draw.between(-0.15, 0.15)];
  const bodies = [object({ noun, shape, colour: colour!, position, velocity, spin: [draw.between(-2, 2), draw.between(-2, 2), draw.between(-6, 6)], material: draw.one([materials.rubber, materials.wood]), rotation: tilted(draw, 1) })];
  if (draw.chance(0.35)) {
    const target = draw.one(["cube", "cylinder"] as const);
    const standing = shapeOf(target, draw.between(0.3, 0.38));
    bodies.push(object({ noun: target, shape: standing, colour: second!, position: [draw.between(0.5, 1.1) * side, halfHeight(standing), position[2]], rotation: askew(draw) }));
  }
  return { bodies };
}

/** A ball swings on a rope; now and then something stands in its way. */
export function pendulum(draw: Draw): Play {
  const [colour, second] = someColours(draw, 2);
  const side = draw.side();
  const radius = draw.between(0.25, 0.34);
  const pivot: Vector = [draw.between(-0.25, 0.25), 2.5, draw.between(-0.2, 0.2)];
  const rope = draw.between(1.25, 2.5 - radius - 0.45);
  const angle = draw.between(0.6, 1.25) * side;
  const position: Vector = [pivot[0] - rope * sine(angle), pivot[1] - rope * cosine(angle), pivot[2]];
  const bodies = [
    object({ noun: "ball", shape: { kind: "ball", radius }, colour: colour!, position, material: { ...materials.steel, density: 1500 } }),
    fixture({ noun: "beam", shape: { kind: "box", half: [0.55, 0.06, 0.12] }, colour: "wood", position: [pivot[0], pivot[1] + 0.06, pivot[2]] }),
  ];
  const lowest = pivot[1] - rope;
  if (draw.chance(0.4)) {
    const noun = draw.one(["cube", "cylinder"] as const);
    const half = Math.max(0.24, lowest / 2 + 0.02);
    const shape = noun === "cube" ? ({ kind: "box", half: [0.26, half, 0.26] } as const) : ({ kind: "cylinder", radius: 0.24, half } as const);
    bodies.push(object({ noun: noun === "cube" ? "block" : "cylinder", shape, colour: second!, position: [pivot[0] + side * (radius + 0.3), half, pivot[2]], material: { ...materials.wood, density: 350 } }));
  }
  return { bodies, tethers: [{ body: 0, pivot }] };
}
