/** Ops that only move elements: reshape, transpose, broadcast, concatenate, slice, pad. */
import { apply, defineOp, type Attrs, type NdArray, type Tensor } from "../graph.ts";
import { axisOf, broadcast, sameShape, ShapeError, show, size, strides } from "../shape.ts";
import { add, broadcastIndex } from "./elementwise.ts";
import { sumTo } from "./reduce.ts";

/** Fills `shape` from the element of `x` that `from` names for each output coordinate; a negative one gives `fill`. */
function collect(x: NdArray, shape: readonly number[], from: (coordinate: readonly number[]) => number, fill = 0): NdArray {
  const outStrides = strides(shape);
  const coordinate = new Array<number>(shape.length).fill(0);
  const data = new Float64Array(size(shape));
  for (let i = 0; i < data.length; i++) {
    let rest = i;
    for (let k = 0; k < shape.length; k++) {
      coordinate[k] = Math.floor(rest / outStrides[k]!);
      rest -= coordinate[k]! * outStrides[k]!;
    }
    const at = from(coordinate);
    data[i] = at < 0 ? fill : x.data[at]!;
  }
  return { shape, data };
}

interface ShapeAttrs extends Attrs {
  shape: readonly number[];
}

const reshapeOp = defineOp<ShapeAttrs>({
  name: "reshape",
  infer: ([x], { shape }) => {
    if (size(x!.shape) !== size(shape)) throw new ShapeError("reshape", `${show(x!.shape)} has not as many elements as ${show(shape)}`);
    return { shape, dtype: x!.dtype };
  },
  lower: (emit, _node, [x], { shape }) => emit.node("Reshape", [x!, emit.ints(shape)]),
  grad: (node, dy) => [reshape(dy, node.inputs[0]!.shape)],
  evaluate: ([x], { shape }) => ({ shape, data: x!.data }),
});

/** The same elements in another shape; one entry may be -1 and is then worked out. */
export function reshape(x: Tensor, shape: readonly number[]): Tensor {
  const known = shape.reduce((product, d) => (d === -1 ? product : product * d), 1);
  const to = shape.map((d) => (d === -1 ? size(x.shape) / known : d));
  if (sameShape(x.shape, to)) return x;
  // A chain of reshapes is its last one.
  return apply(reshapeOp, [x.op === (reshapeOp as unknown) ? x.inputs[0]! : x], { shape: to });
}

/** Inserts an axis of length 1. */
export const unsqueeze = (x: Tensor, axis: number): Tensor => {
  const at = axisOf("unsqueeze", axis, x.shape.length + 1);
  return reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]);
};

/** Drops an axis of length 1. */
export const squeeze = (x: Tensor, axis: number): Tensor => {
  const at = axisOf("squeeze", axis, x.shape.length);
  if (x.shape[at] !== 1) throw new ShapeError("squeeze", `axis ${axis} of ${show(x.shape)} is not 1`);
  return reshape(x, x.shape.filter((_, i) => i !== at));
};

interface TransposeAttrs extends Attrs {
  perm: readonly number[];
}

const transposeOp = defineOp<TransposeAttrs>({
  name: "transpose",
  infer: ([x], { perm }) => {
    if (perm.length !== x!.shape.length || !sameShape([...perm].sort((a, b) => a - b), perm.map((_, i) => i)))
      throw new ShapeError("transpose", `${show(perm)} is not an order of the axes of ${show(x!.shape)}`);
    return { shape: perm.map((p) => x!.shape[p]!), dtype: x!.dtype };
  },
  lower: (emit, _node, [x], { perm }) => emit.node("Transpose", [x!], { perm }),
  grad: (_node, dy, { perm }) => [transpose(dy, perm.map((_, i) => perm.indexOf(i)))],
  evaluate: ([x], { perm }, node) => {
    const from = strides(x!.shape);
    return collect(x!, node.shape, (c) => c.reduce((at, value, i) => at + value * from[perm[i]!]!, 0));
  },
});

/** Axis `i` of the result is axis `perm[i]` of `x`. */
export function transpose(x: Tensor, perm: readonly number[]): Tensor {
  if (perm.every((p, i) => p === i) && perm.length === x.shape.length) return x;
  // Moving only axes of length 1 moves nothing.
  const moved = perm.filter((p) => x.shape[p] !== 1);
  if (perm.length === x.shape.length && moved.every((p, i) => i === 0 || p > moved[i - 1]!)) return reshape(x, perm.map((p) => x.shape[p]!));
  return apply(transposeOp, [x], { perm: [...perm] });
}

