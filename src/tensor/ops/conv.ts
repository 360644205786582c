/**
 * Convolution over any number of spatial axes, and max-pooling. Layout as ONNX and PyTorch: x [B, C, ...], w [O, C/groups, ...].
 * Gradients are convolutions and matrix products again: the input's is the flipped kernel over the output's gradient, the
 * kernel's is one matrix product per kernel tap over a shifted view of the input (on a CPU about half the time of the
 * axis-swapped convolution, which has a kernel as large as the image).
 */
import { apply, defineOp, type Attrs, type NdArray, type Tensor } from "../graph.ts";
import { ShapeError, show, size, strides as stridesOf } from "../shape.ts";
import { add, cast, equal, mul, sub } from "./elementwise.ts";
import { dilate, flip, pad, reshape, sliceAxis, stack, transpose } from "./layout.ts";
import { matmul } from "./matmul.ts";
import { sum } from "./reduce.ts";

interface Window {
  kernel: readonly number[];
  strides: readonly number[];
  before: readonly number[];
  after: readonly number[];
  dilations: readonly number[];
}

interface ConvAttrs extends Attrs, Omit<Window, "kernel"> {
  strides: readonly number[];
  before: readonly number[];
  after: readonly number[];
  dilations: readonly number[];
  groups: number;
}

function outputSizes(op: string, spatial: readonly number[], { kernel, strides, before, after, dilations }: Window): number[] {
  return spatial.map((d, i) => {
    const room = d + before[i]! + after[i]! - dilations[i]! * (kernel[i]! - 1) - 1;
    if (room < 0) throw new ShapeError(op, `a kernel of ${show(kernel)} does not fit into ${show(spatial)} padded by ${show(before)} and ${show(after)}`);
    return Math.floor(room / strides[i]!) + 1;
  });
}

const windowOf = (w: Tensor, attrs: ConvAttrs): Window => ({ ...attrs, kernel: w.shape.slice(2) });

const convOp = defineOp<ConvAttrs>({
  name: "conv",
  infer: ([x, w, bias], attrs) => {
    if (x!.shape.length !== w!.shape.length || x!.shape[1] !== w!.shape[1]! * attrs.groups || w!.shape[0]! % attrs.groups)
      throw new ShapeError("conv", `input ${show(x!.shape)} and kernel ${show(w!.shape)} with ${attrs.groups} group(s) do not fit`);
    if (bias && (bias.shape.length !== 1 || bias.shape[0] !== w!.shape[0])) throw new ShapeError("conv", `bias ${show(bias.shape)} for kernel ${show(w!.shape)}`);
    return { shape: [x!.shape[0]!, w!.shape[0]!, ...outputSizes("conv", x!.shape.slice(2), windowOf(w!, attrs))], dtype: x!.dtype };
  },
  lower: (emit, node, inputs, { strides, before, after, dilations, groups }) =>
    emit.node("Conv", inputs, { kernel_shape: node.inputs[1]!.shape.slice(2), strides, pads: [...before, ...after], dilations, group: groups }),
  grad: (node, dy, attrs) => {
    const [x, w, bias] = node.inputs as [Tensor, Tensor, Tensor | undefined];
    const grads = [inputGrad(x, w, dy, attrs), kernelGrad(x, w, dy, attrs)];
    if (bias) grads.push(sum(dy, dy.shape.flatMap((_, i) => (i === 1 ? [] : [i]))));
    return grads;
  },
  evaluate: (inputs, attrs, node) => evaluateConv(inputs[0]!, inputs[1]!, inputs[2], attrs, node.shape),
});

