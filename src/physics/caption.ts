/**
 * Captions from what happened: a sentence for each object, in the order of time, then the room and the camera. The words
 * are few and always the same, so that a small model can learn them, and each is backed by an event or a property.
 */
import { partnerName, type LabEvent } from "./events.ts";
import type { Film } from "./render/film.ts";
import type { Scene } from "./scene.ts";
import { stateAt, type Trajectory } from "./simulate.ts";

export interface Caption {
  /** Objects and what they do. */
  short: string;
  /** That, and the room, the light and the camera. */
  full: string;
}

export function captionOf(scene: Scene, trajectory: Trajectory, film: Film, all: readonly LabEvent[]): Caption {
  const shows = (i: number, frame: number): boolean => {
    const sighting = film.sightings[frame]?.[i];
    return i < 0 || (sighting !== undefined && sighting.visible >= 0.1 * sighting.whole && sighting.visible > 0);
  };
  // Only what can be seen is told: not what happens behind a wall, and not with whom if that one never shows.
  const everSeen = (i: number) => film.sightings.some((_, frame) => shows(i, frame));
  const events = all.filter(({ kind, subject, object, frame }) => (kind === "hides" || kind === "leaves" || shows(subject, frame)) && (object === undefined || everSeen(object)));
  const sentences = isDominoRow(scene) ? dominoSentences(scene, events) : objectSentences(scene, trajectory, events, everSeen);
  const short = sentences.join(" ");
  return { short, full: [short, roomSentence(scene), cameraSentence(scene)].filter(Boolean).join(" ") };
}

/** "red ball"; "blue cube"; for things without a colour of their own "ramp", "arm". */
export function nameOf(scene: Scene, index: number): string {
  const body = scene.bodies[index];
  if (body === undefined) return partnerName(scene, index);
  return body.role === "object" ? `${body.colour} ${body.noun}` : body.noun;
}

const article = (noun: string): string => (/^[aeiou]/.test(noun) ? "an" : "a");
const capital = (text: string): string => text[0]!.toUpperCase() + text.slice(1);

/** "a, b and c". */
function list(parts: readonly string[]): string {
  return parts.length < 2 ? (parts[0] ?? "") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
}

function objectSentences(scene: Scene, trajectory: Trajectory, events: readonly LabEvent[], everSeen: (i: number) => boolean): string[] {
  const objects = [...scene.bodies.keys()].filter((i) => scene.bodies[i]!.role === "object" && everSeen(i));
  const told = objects.map((i) => ({ i, verbs: verbsOf(scene, trajectory, events, i), first: events.find((e) => e.subject === i || e.object === i)?.timeS ?? Infinity }));
  told.sort((a, b) => a.first - b.first || a.i - b.i);
  const introduced = new Set<number>();
  const refer = (i: number): string => {
    const name = nameOf(scene, i);
    if (scene.bodies[i]?.role !== "object" || introduced.has(i)) return `the ${name}`;
    introduced.add(i);
    return `${article(name)} ${name}`;
  };
  return told.map(({ i, verbs }) => {
    const subject = capital(refer(i));
    return `${subject} ${list(verbs.map((verb) => verb(refer)))}.`;
  });
}

type Verb = (refer: (i: number) => string) => string;

const times = (count: number): string => (count === 1 ? "" : count === 2 ? " twice" : count === 3 ? " three times" : " again and again");

/** What one object does, at most five things; what follows from what is said already is left out. */
function verbsOf(scene: Scene, trajectory: Trajectory, events: readonly LabEvent[], i: number): Verb[] {
  const verbs: Verb[] = [];
  const mine = events.filter((e) => e.subject === i || e.object === i);
  const bounces = mine.filter((e) => e.kind === "bounces" && e.subject === i).length;
  const hasTool = mine.some((e) => e.kind === "pushes" || e.kind === "grasps");
  const said = new Set<string>();
  const once = (key: string, verb: Verb): void => {
    if (said.has(key)) return;
    said.add(key);
    verbs.push(verb);
  };
  for (const { kind, subject, object, timeS } of mine) {
    const passive = subject !== i;
    const partner = passive ? subject : object;
    switch (kind) {
      case "falls":
        if (!said.has("released")) once("falls", () => "falls");
        break;
      case "flies":
        once("flies", () => `flies in an arc to the ${sideOf(trajectory, i, 0)}`);
        break;
      case "bounces":
        if (!passive) said.add(`on ${partner}`);
        if (!passive) once("bounces", (refer) => `bounces on ${refer(partner!)}${times(bounces)}`);
        break;
      case "lands":
        if (!passive) said.add(`on ${partner}`);
        if (!passive && bounces === 0) once("lands", (refer) => `lands on ${refer(partner!)}`);
        break;
      case "hits":
        if (said.has(`on ${partner}`)) break;
        if (passive) once(`hit by ${partner}`, (refer) => `is hit by ${refer(partner!)}`);
        else once(`hits ${partner}`, (refer) => `hits ${refer(partner!)}`);
        break;
      case "topples":
        once("topples", () => "topples over");
        break;
      case "rolls":
      case "slides":
        // After a fall a short roll is no news, and what is pushed slides.
        if (!hasTool && !said.has("bounces") && !said.has("lands") && !said.has("topples")) once("travels", () => `${kind} ${wayOf(scene, trajectory, i, timeS)}`);
        break;
      case "swings":
        once("swings", () => "swings on a rope");
        break;
      case "stops":
        once("stops", () => (said.size === 1 ? "moves a little and comes to rest" : "comes to rest"));
        break;
      case "hides": {
        const back = mine.some((e) => e.kind === "reappears" && e.subject === i && e.timeS > timeS);
        if (!passive) once("hides", (refer) => `${back ? "passes" : "disappears"} behind ${partner === undefined ? "something" : refer(partner)}`);
        break;
      }
      case "reappears":
        once("reappears", () => "comes out again");
        break;
      case "leaves":
        once("leaves", () => "leaves the picture");
        break;
      case "pushes":
        once("pushed", (refer) => `is pushed to the ${sideOf(trajectory, i, timeS)} by ${refer(partner!)}`);
        break;
      case "grasps":
        once("grasped", (refer) => `is grasped by ${refer(partner!)}`);
        break;
      case "lifts":
        once("lifted", () => "is lifted");
        break;
      case "releases":
        once("released", () => "is dropped");
        break;
      case "enters":
      case "turns":
        break;
      default:
        kind satisfies never;
    }
  }
  if (verbs.length === 0) return [() => restOf(scene, trajectory, i)];
  return verbs.slice(0, 5);
}

