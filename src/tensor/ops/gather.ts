/** Ops that pick elements by index, and those that add them back: rows of a table, and one element along an axis. */
import { apply, constant, defineOp, type Attrs, type NdArray, type Tensor } from "../graph.ts";
import { axisOf, ShapeError, show, size, strides } from "../shape.ts";
import { broadcastTo, reshape } from "./layout.ts";

interface AxisAttrs extends Attrs {
  axis: number;
}

const needIndices = (op: string, t: Tensor): void => {
  if (t.dtype !== "int64" && t.dtype !== "int32") throw new ShapeError(op, `indices are ${t.dtype}, not int64 or int32`);
};

const gatherOp = defineOp<AxisAttrs>({
  name: "gather",
  infer: ([x, indices], { axis }) => {
    needIndices("gather", indices!);
    return { shape: [...x!.shape.slice(0, axis), ...indices!.shape, ...x!.shape.slice(axis + 1)], dtype: x!.dtype };
  },
  lower: (emit, _node, inputs, { axis }) => emit.node("Gather", inputs, { axis }),
  grad: (node, dy, { axis }) => [scatterAdd(dy, node.inputs[1]!, node.inputs[0]!.shape[axis]!, axis), null],
  evaluate: ([x, indices], { axis }, node) => {
    const inner = size(x!.shape.slice(axis + 1));
    const count = indices!.data.length;
    const length = x!.shape[axis]!;
    const data = new Float64Array(size(node.shape)).map((_, i) => {
      const [outer, pick, rest] = [Math.floor(i / (count * inner)), Math.floor(i / inner) % count, i % inner];
      const index = indices!.data[pick]!;
      return x!.data[(outer * length + (index < 0 ? index + length : index)) * inner + rest]!;
    });
    return { shape: node.shape, data };
  },
});

/** Rows of `x` along `axis`, one per index; the indices' shape takes the axis's place. Out-of-range indices fail at run time. */
export const gather = (x: Tensor, indices: Tensor, axis = 0): Tensor => apply(gatherOp, [x, indices], { axis: axisOf("gather", axis, x.shape.length) });

interface ScatterAttrs extends AxisAttrs {
  length: number;
  rank: number;
}

const scatterAddOp = defineOp<ScatterAttrs>({
  name: "scatterAdd",
  infer: ([updates, indices], { axis, length }) => {
    needIndices("scatterAdd", indices!);
    const rank = indices!.shape.length;
    if (show(updates!.shape.slice(axis, axis + rank)) !== show(indices!.shape)) throw new ShapeError("scatterAdd", `updates ${show(updates!.shape)} do not hold indices ${show(indices!.shape)} at axis ${axis}`);
    return { shape: [...updates!.shape.slice(0, axis), length, ...updates!.shape.slice(axis + rank)], dtype: updates!.dtype };
  },
  lower: (emit, node, [updates, indices], { axis }) => {
    // ScatterElements wants an index for every element: spread them over the other axes.
    const shape = node.inputs[0]!.shape;
    const rank = node.inputs[1]!.shape.length;
    const flat = [...shape.slice(0, axis), size(node.inputs[1]!.shape), ...shape.slice(axis + rank)];
    const column = flat.map((d, i) => (i === axis ? d : 1));
    const spread = emit.node("Expand", [emit.node("Reshape", [indices!, emit.ints(column)]), emit.ints(flat)]);
    const zeros = emit.node("Expand", [emit.constant(node.dtype, [], new Float32Array(1)), emit.ints(node.shape)]);
    return emit.node("ScatterElements", [zeros, spread, emit.node("Reshape", [updates!, emit.ints(flat)])], { axis, reduction: "add" });
  },
  grad: (node, dy, { axis }) => [gather(dy, node.inputs[1]!, axis), null],
  evaluate: ([updates, indices], { axis, length }, node) => {
    const count = indices!.data.length;
    const inner = size(node.shape.slice(axis + 1));
    const data = new Float64Array(size(node.shape));
    updates!.data.forEach((v, i) => {
      const [outer, pick, rest] = [Math.floor(i / (count * inner)), Math.floor(i / inner) % count, i % inner];
      const index = indices!.data[pick]!;
      const at = (outer * length + (index < 0 ? index + length : index)) * inner + rest;
      data[at] = data[at]! + v;
    });
    return { shape: node.shape, data };
  },
});

/** Zeros with `length` rows along `axis`, to which each slice of `updates` is added at its index: the transpose of `gather`. */
export const scatterAdd = (updates: Tensor, indices: Tensor, length: number, axis = 0): Tensor =>
  apply(scatterAddOp, [updates, indices], { axis, length, rank: indices.shape.length });