/** dx: the output's gradient, spread by the stride, convolved with the flipped kernel whose channel axes are exchanged. */
function inputGrad(x: Tensor, w: Tensor, dy: Tensor, { strides, before, dilations, groups }: ConvAttrs): Tensor {
  const kernel = w.shape.slice(2);
  const [out, perGroup] = [w.shape[0]!, w.shape[1]!];
  // [O, C/g, ...] -> [g, O/g, C/g, ...] -> [C, O/g, ...]
  const grouped = reshape(w, [groups, out / groups, perGroup, ...kernel]);
  const turned = reshape(transpose(grouped, [0, 2, 1, ...kernel.map((_, i) => i + 3)]), [groups * perGroup, out / groups, ...kernel]);
  const flipped = kernel.reduce((t, _, i) => flip(t, i + 2), turned);
  const spread = kernel.reduce((t, _, i) => dilate(t, i + 2, strides[i]!), dy);
  const spatial = x.shape.slice(2);
  const lead = kernel.map((k, i) => dilations[i]! * (k - 1) - before[i]!);
  const tail = spatial.map((d, i) => d + before[i]! - 1 - (spread.shape[i + 2]! - 1));
  // Padding wider than the kernel reaches makes the lead or tail negative: those rows saw only padding.
  const cut = kernel.reduce((t, _, i) => sliceAxis(t, i + 2, Math.max(0, -lead[i]!), t.shape[i + 2]! - Math.max(0, -tail[i]!)), spread);
  return conv(cut, flipped, { before: lead.map((n) => Math.max(0, n)), after: tail.map((n) => Math.max(0, n)), dilations, groups });
}

/** dw: for every kernel tap, dy times the part of x that the tap touched, summed over batch and positions. */
function kernelGrad(x: Tensor, w: Tensor, dy: Tensor, { strides, before, after, dilations, groups }: ConvAttrs): Tensor {
  const kernel = w.shape.slice(2);
  const [out, perGroup] = [w.shape[0]!, w.shape[1]!];
  const outSizes = dy.shape.slice(2);
  const positions = size(outSizes);
  const batch = x.shape[0]!;
  const padded = pad(x, [0, 0, ...before], [0, 0, ...after]);
  const dyRows = reshape(dy, [batch, groups, out / groups, positions]);
  const taps = tapsOf(kernel).map((tap) => {
    const view = tap.reduce((t, offset, i) => {
      const start = offset * dilations[i]!;
      return sliceAxis(t, i + 2, start, start + (outSizes[i]! - 1) * strides[i]! + 1, strides[i]!);
    }, padded);
    const products = matmul(dyRows, reshape(view, [batch, groups, perGroup, positions]), { transB: true });
    return reshape(batch === 1 ? products : sum(products, 0), [out, perGroup]);
  });
  return reshape(taps.length === 1 ? taps[0]! : stack(taps, 2), w.shape);
}

/** Every offset inside a kernel, in row-major order. */
const tapsOf = (kernel: readonly number[]): number[][] => kernel.reduce<number[][]>((taps, k) => taps.flatMap((t) => Array.from({ length: k }, (_, i) => [...t, i])), [[]]);

/** Calls `visit` with the input position and tap index for every tap of every window that lies inside the input. */
function eachTap(spatial: readonly number[], outSizes: readonly number[], { kernel, strides, before, dilations }: Window, visit: (out: number, at: number, tap: number) => void): void {
  const from = stridesOf(spatial);
  const to = stridesOf(outSizes);
  tapsOf(kernel).forEach((offsets, tap) => {
    for (let o = 0; o < size(outSizes); o++) {
      let rest = o;
      let at = 0;
      for (let k = 0; k < spatial.length; k++) {
        const c = Math.floor(rest / to[k]!);
        rest -= c * to[k]!;
        const position = c * strides[k]! + offsets[k]! * dilations[k]! - before[k]!;
        if (position < 0 || position >= spatial[k]!) {
          at = -1;
          break;
        }
        at += position * from[k]!;
      }
      if (at >= 0) visit(o, at, tap);
    }
  });
}

function evaluateConv(x: NdArray, w: NdArray, bias: NdArray | undefined, attrs: ConvAttrs, shape: readonly number[]): NdArray {
  const spatial = x.shape.slice(2);
  const outSizes = shape.slice(2);
  const kernel = w.shape.slice(2);
  const [inSize, outSize, taps] = [size(spatial), size(outSizes), size(kernel)];
  const [batch, channels, out, perGroup] = [x.shape[0]!, x.shape[1]!, w.shape[0]!, w.shape[1]!];
  const data = new Float64Array(size(shape));
  if (bias) for (let i = 0; i < data.length; i++) data[i] = bias.data[Math.floor(i / outSize) % out]!;
  eachTap(spatial, outSizes, { ...attrs, kernel }, (o, at, tap) => {
    for (let b = 0; b < batch; b++)
      for (let c = 0; c < out; c++) {
        const group = Math.floor(c / (out / attrs.groups));
        let total = 0;
        for (let i = 0; i < perGroup; i++) total += x.data[(b * channels + group * perGroup + i) * inSize + at]! * w.data[(c * perGroup + i) * taps + tap]!;
        data[(b * out + c) * outSize + o]! += total;
      }
  });
  return { shape, data };
}