/** Exchanges two axes. */
export const swapAxes = (x: Tensor, a: number, b: number): Tensor => {
  const rank = x.shape.length;
  const [i, j] = [axisOf("swapAxes", a, rank), axisOf("swapAxes", b, rank)];
  return transpose(x, x.shape.map((_, k) => (k === i ? j : k === j ? i : k)));
};

const expandOp = defineOp<ShapeAttrs>({
  name: "broadcastTo",
  infer: ([x], { shape }) => {
    if (!sameShape(broadcast("broadcastTo", x!.shape, shape), shape)) throw new ShapeError("broadcastTo", `${show(x!.shape)} does not broadcast to ${show(shape)}`);
    return { shape, dtype: x!.dtype };
  },
  lower: (emit, _node, [x], { shape }) => emit.node("Expand", [x!, emit.ints(shape)]),
  grad: (node, dy) => [sumTo(dy, node.inputs[0]!.shape)],
  evaluate: ([x], { shape }) => {
    const at = broadcastIndex(x!.shape, shape);
    return { shape, data: Float64Array.from({ length: size(shape) }, (_, i) => x!.data[at(i)]!) };
  },
});

export const broadcastTo = (x: Tensor, shape: readonly number[]): Tensor => (sameShape(x.shape, shape) ? x : apply(expandOp, [x], { shape: [...shape] }));

interface ConcatAttrs extends Attrs {
  axis: number;
}

const concatOp = defineOp<ConcatAttrs>({
  name: "concat",
  infer: (inputs, { axis }) => {
    const [first] = inputs;
    for (const t of inputs)
      if (t.dtype !== first!.dtype || t.shape.length !== first!.shape.length || t.shape.some((d, i) => i !== axis && d !== first!.shape[i]))
        throw new ShapeError("concat", `${inputs.map((x) => `${x.dtype}${show(x.shape)}`).join(", ")} do not join along axis ${axis}`);
    return { shape: first!.shape.map((d, i) => (i === axis ? inputs.reduce((n, t) => n + t.shape[i]!, 0) : d)), dtype: first!.dtype };
  },
  lower: (emit, _node, inputs, { axis }) => emit.node("Concat", inputs, { axis }),
  grad: (node, dy, { axis }) => {
    let start = 0;
    return node.inputs.map((t) => {
      const length = t.shape[axis]!;
      start += length;
      return sliceAxis(dy, axis, start - length, start);
    });
  },
  evaluate: (inputs, { axis }, node) => {
    const parts = inputs.map((x) => ({ x, strides: strides(x.shape), length: x.shape[axis]! }));
    const outStrides = strides(node.shape);
    const data = new Float64Array(size(node.shape));
    let start = 0;
    for (const { x, strides: from, length } of parts) {
      for (let i = 0; i < x.data.length; i++) {
        let rest = i;
        let at = start * outStrides[axis]!;
        for (let k = 0; k < from.length; k++) {
          const c = Math.floor(rest / from[k]!);
          rest -= c * from[k]!;
          at += c * outStrides[k]!;
        }
        data[at] = x.data[i]!;
      }
      start += length;
    }
    return { shape: node.shape, data };
  },
});

export function concat(tensors: readonly Tensor[], axis: number): Tensor {
  if (tensors.length === 0) throw new ShapeError("concat", "nothing to join");
  return tensors.length === 1 ? tensors[0]! : apply(concatOp, tensors, { axis: axisOf("concat", axis, tensors[0]!.shape.length) });
}

/** Joins tensors of one shape along a new axis. */
export const stack = (tensors: readonly Tensor[], axis: number): Tensor => concat(tensors.map((t) => unsqueeze(t, axis)), axis);

interface SliceAttrs extends Attrs {
  starts: readonly number[];
  sizes: readonly number[];
  /** Positive, or -1 to read an axis backwards. */
  steps: readonly number[];
}

