/**
 * The guards and processors that are part of Orrery, by kind, and `openGuards`, which opens those that a policy names. To add
 * one: write its factory in a folder of its own and add its line here. Modules are loaded only when a policy asks for them.
 */
import { OrreryError } from "../errors.ts";
import { isolateGuard } from "./isolate.ts";
import type { GuardFactory, ProcessorFactory } from "./opened.ts";
import type { Policy, PolicyEntry } from "./policy.ts";
import { runGuards, type Guards } from "./runner.ts";
import type { Stage } from "./verdict.ts";

/** A module that has a factory under a name; the file's path in this room is for the thread of `isolateMb`. */
interface Kind<F> {
  file: string;
  name: string;
  load(): Promise<F>;
}

function kind<N extends string>(file: `./${string}.ts`, name: N, load: () => Promise<Record<N, GuardFactory>>): Kind<GuardFactory> {
  return { file, name, load: async () => (await load())[name] };
}

/** The same for work on allowed frames. */
export function processorKind<N extends string>(file: `./${string}.ts`, name: N, load: () => Promise<Record<N, ProcessorFactory>>): Kind<ProcessorFactory> {
  return { file, name, load: async () => (await load())[name] };
}

/** Guards by kind. */
const guardKinds: Readonly<Record<string, Kind<GuardFactory>>> = {
  "language-model": kind("./language-model/guard.ts", "openLanguageModelGuard", () => import("./language-model/guard.ts")),
  "video-judge": kind("./video-judge/guard.ts", "openVideoJudge", () => import("./video-judge/guard.ts")),
  nsfw: kind("./content/nsfw/guard.ts", "openNsfw", () => import("./content/nsfw/guard.ts")),
  "image-classifier": kind("./content/onnx/guard.ts", "openImageClassifier", () => import("./content/onnx/guard.ts")),
  "video-classifier": kind("./content/siglip/guard.ts", "openVideoClassifier", () => import("./content/siglip/guard.ts")),
  faces: kind("./faces/guard.ts", "openFaceGuard", () => import("./faces/guard.ts")),
  "built-in-classifier": kind("./classifier/guard.ts", "openClassifierGuard", () => import("./classifier/guard.ts")),
  blocklist: kind("./blocklist/guard.ts", "openBlocklist", () => import("./blocklist/guard.ts")),
};

/** Work on allowed frames by kind. */
const processorKinds: Readonly<Record<string, Kind<ProcessorFactory>>> = {
  faces: processorKind("./faces/guard.ts", "openFaceProcessor", () => import("./faces/guard.ts")),
};

export interface OpenGuardsOptions {
  /** Open only what is needed for these stages; at any other, nothing is allowed. All, if absent. */
  stages?: readonly Stage[];
  /** Guards of the program's own, by kind; they take precedence. */
  factories?: Readonly<Record<string, GuardFactory>>;
  processors?: Readonly<Record<string, ProcessorFactory>>;
}

/** Opens the guards of a policy. Never throws for a guard that cannot be opened: it blocks, if it is required. */
export async function openGuards(policy: Policy, { stages, factories = {}, processors = {} }: OpenGuardsOptions = {}): Promise<Guards> {
  const wanted = (entry: PolicyEntry): boolean => stages === undefined || entry.stages.some((stage) => stages.includes(stage));
  const guards = Object.fromEntries(
    Object.entries(guardKinds).map(([name, known]): [string, GuardFactory] => [name, (entry) => openKind(known, entry)]),
  );
  const work = Object.fromEntries(Object.entries(processorKinds).map(([name, known]): [string, ProcessorFactory] => [name, async (entry) => (await known.load())(entry)]));
  const notAsked = "only other stages were asked for";
  const guarded = Object.entries({ ...guards, ...factories }).map(([name, factory]): [string, GuardFactory] => [
    name,
    async (entry) => {
      if (!wanted(entry)) throw new OrreryError("bad_argument", notAsked);
      if (entry.isolateMb !== undefined && Object.hasOwn(factories, name)) throw new OrreryError("bad_config", `isolateMb is for guards that are part of Orrery; open "${name}" with isolateGuard in its own factory`);
      return factory(entry);
    },
  ]);
  const worked = Object.entries({ ...work, ...processors }).map(([name, factory]): [string, ProcessorFactory] => [
    name,
    async (entry) => {
      if (stages !== undefined && !stages.includes("video")) throw new OrreryError("bad_argument", notAsked);
      return factory(entry);
    },
  ]);
  return runGuards(policy, Object.fromEntries(guarded), Object.fromEntries(worked));
}

async function openKind({ file, name, load }: Kind<GuardFactory>, entry: PolicyEntry): ReturnType<GuardFactory> {
  if (entry.isolateMb === undefined) return (await load())(entry);
  // A thread loads the built file, also when this one runs from source.
  const folder = import.meta.url.endsWith(".ts") ? "../../dist/guardrail/" : "./";
  const module = new URL(file.replace(/^\.\//, folder).replace(/\.ts$/, ".js"), import.meta.url).href;
  return isolateGuard({ module, name, settings: entry }, entry.isolateMb);
}
