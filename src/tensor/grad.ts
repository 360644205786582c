/**
 * Reverse-mode differentiation as a transformation of graphs: `grad` adds the nodes that compute a scalar's derivatives
 * and returns them. Nothing distinguishes them from other nodes, so derivatives of derivatives work too.
 */
import { rebuild, reachable, type Tensor } from "./graph.ts";
import { isFloat } from "./dtype.ts";
import { barrier, regions, type Region } from "./ops/control.ts";
import { add } from "./ops/elementwise.ts";
import { full } from "./ops/gather.ts";
import { sameShape, show, size } from "./shape.ts";

/** Derivatives of the one-element `loss` by each of `parameters`; zeros where it does not depend on one. */
export function grad(loss: Tensor, parameters: readonly Tensor[]): Tensor[] {
  if (size(loss.shape) !== 1) throw new TypeError(`grad: the loss must be one number, but its shape is ${show(loss.shape)}`);
  return vjp([loss], [full(loss.shape, 1, loss.dtype)], parameters);
}

/** Products of `seeds` (gradients of `outputs`) with the Jacobian: the gradients of `parameters`. */
export function vjp(outputs: readonly Tensor[], seeds: readonly Tensor[], parameters: readonly Tensor[]): Tensor[] {
  const gradients = backward(outputs, seeds, parameters);
  return parameters.map((p) => gradients.get(p) ?? full(p.shape, 0, p.dtype));
}

function backward(outputs: readonly Tensor[], seeds: readonly Tensor[], wanted: readonly Tensor[]): Map<Tensor, Tensor> {
  const leaves = new Set(wanted);
  const nodes = reachable(outputs);
  // Only nodes that depend on something wanted take part.
  const needed = new Set<Tensor>();
  for (const node of nodes) if (isFloat(node.dtype) && (leaves.has(node) || node.inputs.some((i) => needed.has(i)))) needed.add(node);

  const gradients = new Map<Tensor, Tensor>();
  const accumulate = (node: Tensor, gradient: Tensor | null | undefined): void => {
    if (!gradient || !needed.has(node)) return;
    if (!sameShape(gradient.shape, node.shape)) throw new Error(`gradient of ${node.op.name} has shape ${show(gradient.shape)}, not ${show(node.shape)}`);
    const before = gradients.get(node);
    gradients.set(node, before ? add(before, gradient) : gradient);
  };
  outputs.forEach((output, i) => accumulate(output, seeds[i]));

  for (const node of nodes.reverse()) {
    const dy = gradients.get(node);
    if (!dy || node.inputs.length === 0) continue;
    const region = regions.get(node);
    if (region) {
      for (const [input, gradient] of throughRegion(node, dy, region, needed)) accumulate(input, gradient);
      continue;
    }
    if (!node.op.grad) throw new Error(`${node.op.name} has no gradient; stop it with stopGradient`);
    node.op.grad(node, dy, node.attrs).forEach((gradient, i) => accumulate(node.inputs[i]!, gradient));
  }
  return gradients;
}

/** Copies the nodes between a region's inputs and its output, behind a barrier on `dy`, and differentiates the copy. */
function throughRegion(output: Tensor, dy: Tensor, { start, inputs }: Region, needed: ReadonlySet<Tensor>): Map<Tensor, Tensor> {
  // A parameter first asked for inside is an input of the graph all the same: it keeps its identity and its gradient.
  const outside = (node: Tensor): boolean => node.id < start || node.inputs.length === 0 || inputs.includes(node);
  const copies = new Map<Tensor, Tensor>();
  const originals = new Map<Tensor, Tensor>();
  for (const node of reachable([output], outside)) {
    if (!outside(node)) {
      const copy = rebuild(node, node.inputs.map((i) => copies.get(i)!));
      copies.set(node, copy);
      const inner = regions.get(node);
      // An inner region stays one, with its boundary moved to the copy.
      if (inner && node !== output) regions.set(copy, { start: Math.min(...reachable([node], outside).map((n) => copies.get(n)?.id ?? Infinity)), inputs: inner.inputs.map((i) => copies.get(i) ?? i) });
    } else if (inputs.includes(node) && isFloat(node.dtype)) {
      const copy = barrier(node, dy);
      copies.set(node, copy);
      originals.set(node, copy);
    } else {
      copies.set(node, node);
      originals.set(node, node);
    }
  }
  const wanted = [...originals].filter(([original]) => needed.has(original));
  const found = backward([copies.get(output)!], [dy], wanted.map(([, copy]) => copy));
  return new Map(wanted.flatMap(([original, copy]) => (found.has(copy) ? [[original, found.get(copy)!] as const] : [])));
}