const sliceOp = defineOp<SliceAttrs>({
  name: "slice",
  infer: ([x], { starts, sizes, steps }) => {
    x!.shape.forEach((d, i) => {
      const last = starts[i]! + (sizes[i]! - 1) * steps[i]!;
      if (sizes[i]! > 0 && (starts[i]! < 0 || starts[i]! >= d || last < 0 || last >= d))
        throw new ShapeError("slice", `axis ${i} of ${show(x!.shape)} has no ${sizes[i]} elements from ${starts[i]} by ${steps[i]}`);
    });
    return { shape: sizes, dtype: x!.dtype };
  },
  lower: (emit, node, [x], { starts, sizes, steps }) => {
    const axes = starts.flatMap((s, i) => (s !== 0 || steps[i] !== 1 || sizes[i] !== node.inputs[0]!.shape[i] ? [i] : []));
    // A backwards slice that includes element 0 ends before it, which ONNX writes as a large negative number.
    const ends = axes.map((i) => {
      const end = starts[i]! + sizes[i]! * steps[i]!;
      return end < 0 ? -(2 ** 31) : end;
    });
    return emit.node("Slice", [x!, emit.ints(axes.map((i) => starts[i]!)), emit.ints(ends), emit.ints(axes), emit.ints(axes.map((i) => steps[i]!))]);
  },
  grad: (node, dy, attrs) => [unslice(dy, node.inputs[0]!.shape, attrs)],
  evaluate: ([x], { starts, sizes, steps }) => {
    const from = strides(x!.shape);
    return collect(x!, sizes, (c) => c.reduce((at, value, i) => at + (starts[i]! + value * steps[i]!) * from[i]!, 0));
  },
});

/** The gradient of a slice: `dy` put back where it came from, zeros elsewhere. */
function unslice(dy: Tensor, shape: readonly number[], { starts, sizes, steps }: SliceAttrs): Tensor {
  let out = dy;
  const before: number[] = [];
  const after: number[] = [];
  shape.forEach((d, i) => {
    const step = steps[i]!;
    if (step === -1) {
      out = flip(out, i);
      before.push(starts[i]! - sizes[i]! + 1);
      after.push(d - 1 - starts[i]!);
    } else {
      out = dilate(out, i, step);
      before.push(starts[i]!);
      after.push(d - starts[i]! - out.shape[i]!);
    }
  });
  return pad(out, before, after);
}

/** Puts `step - 1` zeros between neighbours along an axis. */
export function dilate(x: Tensor, axis: number, step: number): Tensor {
  if (step === 1 || x.shape[axis]! <= 1) return x;
  const wide = pad(unsqueeze(x, axis + 1), new Array<number>(x.shape.length + 1).fill(0), [...x.shape, 0].map((_, i) => (i === axis + 1 ? step - 1 : 0)));
  const length = x.shape[axis]! * step;
  return sliceAxis(reshape(wide, x.shape.map((d, i) => (i === axis ? length : d))), axis, 0, length - step + 1);
}

/** Elements `start` to `end` (exclusive; negative counts from the end) along one axis, every `step`-th of them. */
export function sliceAxis(x: Tensor, axis: number, start: number, end: number = x.shape[axis < 0 ? axis + x.shape.length : axis]!, step = 1): Tensor {
  const at = axisOf("slice", axis, x.shape.length);
  const length = x.shape[at]!;
  const from = start < 0 ? start + length : start;
  const to = end < 0 ? end + length : Math.min(end, length);
  if (!(step >= 1) || from < 0 || to < from) throw new ShapeError("slice", `${start} to ${end} by ${step} along axis ${axis} of ${show(x.shape)}`);
  if (from === 0 && to === length && step === 1) return x;
  return apply(sliceOp, [x], {
    starts: x.shape.map((_, i) => (i === at ? from : 0)),
    sizes: x.shape.map((d, i) => (i === at ? Math.ceil((to - from) / step) : d)),
    steps: x.shape.map((_, i) => (i === at ? step : 1)),
  });
}

/** Cuts `x` into pieces of the given lengths along an axis. */
export function split(x: Tensor, lengths: readonly number[], axis: number): Tensor[] {
  const at = axisOf("split", axis, x.shape.length);
  if (lengths.reduce((a, b) => a + b, 0) !== x.shape[at]) throw new ShapeError("split", `${show(lengths)} do not add up to axis ${axis} of ${show(x.shape)}`);
  let start = 0;
  return lengths.map((n) => sliceAxis(x, at, start, (start += n)));
}

/** Cuts `x` into `count` equal pieces along an axis. */
export const chunk = (x: Tensor, count: number, axis: number): Tensor[] => {
  const at = axisOf("chunk", axis, x.shape.length);
  return split(x, new Array<number>(count).fill(x.shape[at]! / count), at);
};

