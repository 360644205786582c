/**
 * Ops that steer gradients and scheduling instead of computing: `stopGradient`, straight-through rounding, and
 * `checkpoint`, which trades memory for arithmetic by computing a part of the network again during the backward pass
 * (Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016).
 */
import { apply, defineOp, nextNodeId, type Tensor } from "../graph.ts";
import { add, round, sub } from "./elementwise.ts";

type None = Record<string, never>;

const stopGradientOp = defineOp<None>({
  name: "stopGradient",
  infer: ([x]) => ({ shape: x!.shape, dtype: x!.dtype }),
  // The emitter gives the result its input's name, so nothing is written for it.
  lower: (_emit, _node, [x]) => x!,
  grad: () => [null],
  evaluate: ([x]) => x!,
});

/** `x` itself, through which no gradient flows. */
export const stopGradient = (x: Tensor): Tensor => apply(stopGradientOp, [x], {});

/** Takes the value of `value` and the gradient of `surrogate` (Bengio et al. 2013). */
export const straightThrough = (value: Tensor, surrogate: Tensor): Tensor => add(surrogate, stopGradient(sub(value, surrogate)));

/** Rounds; the gradient passes as if it had not. */
export const roundStraightThrough = (x: Tensor): Tensor => straightThrough(round(x), x);

const barrierOp = defineOp<None>({
  name: "barrier",
  infer: ([x]) => ({ shape: x!.shape, dtype: x!.dtype }),
  lower: (emit, node, [x, after]) => {
    // x + 0 * after[0]: the runtime can neither merge this with x nor compute it before `after`.
    const rank = node.inputs[1]!.shape.length;
    const axes = Array.from({ length: rank }, (_, i) => i);
    const first = rank ? emit.node("Slice", [after!, emit.ints(axes.map(() => 0)), emit.ints(axes.map(() => 1)), emit.ints(axes)]) : after!;
    const nothing = emit.node("Mul", [emit.node("Reshape", [first, emit.ints([])]), emit.constant("float32", [], new Float32Array(1))]);
    return emit.node("Add", [x!, nothing]);
  },
  grad: (_node, dy) => [dy, null],
  evaluate: ([x]) => x!,
});

/** `x`, but not before `after` has been computed. */
export const barrier = (x: Tensor, after: Tensor): Tensor => apply(barrierOp, [x, after], {});

export interface Region {
  /** Nodes made inside have at least this id. */
  start: number;
  inputs: readonly Tensor[];
}

/** Regions to compute again, by their output; read by `grad`. */
export const regions = new WeakMap<Tensor, Region>();

/** `f(...inputs)`, whose inner values are not kept for the backward pass but computed again there. */
export function checkpoint(f: (...inputs: Tensor[]) => Tensor, ...inputs: Tensor[]): Tensor {
  const start = nextNodeId();
  const output = f(...inputs);
  if (output.id >= start) regions.set(output, { start, inputs });
  return output;
}
