/** From a graph to a program: rewriting, lowering op by op, and the list of what goes in and out. */
import { reachable, type Target, type Tensor } from "./graph.ts";
import type { DType } from "./dtype.ts";
import type { Shape } from "./shape.ts";
import { OnnxWriter, type Weight } from "./onnx/writer.ts";
import { rewrite as rewriteGraph } from "./rewrite/index.ts";

export interface ValueSpec {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: DType;
}

export interface Program {
  readonly target: Target;
  readonly inputs: readonly ValueSpec[];
  readonly outputs: readonly ValueSpec[];
  /** An ONNX `ModelProto`. */
  readonly model: Uint8Array;
  /** Outputs that may be written over the input they succeed, because that one has been read for the last time by then. */
  readonly inPlace: Readonly<Record<string, string>>;
}

export interface CompileOptions {
  outputs: Readonly<Record<string, Tensor>>;
  /** Where it will run; `cpu` and `cuda` may use ONNX Runtime's fused operators. */
  target?: Target;
  /** Graph inputs that become part of the model, by name. */
  weights?: Readonly<Record<string, Weight>> | ReadonlyMap<string, Weight>;
  /** Outputs that are the next value of an input, as output name to input name; see `Program.inPlace`. */
  succeeds?: Readonly<Record<string, string>>;
  /** Off only to compare. */
  rewrite?: boolean;
}

/** Lowers everything that the outputs need. Inputs that no output needs are not part of the program. */
export function compile({ outputs, target = "cpu", weights = {}, succeeds = {}, rewrite = true }: CompileOptions): Program {
  const names = Object.keys(outputs);
  const wanted = names.map((n) => outputs[n]!);
  const roots = rewrite ? rewriteGraph(wanted, target) : wanted;
  const table: ReadonlyMap<string, Weight> = weights instanceof Map ? weights : new Map(Object.entries(weights));
  const writer = new OnnxWriter(target);
  const values = new Map<Tensor, string>();
  const inputs = new Map<string, ValueSpec>();
  for (const node of reachable(roots)) {
    if (node.op.name === "input") {
      const name = node.attrs["name"] as string;
      if (inputs.has(name)) throw new TypeError(`two inputs of the graph are named ${name}`);
      const weight = table.get(name);
      inputs.set(name, { name, shape: node.shape, dtype: node.dtype });
      values.set(node, writer.input(name, node, weight));
    } else values.set(node, node.op.lower(writer, node, node.inputs.map((i) => values.get(i)!), node.attrs));
  }
  roots.forEach((root, i) => writer.output(names[i]!, values.get(root)!, root));
  return {
    target,
    inputs: [...inputs.values()].filter((i) => !table.has(i.name)),
    outputs: roots.map((root, i) => ({ name: names[i]!, shape: root.shape, dtype: root.dtype })),
    model: writer.finish(),
    inPlace: overwritable(names, roots, succeeds),
  };
}

/** Ops that may write over their operand: what they write at a place depends on nothing of it elsewhere. */
const elementwise = new Set(["add", "sub", "mul", "where", "setAt"]);
/** Ops whose result may share its input's memory. */
const views = new Set(["reshape", "stopGradient"]);

/** The value whose memory a view reads. */
const memoryOf = (t: Tensor): Tensor => (views.has(t.op.name) ? memoryOf(t.inputs[0]!) : t);

/**
 * An input can be overwritten by its successor when everything that reads it is needed to compute the successor, so has run
 * before, or is the successor itself, element by element. Reading through a view counts as reading.
 */
function overwritable(names: readonly string[], roots: readonly Tensor[], succeeds: Readonly<Record<string, string>>): Record<string, string> {
  const nodes = reachable(roots);
  const readers = new Map<Tensor, Tensor[]>();
  for (const node of nodes) for (const i of node.inputs) readers.set(i, [...(readers.get(i) ?? []), node]);
  const inputs = new Map(nodes.filter((n) => n.op.name === "input").map((n) => [n.attrs["name"] as string, n]));
  const readersThroughViews = (t: Tensor): Tensor[] => (readers.get(t) ?? []).flatMap((r) => (views.has(r.op.name) ? [r, ...readersThroughViews(r)] : [r]));
  const result: Record<string, string> = {};
  names.forEach((name, k) => {
    const source = inputs.get(succeeds[name] ?? "");
    const next = roots[k]!;
    if (!source || next === source || roots.includes(source) || readersThroughViews(source).some((r) => roots.includes(r) && r !== next)) return;
    const before = new Set(reachable([next], (n) => n.id < source.id));
    const safe = readersThroughViews(source).every((r) => (r === next ? elementwise.has(r.op.name) && r.inputs.every((i) => i === source || memoryOf(i) !== source) : before.has(r)));
    if (safe) result[name] = succeeds[name]!;
  });
  return result;
}
