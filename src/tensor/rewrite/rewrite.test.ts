import { expect, test } from "vitest";
import { compile, evaluateGraph, input, reachable, type Tensor } from "../index.ts";
import { constant } from "../graph.ts";
import { add, mul, relu, sub } from "../ops/elementwise.ts";
import { setAt } from "../ops/gather.ts";
import { broadcastTo, reshape, swapAxes, transpose } from "../ops/layout.ts";
import { matmul } from "../ops/matmul.ts";
import { softmax } from "../ops/normalize.ts";
import { sum } from "../ops/reduce.ts";
import { mergeCommon } from "./common.ts";
import { foldConstants } from "./fold.ts";
import { fuseGemm } from "./fuse.ts";
import { rules, simplify } from "./simplify.ts";

const values = (shape: readonly number[], phase: number): { shape: readonly number[]; data: Float64Array } => ({
  shape,
  data: Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * 1.3 + phase)),
});
const feeds = { a: values([2, 6, 3], 0), b: values([2, 6, 3], 1), c: values([2, 6, 3], 2), r: values([3], 3), w: values([3, 3], 4) };
const [a, b, c, r] = [input("a", [2, 6, 3]), input("b", [2, 6, 3]), input("c", [2, 6, 3]), input("r", [3])];
const w = input("w", [3, 3]);
const product = matmul(a, w, { transB: true });
const p = softmax(matmul(a, b, { transB: true }));

/** What each rewrite works on, and how many nodes of which op it must leave. */
const graphs: Record<string, { graph: Tensor; rewrite: (outputs: Tensor[]) => Tensor[]; left: [op: string, count: number] }> = {
  dropBroadcast: { graph: add(a, broadcastTo(r, [2, 6, 3])), rewrite: (o) => simplify(o, [rules["dropBroadcast"]!]), left: ["broadcastTo", 0] },
  neutral: { graph: add(mul(a, 1), 0), rewrite: (o) => simplify(o, [rules["neutral"]!]), left: ["mul", 0] },
  mergeScales: { graph: mul(mul(a, 3), 0.5), rewrite: (o) => simplify(o, [rules["mergeScales"]!]), left: ["mul", 1] },
  mergeTransposes: { graph: transpose(transpose(a, [2, 0, 1]), [1, 0, 2]), rewrite: (o) => simplify(o, [rules["mergeTransposes"]!]), left: ["transpose", 1] },
  transposeIntoMatmul: { graph: matmul(a, swapAxes(b, -1, -2)), rewrite: (o) => simplify(o, [rules["transposeIntoMatmul"]!]), left: ["transpose", 0] },
  shortenRowSums: { graph: sum(mul(matmul(c, b, { transB: true }), p), -1, true), rewrite: (o) => simplify(o, [rules["shortenRowSums"]!]), left: ["sum", 1] },
  fuseGemm: { graph: relu(add(matmul(a, w, { transB: true }), r)), rewrite: fuseGemm, left: ["gemm", 1] },
  foldConstants: { graph: add(a, mul(constant([1, 2, 3]), constant(2))), rewrite: foldConstants, left: ["mul", 0] },
  mergeCommon: { graph: sub(mul(a, b), mul(mul(a, b), c)), rewrite: mergeCommon, left: ["mul", 2] },
};

test.each(Object.keys(graphs))("%s changes the graph and not its value", (name) => {
  const { graph, rewrite, left } = graphs[name]!;
  const [after] = rewrite([graph]);
  expect(after).not.toBe(graph);
  expect(reachable([after!]).filter((n) => n.op.name === left[0])).toHaveLength(left[1]);
  const [want, got] = evaluateGraph([graph, after!], feeds);
  got!.data.forEach((v, i) => expect(Math.abs(v - want!.data[i]!)).toBeLessThan(1e-12));
});

test("row sums are shortened to the width of a head", () => {
  const [after] = graphs["shortenRowSums"]!.rewrite([graphs["shortenRowSums"]!.graph]);
  expect(after!.inputs[0]!.shape).toEqual([2, 6, 3]);
});

test("state is overwritten only when everything that reads it has run", () => {
  const state = input("state", [4]);
  const next = sub(mul(state, 0.5), 1);
  const inPlace = (outputs: Record<string, Tensor>): unknown => compile({ outputs, succeeds: { next: "state" } }).inPlace;
  expect(inPlace({ next })).toEqual({ next: "state" });
  expect(inPlace({ next, figure: sum(mul(state, state)) })).toEqual({});
  // A row written into it may be a view, as long as it is not one of the state.
  const at = input("at", [1], "int64");
  const row = input("row", [1, 1]);
  expect(inPlace({ next: setAt(state, reshape(row, [1]), at, 0), seen: sum(setAt(state, reshape(row, [1]), at, 0)) })).toEqual({ next: "state" });
  expect(inPlace({ next: add(state, reshape(state, [4])) })).toEqual({ next: "state" });
  expect(inPlace({ next: add(state, reshape(reshape(state, [2, 2]), [1, 4])) })).toEqual({});
});

test("a product that something else reads keeps its bias to itself", () => {
  const doubled = fuseGemm([add(product, r), sum(product)]);
  expect(reachable(doubled).map((n) => n.op.name)).not.toContain("gemm");
});
