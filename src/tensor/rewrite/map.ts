/** Walks a graph from its inputs and lets a function replace nodes; whatever stands above a replaced node is rebuilt. */
import { rebuild, reachable, type Tensor } from "../graph.ts";

/** `replace` sees each node with its inputs already replaced, and as it was, and returns it or another of the same shape and type. */
export function mapGraph(outputs: readonly Tensor[], replace: (node: Tensor, original: Tensor) => Tensor): Tensor[] {
  const done = new Map<Tensor, Tensor>();
  for (const node of reachable(outputs)) {
    const inputs = node.inputs.map((i) => done.get(i)!);
    const same = inputs.every((input, i) => input === node.inputs[i]);
    done.set(node, replace(same ? node : rebuild(node, inputs), node));
  }
  return outputs.map((o) => done.get(o)!);
}
