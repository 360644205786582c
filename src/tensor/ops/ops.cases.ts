/**
 * Test cases of the op table: for every op, random shapes and attributes, and inputs on which it is smooth. The forward test
 * compares ONNX Runtime with the op's definition; the gradient test compares `grad` with central differences.
 */
import fc from "fast-check";
import { input, constant, type Tensor } from "../graph.ts";
import type { DType } from "../dtype.ts";
import { apply, opTable } from "../graph.ts";
import * as t from "../index.ts";
import { barrier } from "./control.ts";

export interface Case {
  output: Tensor;
  inputs: { tensor: Tensor; range: [number, number] }[];
}

type Maker = fc.Arbitrary<Case>;

const dim = fc.integer({ min: 1, max: 4 });
const shapeOf = (min: number, max: number): fc.Arbitrary<number[]> => fc.array(dim, { minLength: min, maxLength: max });
const smooth: [number, number] = [-2, 2];
const positive: [number, number] = [0.3, 2];

let names = 0;
const variable = (shape: readonly number[], range: [number, number] = smooth, dtype: DType = "float32"): Case["inputs"][number] => ({ tensor: input(`in${names++}`, shape, dtype), range });

const unary = (f: (x: Tensor) => Tensor, range = smooth): Maker =>
  shapeOf(0, 3).map((shape) => {
    const x = variable(shape, range);
    return { output: f(x.tensor), inputs: [x] };
  });

/** Two shapes that broadcast against each other. */
const broadcasting = fc.tuple(shapeOf(1, 3), fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }), fc.integer({ min: 0, max: 2 })).map(([full, ones, drop]) => {
  const other = full.map((d, i) => (ones[i] ? 1 : d)).slice(Math.min(drop, full.length));
  return [full, other] as const;
});

const binary = (f: (a: Tensor, b: Tensor) => Tensor, rangeA = smooth, rangeB = smooth): Maker =>
  fc.tuple(broadcasting, fc.boolean()).map(([[full, other], swap]) => {
    const a = variable(swap ? other : full, rangeA);
    const b = variable(swap ? full : other, rangeB);
    return { output: f(a.tensor, b.tensor), inputs: [a, b] };
  });

const logical = (f: (a: Tensor, b: Tensor) => Tensor): Maker =>
  broadcasting.map(([s, o]) => {
    const [a, b] = [variable(s), variable(o)];
    return { output: f(t.greater(a.tensor, 0), t.greater(b.tensor, 0)), inputs: [a, b] };
  });

const reduction = (f: (x: Tensor, axes: number[], keep: boolean) => Tensor): Maker =>
  fc.tuple(shapeOf(1, 4), fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 3 }), fc.boolean()).map(([shape, picks, keep]) => {
    const x = variable(shape);
    return { output: f(x.tensor, picks.map((p) => p % shape.length), keep), inputs: [x] };
  });

const lastAxis = (f: (x: Tensor) => Tensor): Maker =>
  fc.tuple(shapeOf(0, 2), fc.integer({ min: 2, max: 5 })).map(([lead, width]) => {
    const x = variable([...lead, width]);
    return { output: f(x.tensor), inputs: [x] };
  });

const indicesOf = (shape: readonly number[], length: number, seed: number): Tensor =>
  constant(Array.from({ length: t.size(shape) }, (_, i) => (i * 7 + seed) % length), shape, "int64");

const spatial = fc.integer({ min: 2, max: 3 }).chain((rank) =>
  fc.record({
    rank: fc.constant(rank),
    batch: fc.integer({ min: 1, max: 2 }),
    groups: fc.constantFrom(1, 1, 2),
    perGroup: fc.integer({ min: 1, max: 2 }),
    out: fc.integer({ min: 1, max: 2 }),
    sizes: fc.array(fc.integer({ min: 4, max: 5 }), { minLength: rank, maxLength: rank }),
    kernel: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: rank, maxLength: rank }),
    strides: fc.array(fc.integer({ min: 1, max: 2 }), { minLength: rank, maxLength: rank }),
    before: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: rank, maxLength: rank }),
    after: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: rank, maxLength: rank }),
    dilated: fc.boolean(),
    bias: fc.boolean(),
  }),
);

const convCase: Maker = spatial.map((c) => {
  const x = variable([c.batch, c.groups * c.perGroup, ...c.sizes]);
  const w = variable([c.groups * c.out, c.perGroup, ...c.kernel]);
  const bias = c.bias ? variable([c.groups * c.out]) : undefined;
  const dilations = c.kernel.map((k, i) => (c.dilated && i === 0 && k <= 2 ? 2 : 1));
  const output = t.conv(x.tensor, w.tensor, { strides: c.strides, before: c.before, after: c.after, dilations, groups: c.groups, bias: bias?.tensor });
  return { output, inputs: bias ? [x, w, bias] : [x, w] };
});

const poolCase: Maker = spatial.map((c) => {
  const x = variable([c.batch, 2, ...c.sizes]);
  const before = c.kernel.map((k, i) => Math.min(c.before[i]!, k - 1));
  return { output: t.maxPool(x.tensor, c.kernel, { strides: c.strides, before }), inputs: [x] };
});

