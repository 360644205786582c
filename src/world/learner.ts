/**
 * What of a network is learned: all of it, or LoRA adapters beside weights that stay in their file. A network is built under
 * `root` in parts, each a component of a pipeline under a prefix of its own; `begin` says what the loop trains, `bound` what the
 * network is with what has been learned so far.
 */
import { OrreryError } from "../errors.ts";
import { isTarget, parameters, withLora, type Lora, type Parameter, type Parameters, type Scope } from "../nn/index.ts";
import { bindAdapted, bindWeights, memoryAdapter, readComponentWeights, readWeights, type Bound, type Component } from "../registry/index.ts";
import type { Weight } from "../tensor/index.ts";
import type { Task } from "../training/index.ts";
import type { Checkpoint } from "../weights/index.ts";

export interface Part {
  /** What is before the names of its parameters in the graph: "", or "text_encoder." */
  prefix: string;
  /** Where its weights come from; a part without is begun afresh, and always learned. */
  component?: Component | undefined;
}

export interface Learner {
  /** For the main part, whose linear layers may be adapted. */
  readonly root: Scope;
  /** For other parts, whose are not. */
  readonly plain: Scope;
  /** What `begin` found to learn of the adapters; none without LoRA. */
  readonly adapters: Parameters | undefined;
  /** To be called when the graph is built. The main part is the first. */
  begin(parts: readonly Part[]): Promise<Pick<Task, "parameters" | "start" | "frozen">>;
  /** The weights of a part, by their names in its component. */
  bound(learned: ReadonlyMap<string, Float32Array>, prefix: string): Promise<Bound>;
  /** The parameters of a part, by the same names. */
  parametersOf(prefix: string): Parameter[];
  close(): Promise<void>;
}

export function openLearner(lora: Lora | undefined): Learner {
  const all = parameters();
  const adapted = lora && withLora(all.root, lora);
  const opened: Checkpoint[] = [];
  const kept = new Map<string, { bound: Bound; checkpoint: Checkpoint }>();
  let prefixes: readonly string[] = [""];

  const parametersOf = (prefix: string): Parameter[] =>
    [...all.all.values()].filter(({ name }) => name.startsWith(prefix) && (prefix !== "" || !prefixes.some((p) => p !== "" && name.startsWith(p)))).map((p) => ({ ...p, name: p.name.slice(prefix.length) }));

  return {
    root: adapted?.root ?? all.root,
    plain: all.root,
    adapters: adapted?.adapters,
    parametersOf,
    async begin(parts) {
      prefixes = parts.map(({ prefix }) => prefix);
      const layers = [...(adapted?.adapters.all.keys() ?? [])].map((name) => name.replace(/\.lora_[AB]\.weight$/, ""));
      const idle = lora?.targets.filter((target) => !layers.some((path) => isTarget(path, [target]))) ?? [];
      if (idle.length > 0) throw new OrreryError("bad_argument", `the network has no layer ${idle.join(" or ")} to adapt; its layers are such as ${parametersOf("").filter(({ name, shape }) => shape.length === 2 && name.endsWith(".weight")).slice(0, 6).map(({ name }) => name.slice(0, -".weight".length)).join(", ")}`);
      const start = new Map<string, Float32Array>();
      const frozen = new Map<string, Weight>();
      const learned = new Map<string, Parameter>(adapted?.adapters.all ?? []);
      let weightsFolder: string | undefined;
      for (const { prefix, component } of parts) {
        const own = parametersOf(prefix);
        if (!adapted || !component) {
          for (const { name } of own) learned.set(prefix + name, all.all.get(prefix + name)!);
          if (component) for (const [name, values] of await readComponentWeights(component, own)) start.set(prefix + name, values);
          continue;
        }
        const checkpoint = await component.checkpoint();
        opened.push(checkpoint);
        // A graph's weights can lie in one folder only: the main part's.
        const bound: Bound = weightsFolder === undefined ? await bindWeights(checkpoint, own) : { weights: await readWeights(checkpoint, own), unused: [] };
        weightsFolder ??= bound.weightsFolder;
        kept.set(prefix, { bound, checkpoint });
        for (const [name, weight] of bound.weights) frozen.set(prefix + name, weight);
      }
      return { parameters: { root: all.root, all: learned }, start, ...(frozen.size > 0 ? { frozen: { weights: frozen, weightsFolder } } : {}) };
    },
    async bound(learned, prefix) {
      const base = kept.get(prefix);
      if (!base) return { weights: new Map(parametersOf(prefix).map(({ name }) => [name, learned.get(prefix + name)!])), unused: [] };
      if (prefix !== prefixes[0]) return base.bound;
      return bindAdapted(base.bound, base.checkpoint, parametersOf(prefix), [{ adapter: memoryAdapter(lora!, adapted!.adapters.all.values(), learned), scale: 1 }]);
    },
    async close() {
      for (const checkpoint of opened.splice(0)) await checkpoint.close();
    },
  };
}
