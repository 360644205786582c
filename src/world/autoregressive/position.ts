/**
 * Absolute positions: sine and cosine waves over the latent's frames, rows and columns, each with its share of the width,
 * which 5B and 13B add before every layer (cosmos-predict1 `autoregressive/modules/embedding.py`, `SinCosPosEmbAxisTE`).
 */
import { concat, constant, gather, type Tensor } from "../../tensor/index.ts";
import { hasBov, positionCount, type AutoregressiveConfig } from "./config.ts";

/** Nearest bfloat16, ties to even. The reference keeps these tables in it even where everything else is float32. */
export function roundToBfloat16(value: number): number {
  const word = new Uint32Array(Float32Array.of(value).buffer);
  const bits = word[0]!;
  word[0] = (bits + 0x7fff + ((bits >>> 16) & 1)) & 0xffff0000;
  return new Float32Array(word.buffer)[0]!;
}

/** Waves of `count` places [count + 1, width]; the last row is the zeros of places that are none. */
export function axisWaves(count: number, width: number): Float32Array {
  const half = width / 2;
  const out = new Float32Array((count + 1) * width);
  for (let place = 0; place < count; place++)
    for (let k = 0; k < half; k++) {
      const angle = place * (1 / 10000 ** (k / half));
      out[place * width + k] = roundToBfloat16(Math.sin(angle));
      out[place * width + half + k] = roundToBfloat16(Math.cos(angle));
    }
  return out;
}

/** What is added to tokens at `positions`, an int64 tensor [n] or the first n positions: [n, dim]. Three small tables instead of one of every position. */
export function absolutePositions(c: AutoregressiveConfig, positions: Tensor | number): Tensor {
  const shape = c.video_latent_shape!;
  const spatial = Math.floor(c.dim / 6) * 2;
  const widths = [c.dim - 2 * spatial, spatial, spatial];
  const tokens = shape[0] * shape[1] * shape[2];
  const lead = hasBov(c) ? 1 : 0;
  const parts = shape.map((count, axis) => {
    const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
    const place = (i: number): number => (i >= lead && i < lead + tokens ? Math.floor((i - lead) / inner) % count : count);
    const places = constant(Array.from({ length: typeof positions === "number" ? positions : positionCount(c) }, (_, i) => place(i)), undefined, "int64");
    const table = constant(axisWaves(count, widths[axis]!), [count + 1, widths[axis]!]);
    return gather(table, typeof positions === "number" ? places : gather(places, positions));
  });
  return concat(parts, -1);
}
