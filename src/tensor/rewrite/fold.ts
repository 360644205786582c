/** Constant folding: a small node whose inputs are all constants becomes a constant. */
import { constant, type NdArray, type Tensor } from "../graph.ts";
import { fromNumbers } from "../dtype.ts";
import { size } from "../shape.ts";
import { mapGraph } from "./map.ts";

/** Larger results stay nodes: the slow definitions are not meant for them, and broadcasts would bloat the model. */
const largest = 4096;

export function foldConstants(outputs: readonly Tensor[]): Tensor[] {
  return mapGraph(outputs, (node) => {
    if (node.inputs.length === 0 || node.dtype === "float16" || size(node.shape) > largest) return node;
    if (node.inputs.some((i) => i.op.name !== "constant" || i.dtype === "float16" || size(i.shape) > largest)) return node;
    // A broadcast is cheaper to repeat than to store.
    if (node.op.name === "broadcastTo") return node;
    const inputs: NdArray[] = node.inputs.map((i) => i.op.evaluate([], i.attrs, i));
    const { data } = node.op.evaluate(inputs, node.attrs, node);
    return constant(fromNumbers(node.dtype, data), node.shape, node.dtype);
  });
}