function restOf(scene: Scene, trajectory: Trajectory, i: number): string {
  const onRamp = trajectory.contacts.some((c) => (c.a === i || c.b === i) && c.startS < 0.2 && scene.bodies[c.a === i ? c.b : c.a]?.noun === "ramp");
  if (onRamp) return "stays on the ramp";
  return scene.bodies[i]!.shape.kind === "ball" ? "lies still" : "stands still";
}

/** To which side a body has gone from a time to the end. */
function sideOf(trajectory: Trajectory, i: number, timeS: number): string {
  const lastStep = (trajectory.frameCount - 1) * trajectory.stepsPerFrame;
  const from = stateAt(trajectory, Math.round(timeS / trajectory.stepS), i).position[0];
  return stateAt(trajectory, lastStep, i).position[0] < from ? "left" : "right";
}

function wayOf(scene: Scene, trajectory: Trajectory, i: number, timeS: number): string {
  const onRamp = trajectory.contacts.some((c) => (c.a === i || c.b === i) && c.startS <= timeS && (c.endS ?? Infinity) > timeS && scene.bodies[c.a === i ? c.b : c.a]?.noun === "ramp");
  if (onRamp) return "down the ramp";
  // By the motion at that time: what bounces back still went there first.
  return `to the ${stateAt(trajectory, Math.round(timeS / trajectory.stepS), i).velocity[0] < 0 ? "left" : "right"}`;
}

const numbers = ["no", "one", "two", "three", "four", "five", "six", "seven"];

const isDominoRow = (scene: Scene): boolean => scene.bodies.some((body) => body.noun === "domino");

/** A row is told as a whole: nobody names six equal dominoes one by one. */
function dominoSentences(scene: Scene, events: readonly LabEvent[]): string[] {
  const row = [...scene.bodies.keys()].filter((i) => scene.bodies[i]!.noun === "domino");
  const ball = scene.bodies.findIndex((body) => body.noun === "ball");
  const fallen = row.filter((i) => events.some((e) => e.kind === "topples" && e.subject === i)).length;
  const colour = scene.bodies[row[0]!]!.colour;
  const sentences: string[] = [];
  if (ball >= 0) {
    const name = nameOf(scene, ball);
    const hit = events.some((e) => e.kind === "hits" && ((e.subject === ball && row.includes(e.object!)) || (e.object === ball && row.includes(e.subject))));
    sentences.push(`${capital(article(name))} ${name} rolls${hit ? ` and hits a row of ${numbers[row.length]} ${colour} dominoes` : " towards a row of dominoes"}.`);
  }
  const rowName = ball >= 0 ? "The dominoes" : `${capital(numbers[row.length]!)} ${colour} dominoes in a row`;
  const falling = fallen === 0 ? "stay standing" : fallen === 1 ? `stand; one ${colour} domino topples over` : "topple one after another";
  sentences.push(fallen > 1 && fallen < row.length ? `${rowName} topple one after another until ${numbers[row.length - fallen]} ${row.length - fallen === 1 ? "is" : "are"} left standing.` : `${rowName} ${falling}.`);
  return sentences;
}

function roomSentence({ room, light }: Scene): string {
  const floorName = room.floor.pattern === "checker" ? `${room.floor.colour} checkered` : room.floor.colour;
  return `The floor is ${floorName}, the wall is ${room.wall.colour}, the light is ${light.name}.`;
}

function cameraSentence({ camera }: Scene): string {
  switch (camera.motion) {
    case "static":
      return "";
    case "pan":
      return `The camera pans to the ${camera.sign > 0 ? "right" : "left"}.`;
    case "zoom":
      return `The camera zooms ${camera.sign > 0 ? "out" : "in"}.`;
    case "shake":
      return "The camera shakes.";
    case "orbit":
      return "The camera moves around the scene.";
  }
}