const matmulCase: Maker = fc.record({ m: dim, k: dim, n: dim, batch: broadcasting, transA: fc.boolean(), transB: fc.boolean(), alpha: fc.constantFrom(1, 0.5), form: fc.nat({ max: 2 }) }).map((c) => {
  const [lead, other] = c.form === 0 ? [[], []] : c.form === 1 ? [c.batch[0], []] : c.batch;
  const a = variable([...lead, ...(c.transA ? [c.k, c.m] : [c.m, c.k])]);
  const b = variable([...other, ...(c.transB ? [c.n, c.k] : [c.k, c.n])]);
  return { output: t.matmul(a.tensor, b.tensor, c), inputs: [a, b] };
});

const padCase: Maker = fc.tuple(fc.array(fc.integer({ min: 3, max: 4 }), { minLength: 1, maxLength: 3 }), fc.array(fc.nat({ max: 2 }), { minLength: 6, maxLength: 6 }), fc.constantFrom("constant" as const, "edge" as const, "reflect" as const)).map(([shape, pads, mode]) => {
  const x = variable(shape);
  return { output: t.pad(x.tensor, shape.map((_, i) => pads[i]!), shape.map((_, i) => pads[i + 3]!), { mode, value: mode === "constant" ? 0.5 : 0 }), inputs: [x] };
});

const sliceCase: Maker = fc.tuple(shapeOf(1, 3), fc.nat({ max: 2 }), fc.nat({ max: 3 }), fc.integer({ min: 1, max: 3 }), fc.boolean()).map(([shape, pick, from, step, backwards]) => {
  const x = variable(shape.map((d) => d + 1));
  const axis = pick % shape.length;
  const start = from % x.tensor.shape[axis]!;
  return { output: backwards ? t.flip(x.tensor, axis) : t.sliceAxis(x.tensor, axis, start, x.tensor.shape[axis]!, step), inputs: [x] };
});

const gatherCase = (f: (x: Tensor, indices: Tensor, axis: number) => Tensor, indexShape: (shape: number[], axis: number) => number[]): Maker =>
  fc.tuple(shapeOf(1, 3), fc.nat({ max: 2 }), fc.nat({ max: 9 })).map(([shape, pick, seed]) => {
    const axis = pick % shape.length;
    const x = variable(shape);
    return { output: f(x.tensor, indicesOf(indexShape(shape, axis), 3, seed), axis), inputs: [x] };
  });

const resizeCase: Maker = fc.tuple(fc.array(fc.integer({ min: 2, max: 4 }), { minLength: 2, maxLength: 2 }), fc.array(fc.integer({ min: 2, max: 8 }), { minLength: 2, maxLength: 2 }), fc.constantFrom("nearest" as const, "linear" as const)).map(([from, to, mode]) => {
  const x = variable([1, 2, ...from]);
  return { output: t.resize(x.tensor, to, mode), inputs: [x] };
});

const castTo = (to: DType): Maker => unary((x) => t.cast(x, to));

