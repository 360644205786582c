/** For the CPU provider: a product with a weight matrix takes in the bias added to it and the activation after that. */
import { reachable, type Tensor } from "../graph.ts";
import { gemm, gemmActivations, type GemmActivation, type GemmAttrs } from "../ops/gemm.ts";
import type { MatmulAttrs } from "../ops/matmul.ts";
import { mapGraph } from "./map.ts";

export function fuseGemm(outputs: readonly Tensor[]): Tensor[] {
  // A value that something else reads must exist anyway, and then fusing saves nothing.
  const readers = new Map<Tensor, number>();
  for (const t of [...outputs, ...reachable(outputs).flatMap((n) => n.inputs)]) readers.set(t, (readers.get(t) ?? 0) + 1);
  const originals = new Map<Tensor, Tensor>();
  const readOnce = (t: Tensor): boolean => readers.get(originals.get(t)!) === 1;
  return mapGraph(outputs, (node, original) => {
    const result = withBias(node, readOnce) ?? withActivation(node, readOnce) ?? node;
    originals.set(result, original);
    return result;
  });
}

function withBias(node: Tensor, readOnce: (t: Tensor) => boolean): Tensor | undefined {
  if (node.op.name !== "add" || node.dtype !== "float32") return undefined;
  for (const [product, bias] of [node.inputs, [...node.inputs].reverse()] as [Tensor, Tensor][]) {
    if (product.op.name !== "matmul" || !readOnce(product) || bias.shape.length !== 1 || bias.shape[0] !== product.shape.at(-1)) continue;
    const [a, b] = product.inputs as [Tensor, Tensor];
    const attrs = product.attrs as unknown as MatmulAttrs;
    if (b.shape.length === 2 && (a.shape.length === 2 || !attrs.transA)) return gemm(a, b, bias, attrs);
  }
  return undefined;
}

function withActivation(node: Tensor, readOnce: (t: Tensor) => boolean): Tensor | undefined {
  const [inner] = node.inputs;
  if (!Object.hasOwn(gemmActivations, node.op.name) || inner!.op.name !== "gemm" || !readOnce(inner!)) return undefined;
  const attrs = inner!.attrs as unknown as GemmAttrs;
  return attrs.activation ? undefined : gemm(...(inner!.inputs as [Tensor, Tensor, Tensor]), { ...attrs, activation: node.op.name as GemmActivation });
}