/** Reads an axis backwards. */
export function flip(x: Tensor, axis: number): Tensor {
  const at = axisOf("flip", axis, x.shape.length);
  if (x.shape[at]! <= 1) return x;
  return apply(sliceOp, [x], {
    starts: x.shape.map((d, i) => (i === at ? d - 1 : 0)),
    sizes: [...x.shape],
    steps: x.shape.map((_, i) => (i === at ? -1 : 1)),
  });
}

interface PadAttrs extends Attrs {
  before: readonly number[];
  after: readonly number[];
  mode: "constant" | "edge" | "reflect";
  value: number;
}

const padOp = defineOp<PadAttrs>({
  name: "pad",
  infer: ([x], { before, after, mode }) => {
    x!.shape.forEach((d, i) => {
      if (before[i]! < 0 || after[i]! < 0) throw new ShapeError("pad", `negative padding ${show(before)}, ${show(after)}`);
      if (mode === "reflect" && Math.max(before[i]!, after[i]!) >= d) throw new ShapeError("pad", `cannot reflect ${before[i]} and ${after[i]} around axis ${i} of ${show(x!.shape)}`);
    });
    return { shape: x!.shape.map((d, i) => d + before[i]! + after[i]!), dtype: x!.dtype };
  },
  lower: (emit, node, [x], { before, after, mode, value }) => {
    const inputs = [x!, emit.ints([...before, ...after])];
    if (mode === "constant" && value !== 0) inputs.push(emit.constant(node.dtype, [], new Float32Array([value])));
    return emit.node("Pad", inputs, { mode });
  },
  grad: (node, dy, { before, after, mode }) => {
    const shape = node.inputs[0]!.shape;
    if (mode === "constant") return [shape.reduce((t, d, i) => sliceAxis(t, i, before[i]!, before[i]! + d), dy)];
    // One axis at a time: what was copied outwards is added back to where it came from.
    return [shape.reduce((t, d, i) => foldPadding(t, i, before[i]!, d, after[i]!, mode), dy)];
  },
  evaluate: ([x], { before, mode, value }, node) => {
    const from = strides(x!.shape);
    const source = (position: number, length: number): number => {
      if (position >= 0 && position < length) return position;
      if (mode === "constant") return -1;
      if (mode === "edge") return position < 0 ? 0 : length - 1;
      return position < 0 ? -position : 2 * (length - 1) - position;
    };
    return collect(
      x!,
      node.shape,
      (c) => {
        let at = 0;
        for (let i = 0; i < c.length; i++) {
          const p = source(c[i]! - before[i]!, x!.shape[i]!);
          if (p < 0) return -1;
          at += p * from[i]!;
        }
        return at;
      },
      value,
    );
  },
});

function foldPadding(dy: Tensor, axis: number, before: number, length: number, after: number, mode: "edge" | "reflect"): Tensor {
  if (before + after === 0) return dy;
  const core = sliceAxis(dy, axis, before, before + length);
  const put = (t: Tensor, at: number): Tensor =>
    pad(t, t.shape.map((_, i) => (i === axis ? at : 0)), t.shape.map((d, i) => (i === axis ? length - at - d : 0)));
  const edge = (t: Tensor, at: number): Tensor => put(sumTo(t, t.shape.map((d, i) => (i === axis ? 1 : d))), at);
  const pieces: Tensor[] = [];
  if (before) {
    const head = sliceAxis(dy, axis, 0, before);
    pieces.push(mode === "edge" ? edge(head, 0) : put(flip(head, axis), 1));
  }
  if (after) {
    const tail = sliceAxis(dy, axis, before + length);
    pieces.push(mode === "edge" ? edge(tail, length - 1) : put(flip(tail, axis), length - 1 - after));
  }
  return pieces.reduce((a, b) => add(a, b), core);
}

/** Adds `before[i]` and `after[i]` elements to axis `i`: a constant, the edge repeated, or a reflection without the edge. */
export function pad(
  x: Tensor,
  before: readonly number[],
  after: readonly number[],
  { mode = "constant", value = 0 }: { mode?: PadAttrs["mode"]; value?: number } = {},
): Tensor {
  if (before.length !== x.shape.length || after.length !== x.shape.length) throw new ShapeError("pad", `${show(before)} and ${show(after)} for a tensor of shape ${show(x.shape)}`);
  if ([...before, ...after].every((n) => n === 0)) return x;
  return apply(padOp, [x], { before: [...before], after: [...after], mode, value });
}
