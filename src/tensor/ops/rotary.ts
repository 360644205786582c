/**
 * Rotary position embedding (Su et al. 2021) in the rotate-half convention: the last axis is two halves, and the pair
 * (x[i], x[i + d/2]) turns by an angle that depends on the position. ONNX Runtime's CPU provider does it in one pass.
 */
import { apply, constant, defineOp, type Tensor } from "../graph.ts";
import { ShapeError, show } from "../shape.ts";
import { add, mul, neg, sub } from "./elementwise.ts";
import { sliceAxis } from "./layout.ts";
import { sumTo } from "./reduce.ts";

type None = Record<string, never>;

const rotaryOp = defineOp<None>({
  name: "rotary",
  infer: ([x, cos, sin]) => {
    const [tokens, width] = x!.shape.slice(-2);
    if (x!.shape.length !== 4 || width! % 2 || show(cos!.shape) !== show([tokens!, width! / 2]) || show(sin!.shape) !== show(cos!.shape))
      throw new ShapeError("rotary", `x [B, heads, tokens, d] and tables [tokens, d / 2] expected, got ${show(x!.shape)}, ${show(cos!.shape)}, ${show(sin!.shape)}`);
    return { shape: x!.shape, dtype: x!.dtype };
  },
  lower: (emit, node, [x, cos, sin]) => {
    if (emit.target === "cpu") {
      const start = emit.constant("int64", [1], BigInt64Array.of(0n));
      return emit.node("RotaryEmbedding", [x!, start, cos!, sin!], {}, "com.microsoft");
    }
    const half = node.shape.at(-1)! / 2;
    const part = (from: number): string => emit.node("Slice", [x!, emit.ints([from]), emit.ints([from + half]), emit.ints([3])]);
    const [a, b] = [part(0), part(half)];
    const product = (u: string, v: string): string => emit.node("Mul", [u, v]);
    return emit.node("Concat", [emit.node("Sub", [product(a, cos!), product(b, sin!)]), emit.node("Add", [product(b, cos!), product(a, sin!)])], { axis: -1 });
  },
  grad: (node, dy) => {
    const [x, cos, sin] = node.inputs as [Tensor, Tensor, Tensor];
    const half = x.shape.at(-1)! / 2;
    const halves = (t: Tensor): [Tensor, Tensor] => [sliceAxis(t, -1, 0, half), sliceAxis(t, -1, half)];
    const tables = (): [Tensor, Tensor] => {
      const [[a, b], [da, db]] = [halves(x), halves(dy)];
      return [sumTo(add(mul(da, a), mul(db, b)), cos.shape), sumTo(sub(mul(db, a), mul(da, b)), sin.shape)];
    };
    // The tables are constants in every model here; their gradients are then never built.
    const fixed = cos.op.name === "constant" && sin.op.name === "constant";
    return [rotary(dy, cos, neg(sin)), ...(fixed ? [null, null] : tables())];
  },
  evaluate: ([x, cos, sin]) => {
    const width = x!.shape.at(-1)!;
    const half = width / 2;
    const tokens = x!.shape.at(-2)!;
    const data = x!.data.map((v, i) => {
      const k = i % width;
      const at = (Math.floor(i / width) % tokens) * half + (k % half);
      return v * cos!.data[at]! + (k < half ? -x!.data[i + half]! : x!.data[i - half]!) * sin!.data[at]!;
    });
    return { shape: x!.shape, data };
  },
});

/** Turns x [B, heads, tokens, d] by the angles whose cosines and sines are given as [tokens, d / 2]. */
export const rotary = (x: Tensor, cos: Tensor, sin: Tensor): Tensor => apply(rotaryOp, [x, cos, sin], {});

/** Cosines and sines of `angles` [tokens, d / 2] as constants. */
export const rotaryTables = (angles: Float64Array, tokens: number): [Tensor, Tensor] => {
  const shape = [tokens, angles.length / tokens];
  return [constant(Float32Array.from(angles, Math.cos), shape), constant(Float32Array.from(angles, Math.sin), shape)];
};