/** One generator per op of the table. */
export const cases: Readonly<Record<string, Maker>> = {
  input: unary((x) => x),
  constant: unary((x) => t.add(x, constant(1.5))),
  neg: unary(t.neg),
  abs: unary(t.abs),
  sign: unary(t.sign),
  floor: unary(t.floor),
  round: unary(t.round),
  exp: unary(t.exp),
  log: unary(t.log, positive),
  sqrt: unary(t.sqrt, positive),
  reciprocal: unary(t.reciprocal, positive),
  sin: unary(t.sin),
  cos: unary(t.cos),
  atan: unary(t.atan),
  tanh: unary(t.tanh),
  sigmoid: unary(t.sigmoid),
  erf: unary(t.erf, [-4, 4]),
  relu: unary(t.relu),
  silu: unary(t.silu),
  gelu: unary(t.gelu),
  not: unary((x) => t.not(t.greater(x, 0))),
  add: binary(t.add),
  sub: binary(t.sub),
  mul: binary(t.mul),
  div: binary(t.div, smooth, positive),
  pow: binary(t.pow, positive, smooth),
  maximum: binary(t.maximum),
  minimum: binary(t.minimum),
  equal: binary((a, b) => t.equal(t.round(a), t.round(b))),
  less: binary(t.less),
  lessEqual: binary(t.lessEqual),
  greater: binary(t.greater),
  greaterEqual: binary(t.greaterEqual),
  and: logical(t.and),
  or: logical(t.or),
  where: binary((a, b) => t.where(t.greater(a, b), a, b)),
  cast: fc.oneof(castTo("int64"), castTo("bool"), castTo("float64")),
  sum: reduction(t.sum),
  sumSquares: reduction(t.sumSquares),
  mean: reduction(t.mean),
  max: reduction(t.max),
  min: reduction(t.min),
  cumsum: fc.tuple(shapeOf(1, 3), fc.nat(2), fc.boolean(), fc.boolean()).map(([shape, axis, reverse, exclusive]) => {
    const x = variable(shape);
    return { output: t.cumsum(x.tensor, axis % shape.length, { reverse, exclusive }), inputs: [x] };
  }),
  argmax: fc.tuple(shapeOf(1, 3), fc.nat(2)).map(([shape, axis]) => {
    const x = variable(shape);
    return { output: t.argmax(x.tensor, axis % shape.length), inputs: [x] };
  }),
  reshape: unary((x) => t.reshape(x, [-1, 1])),
  transpose: fc.tuple(shapeOf(2, 4), fc.nat({ max: 3 })).map(([shape, shift]) => {
    const x = variable(shape);
    return { output: t.transpose(x.tensor, shape.map((_, i) => (i + shift) % shape.length)), inputs: [x] };
  }),
  broadcastTo: broadcasting.map(([full, other]) => {
    const x = variable(other);
    return { output: t.broadcastTo(x.tensor, full), inputs: [x] };
  }),
  concat: fc.tuple(shapeOf(1, 3), fc.nat(2), dim).map(([shape, pick, other]) => {
    const axis = pick % shape.length;
    const [a, b] = [variable(shape), variable(shape.map((d, i) => (i === axis ? other : d)))];
    return { output: t.concat([a.tensor, b.tensor, a.tensor], axis), inputs: [a, b] };
  }),
  slice: sliceCase,
  pad: padCase,
  matmul: matmulCase,
  gemm: fc.record({ m: dim, k: dim, n: dim, lead: fc.boolean(), transA: fc.boolean(), transB: fc.boolean(), alpha: fc.constantFrom(1, 0.5), activation: fc.constantFrom(null, "relu" as const, "sigmoid" as const, "tanh" as const) }).map((c) => {
    const a = variable([...(c.lead && !c.transA ? [2] : []), ...(c.transA ? [c.k, c.m] : [c.m, c.k])]);
    const [b, bias] = [variable(c.transB ? [c.n, c.k] : [c.k, c.n]), variable([c.n])];
    return { output: t.gemm(a.tensor, b.tensor, bias.tensor, c), inputs: [a, b, bias] };
  }),
  conv: convCase,
  maxPool: poolCase,
  gather: gatherCase((x, indices, axis) => t.gather(t.concat([x, x, x], axis), indices, axis), () => [2, 2]),
  scatterAdd: gatherCase((x, indices, axis) => t.scatterAdd(x, indices, 3, axis), (shape, axis) => [shape[axis]!]),
  gatherElements: gatherCase((x, indices, axis) => t.gatherElements(t.concat([x, x, x], axis), indices, axis), (shape) => shape),
  scatterElementsAdd: gatherCase((x, indices, axis) => t.scatterElementsAdd(x, indices, 3, axis), (shape) => shape),
  setAt: fc.tuple(shapeOf(1, 3), fc.nat(2), fc.nat(2)).map(([shape, pick, place]) => {
    const axis = pick % shape.length;
    const [x, row] = [variable(shape), variable(shape.map((d, i) => (i === axis ? 1 : d)))];
    return { output: t.setAt(x.tensor, row.tensor, constant([place % shape[axis]!], [1], "int64"), axis), inputs: [x, row] };
  }),
  resize: resizeCase,
  softmax: fc.tuple(shapeOf(1, 3), fc.nat(2)).map(([shape, axis]) => {
    const x = variable(shape);
    return { output: t.softmax(x.tensor, axis % shape.length), inputs: [x] };
  }),
  standardize: lastAxis((x) => t.standardize(x, 1e-2)),
  inverseStd: lastAxis((x) => apply(opTable.get("inverseStd")!, [x], { eps: 1e-2 })),
  rmsNorm: fc.tuple(shapeOf(0, 2), fc.integer({ min: 2, max: 5 })).map(([lead, width]) => {
    const [x, weight] = [variable([...lead, width]), variable([width])];
    return { output: t.rmsNorm(x.tensor, weight.tensor, 1e-2), inputs: [x, weight] };
  }),
  normalCdf: unary((x) => apply(opTable.get("normalCdf")!, [x], {})),
  rotary: fc.tuple(dim, dim, dim, fc.integer({ min: 1, max: 3 })).map(([batch, heads, tokens, half]) => {
    const [x, cos, sin] = [variable([batch, heads, tokens, 2 * half]), variable([tokens, half]), variable([tokens, half])];
    return { output: t.rotary(x.tensor, cos.tensor, sin.tensor), inputs: [x, cos, sin] };
  }),
  inverseRms: lastAxis((x) => apply(opTable.get("inverseRms")!, [x], { eps: 1e-2 })),
  stopGradient: unary(t.stopGradient),
  barrier: binary((a, b) => barrier(a, b)),
};

/** Ops whose derivative is zero or missing on purpose. */
export const flat = new Set(["sign", "floor", "round", "not", "equal", "less", "lessEqual", "greater", "greaterEqual", "and", "or", "argmax", "stopGradient", "cast"]);
