/**
 * Resampling of spatial axes as PyTorch's `interpolate` does it: "nearest" takes floor(i * in / out), "linear" uses
 * half-pixel centres without corner alignment or antialiasing.
 */
import { apply, constant, defineOp, type Attrs, type Tensor } from "../graph.ts";
import { ShapeError, show, size, strides } from "../shape.ts";
import { reshape, swapAxes } from "./layout.ts";
import { matmul } from "./matmul.ts";
import { sum } from "./reduce.ts";

interface ResizeAttrs extends Attrs {
  sizes: readonly number[];
  mode: "nearest" | "linear";
}

/** Which inputs an output position reads along one axis, with weights. */
function taps(position: number, input: number, output: number, mode: ResizeAttrs["mode"]): [number, number][] {
  if (mode === "nearest") return [[Math.min(input - 1, Math.floor((position * input) / output)), 1]];
  const at = Math.max(0, ((position + 0.5) * input) / output - 0.5);
  const low = Math.min(input - 1, Math.floor(at));
  return [
    [low, 1 - (at - low)],
    [Math.min(input - 1, low + 1), at - low],
  ];
}

/** The resampling of one axis as a matrix [output, input]. */
function matrix(input: number, output: number, mode: ResizeAttrs["mode"]): Float64Array {
  const m = new Float64Array(output * input);
  for (let o = 0; o < output; o++) for (const [i, weight] of taps(o, input, output, mode)) m[o * input + i] = m[o * input + i]! + weight;
  return m;
}

const resizeOp = defineOp<ResizeAttrs>({
  name: "resize",
  infer: ([x], { sizes }) => {
    if (sizes.length !== x!.shape.length - 2) throw new ShapeError("resize", `${show(sizes)} for the spatial axes of ${show(x!.shape)}`);
    return { shape: [...x!.shape.slice(0, 2), ...sizes], dtype: x!.dtype };
  },
  lower: (emit, node, [x], { mode }) =>
    emit.node("Resize", [x!, "", "", emit.ints(node.shape)], {
      mode,
      coordinate_transformation_mode: mode === "nearest" ? "asymmetric" : "half_pixel",
      nearest_mode: mode === "nearest" ? "floor" : undefined,
    }),
  grad: (node, dy, { sizes, mode }) => {
    const x = node.inputs[0]!;
    return [sizes.reduce((t, output, i) => shrink(t, i + 2, x.shape[i + 2]!, output, mode), dy)];
  },
  evaluate: ([x], { sizes, mode }, node) => {
    let current = x!;
    sizes.forEach((output, k) => {
      const axis = k + 2;
      const input = current.shape[axis]!;
      const shape = current.shape.map((d, i) => (i === axis ? output : d));
      const step = strides(shape)[axis]!;
      const data = new Float64Array(size(shape)).map((_, i) => {
        const outer = Math.floor(i / (step * output));
        return taps(Math.floor(i / step) % output, input, output, mode).reduce((t, [p, weight]) => t + weight * current.data[(outer * input + p) * step + (i % step)]!, 0);
      });
      current = { shape, data };
    });
    return { shape: node.shape, data: current.data };
  },
});

/** The transpose of resampling one axis: back from `output` to `input` elements. */
function shrink(t: Tensor, axis: number, input: number, output: number, mode: ResizeAttrs["mode"]): Tensor {
  if (input === output) return t;
  if (mode === "nearest" && output % input === 0) {
    const shape = [...t.shape.slice(0, axis), input, output / input, ...t.shape.slice(axis + 1)];
    return sum(reshape(t, shape), axis + 1);
  }
  const last = t.shape.length - 1;
  const weights = constant(Float32Array.from(matrix(input, output, mode)), [output, input]);
  return swapAxes(matmul(swapAxes(t, axis, last), weights), axis, last);
}

/** x [B, C, ...] with its spatial axes brought to `sizes`. */
export const resize = (x: Tensor, sizes: readonly number[], mode: ResizeAttrs["mode"] = "nearest"): Tensor =>
  sizes.every((d, i) => d === x.shape[i + 2]) ? x : apply(resizeOp, [x], { sizes: [...sizes], mode });