const setOp = defineOp<AxisAttrs>({
  name: "setAt",
  infer: ([x, row, position], { axis }) => {
    needIndices("setAt", position!);
    if (size(position!.shape) !== 1 || row!.dtype !== x!.dtype || show(row!.shape) !== show(x!.shape.map((d, i) => (i === axis ? 1 : d))))
      throw new ShapeError("setAt", `row ${row!.dtype}${show(row!.shape)} and position ${show(position!.shape)} for axis ${axis} of ${x!.dtype}${show(x!.shape)}`);
    return { shape: x!.shape, dtype: x!.dtype };
  },
  lower: (emit, node, [x, row, position], { axis }) => {
    const shape = node.inputs[1]!.shape;
    // On the CPU this writes the row alone where the result may take x's memory; WebGPU has no such kernel.
    if (emit.target === "cpu" || emit.target === "wasm") {
      const index = emit.node("Expand", [emit.node("Reshape", [position!, emit.ints(shape.map(() => 1))]), emit.ints(shape)]);
      return emit.node("ScatterElements", [x!, index, row!], { axis });
    }
    const length = node.shape[axis]!;
    const places = emit.constant("float32", node.shape.map((d, i) => (i === axis ? d : 1)), Float32Array.from({ length }, (_, i) => i));
    const here = emit.node("Equal", [places, emit.node("Reshape", [emit.node("Cast", [position!], { to: 1 }), emit.ints(shape.map(() => 1))])]);
    return emit.node("Where", [here, row!, x!]);
  },
  grad: (node, dy, { axis }) => {
    const [, row, position] = node.inputs as [Tensor, Tensor, Tensor];
    const index = reshape(position, [1]);
    return [setAt(dy, full(row.shape, 0, row.dtype), index, axis), gather(dy, index, axis), null];
  },
  evaluate: ([x, row, position], { axis }, node) => {
    const step = strides(node.shape)[axis]!;
    const length = node.shape[axis]!;
    const data = x!.data.slice();
    row!.data.forEach((v, i) => (data[(Math.floor(i / step) * length + position!.data[0]!) * step + (i % step)] = v));
    return { shape: node.shape, data };
  },
});

/** `x` with `row`, of length 1 along `axis`, in the place of what is at `position` (one integer, not negative). */
export const setAt = (x: Tensor, row: Tensor, position: Tensor, axis: number): Tensor => apply(setOp, [x, row, position], { axis: axisOf("setAt", axis, x.shape.length) });

/** Source position of each element when `indices` choose along one axis. */
function alongAxis(shape: readonly number[], axis: number, length: number, indices: Float64Array): (flat: number) => number {
  const step = strides(shape)[axis]!;
  const rows = shape[axis]!;
  return (i) => {
    const index = indices[i]! < 0 ? indices[i]! + length : indices[i]!;
    return Math.floor(i / (step * rows)) * step * length + index * step + (i % step);
  };
}

const pickOp = defineOp<AxisAttrs>({
  name: "gatherElements",
  infer: ([x, indices], { axis }) => {
    needIndices("gatherElements", indices!);
    if (x!.shape.length !== indices!.shape.length || x!.shape.some((d, i) => i !== axis && d !== indices!.shape[i]))
      throw new ShapeError("gatherElements", `indices ${show(indices!.shape)} for ${show(x!.shape)} along axis ${axis}`);
    return { shape: indices!.shape, dtype: x!.dtype };
  },
  lower: (emit, _node, inputs, { axis }) => emit.node("GatherElements", inputs, { axis }),
  grad: (node, dy, { axis }) => [apply(putOp, [dy, node.inputs[1]!], { axis, length: node.inputs[0]!.shape[axis]! }), null],
  evaluate: ([x, indices], { axis }, node) => {
    const at = alongAxis(node.shape, axis, x!.shape[axis]!, indices!.data);
    return { shape: node.shape, data: Float64Array.from({ length: size(node.shape) }, (_, i) => x!.data[at(i)]!) };
  },
});

interface PutAttrs extends AxisAttrs {
  length: number;
}

const putOp = defineOp<PutAttrs>({
  name: "scatterElementsAdd",
  infer: ([updates, indices], { axis, length }) => {
    needIndices("scatterElementsAdd", indices!);
    if (show(updates!.shape) !== show(indices!.shape)) throw new ShapeError("scatterElementsAdd", `updates ${show(updates!.shape)} and indices ${show(indices!.shape)} differ`);
    return { shape: updates!.shape.map((d, i) => (i === axis ? length : d)), dtype: updates!.dtype };
  },
  lower: (emit, node, [updates, indices], { axis }) => {
    const zeros = emit.node("Expand", [emit.constant(node.dtype, [], new Float32Array(1)), emit.ints(node.shape)]);
    return emit.node("ScatterElements", [zeros, indices!, updates!], { axis, reduction: "add" });
  },
  grad: (node, dy, { axis }) => [gatherElements(dy, node.inputs[1]!, axis), null],
  evaluate: ([updates, indices], { axis, length }, node): NdArray => {
    const at = alongAxis(updates!.shape, axis, length, indices!.data);
    const data = new Float64Array(size(node.shape));
    updates!.data.forEach((v, i) => (data[at(i)] = data[at(i)]! + v));
    return { shape: node.shape, data };
  },
});

/** One element of `x` along `axis` for every element of `indices`, as `torch.gather` for shapes that agree elsewhere. */
export const gatherElements = (x: Tensor, indices: Tensor, axis: number): Tensor => apply(pickOp, [x, indices], { axis: axisOf("gatherElements", axis, x.shape.length) });

/** Zeros with `length` entries along `axis`, plus each update at its index. */
export const scatterElementsAdd = (updates: Tensor, indices: Tensor, length: number, axis: number): Tensor =>
  apply(putOp, [updates, indices], { axis: axisOf("scatterElementsAdd", axis, updates.shape.length), length });

/** A table lookup: `table` [N, D] and integer `indices` of any shape give [..., D]. */
export const embedding = (table: Tensor, indices: Tensor): Tensor => gather(table, indices, 0);

/** 0, 1, ..., `length` - 1 as int64. */
export const arange = (length: number): Tensor => constant(Array.from({ length }, (_, i) => i), [length], "int64");

/** A tensor of one value. */
export const full = (shape: readonly number[], value: number, dtype: Tensor["dtype"] = "float32"): Tensor => broadcastTo(constant(value, [], dtype), shape);