export interface ConvOptions {
  strides?: readonly number[];
  /** Zeros before and after each spatial axis; a number means the same on every side. */
  before?: readonly number[] | number;
  after?: readonly number[] | number;
  dilations?: readonly number[];
  groups?: number;
  bias?: Tensor | undefined;
}

/** Cross-correlation of x [B, C, ...] with w [O, C/groups, ...], zero-padded, plus a bias [O]. */
export function conv(x: Tensor, w: Tensor, { strides, before = 0, after = before, dilations, groups = 1, bias }: ConvOptions = {}): Tensor {
  const rank = x.shape.length - 2;
  const each = (v: readonly number[] | number): readonly number[] => (typeof v === "number" ? new Array<number>(rank).fill(v) : v);
  const attrs = { strides: strides ?? each(1), before: each(before), after: each(after), dilations: dilations ?? each(1), groups };
  return apply(convOp, bias ? [x, w, bias] : [x, w], attrs);
}

interface PoolAttrs extends Attrs {
  kernel: readonly number[];
  strides: readonly number[];
  before: readonly number[];
  after: readonly number[];
}

const poolWindow = (attrs: PoolAttrs): Window => ({ ...attrs, dilations: attrs.kernel.map(() => 1) });

const maxPoolOp = defineOp<PoolAttrs>({
  name: "maxPool",
  infer: ([x], attrs) => ({ shape: [...x!.shape.slice(0, 2), ...outputSizes("maxPool", x!.shape.slice(2), poolWindow(attrs))], dtype: x!.dtype }),
  lower: (emit, _node, [x], { kernel, strides, before, after }) => emit.node("MaxPool", [x!], { kernel_shape: kernel, strides, pads: [...before, ...after] }),
  grad: (node, dy, { kernel, strides, before, after }) => {
    const x = node.inputs[0]!;
    const padded = pad(x, [0, 0, ...before], [0, 0, ...after], { value: -3.4e38 });
    let free: Tensor | undefined;
    let total: Tensor | undefined;
    for (const tap of tapsOf(kernel)) {
      const view = tap.reduce((t, offset, i) => sliceAxis(t, i + 2, offset, offset + (node.shape[i + 2]! - 1) * strides[i]! + 1, strides[i]!), padded);
      const hit = cast(equal(view, node), x.dtype);
      // The first tap that holds the maximum takes the gradient, as in PyTorch.
      const taken: Tensor = free ? mul(hit, free) : hit;
      free = free ? sub(free, taken) : sub(1, hit);
      let back = mul(dy, taken);
      tap.forEach((offset, i) => {
        back = dilate(back, i + 2, strides[i]!);
        const lead = back.shape.map((_, k) => (k === i + 2 ? offset : 0));
        back = pad(back, lead, back.shape.map((d, k) => (k === i + 2 ? padded.shape[k]! - d - offset : 0)));
      });
      total = total ? add(total, back) : back;
    }
    return [x.shape.reduce((t, d, i) => (i < 2 ? t : sliceAxis(t, i, before[i - 2]!, before[i - 2]! + d)), total!)];
  },
  evaluate: ([x], attrs, node) => {
    const spatial = x!.shape.slice(2);
    const outSizes = node.shape.slice(2);
    const data = new Float64Array(size(node.shape)).fill(-Infinity);
    const planes = x!.shape[0]! * x!.shape[1]!;
    eachTap(spatial, outSizes, poolWindow(attrs), (o, at) => {
      for (let p = 0; p < planes; p++) data[p * size(outSizes) + o] = Math.max(data[p * size(outSizes) + o]!, x!.data[p * size(spatial) + at]!);
    });
    return { shape: node.shape, data };
  },
});

/** Largest element of every window of x [B, C, ...]; padding never wins. */
export function maxPool(x: Tensor, kernel: readonly number[], { strides = kernel, before = kernel.map(() => 0), after = before }: { strides?: readonly number[]; before?: readonly number[]; after?: readonly number[] } = {}): Tensor {
  return apply(maxPoolOp, [x], { kernel, strides, before, after });
}
