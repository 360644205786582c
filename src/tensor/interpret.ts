/** Runs a graph by the ops' own definitions, in doubles and slowly: the truth in tests, and constant folding. */
import { reachable, type NdArray, type Tensor } from "./graph.ts";
import { isFloat } from "./dtype.ts";
import { sameShape, show } from "./shape.ts";

/** Values of `outputs`; `feeds` gives the inputs by name. Nothing is rounded to a tensor's type, so float32 graphs are computed in float64. */
export function evaluateGraph(outputs: readonly Tensor[], feeds: Readonly<Record<string, NdArray>> = {}): NdArray[] {
  const values = new Map<Tensor, NdArray>();
  for (const node of reachable(outputs)) {
    if (node.op.name === "input") {
      const fed = feeds[node.attrs["name"] as string];
      if (!fed) throw new TypeError(`no value for input ${String(node.attrs["name"])}`);
      values.set(node, fed);
      continue;
    }
    const value = node.op.evaluate(node.inputs.map((i) => values.get(i)!), node.attrs, node);
    if (!sameShape(value.shape, node.shape)) throw new Error(`${node.op.name} evaluated to shape ${show(value.shape)}, declared ${show(node.shape)}`);
    if (!isFloat(node.dtype) && value.data.some((v) => !Number.isInteger(v))) throw new Error(`${node.op.name} gave a fraction as ${node.dtype}`);
    values.set(node, value);
  }
  return outputs.map((o) => values.get(o)!);
}
