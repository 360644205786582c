/** The families of scenes. Adding one: a function that draws its bodies, and its line here. */
import type { Draw } from "../draw.ts";
import type { CameraMotion, Scene } from "../scene.ts";
import { fall, pendulum, projectile } from "./free.ts";
import { collision, occlusion, ramp, slide } from "./ground.ts";
import { makeCamera, makeLight, makeRoom, type Play } from "./parts.ts";
import { domino, stack } from "./standing.ts";
import { gripper, pusher } from "./tools.ts";

interface Scenario {
  /** One line for `orrery lab list`. */
  readonly shows: string;
  readonly play: (draw: Draw, durationS: number) => Play;
}

export const scenarios = {
  fall: { shows: "one to three objects fall, and bounce or stay as their material decides", play: fall },
  ramp: { shows: "something rolls or slides down a ramp, or stays on it", play: ramp },
  collision: { shows: "a rolling ball meets another object", play: collision },
  stack: { shows: "blocks on each other stand, topple by themselves or are struck", play: stack },
  pendulum: { shows: "a ball swings on a rope, freely or into a block", play: pendulum },
  projectile: { shows: "something is thrown in an arc and lands", play: projectile },
  domino: { shows: "a row of dominoes falls, or half of it", play: domino },
  occlusion: { shows: "something passes behind a wall, or stays there", play: occlusion },
  slide: { shows: "something slides until friction stops it", play: slide },
  pusher: { shows: "an arm pushes an object; with actions", play: pusher },
  gripper: { shows: "a gripper lifts an object and may drop it; with actions", play: gripper },
} as const satisfies Record<string, Scenario>;

export type ScenarioName = keyof typeof scenarios;

export const scenarioNames = Object.keys(scenarios) as ScenarioName[];

/** The scene of one clip: everything about it follows from the draw. */
export function makeScene(scenario: ScenarioName, draw: Draw, durationS: number, motion: CameraMotion): Scene {
  const play = scenarios[scenario].play(draw, durationS);
  return { scenario, gravity: 9.81, tethers: [], drives: [], grips: [], ...play, room: makeRoom(draw), light: makeLight(draw), camera: makeCamera(draw, motion) };
}
