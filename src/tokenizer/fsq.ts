/**
 * Finite scalar quantization (Mentzer et al. 2023, arXiv 2309.15505; cosmos-predict1 `tokenizer/modules/quantizers.py`): each
 * channel is squashed to an interval and rounded to one of `levels[i]` values; an index numbers the combinations, first
 * channel fastest. Everything is float32; the reference's default of bfloat16 is for speed on GPUs.
 */
import { add, cast, constant, div, floor, mul, round, straightThrough, sub, sum, tanh, unsqueeze, type Tensor } from "../tensor/index.ts";

/** A constant per channel that broadcasts along [B, C, ...]. */
const perChannel = (values: readonly number[], rank: number): Tensor => constant(values, [values.length, ...new Array<number>(rank - 2).fill(1)]);

const half = (levels: readonly number[]): number[] => levels.map((l) => Math.floor(l / 2));
const basis = (levels: readonly number[]): number[] => levels.map((_, i) => levels.slice(0, i).reduce((a, b) => a * b, 1));

/** What rounding maps to -floor(L/2) .. L - 1 - floor(L/2): even counts of levels are shifted by half a step. */
function bound(z: Tensor, levels: readonly number[]): Tensor {
  const f = Math.fround;
  const rank = z.shape.length;
  const reach = levels.map((l) => f(f((l - 1) * f(1 + 1e-3)) / 2));
  const offset = levels.map((l) => (l % 2 ? 0 : 0.5));
  const shift = reach.map((r, i) => f(Math.atanh(f(offset[i]! / r))));
  return sub(mul(tanh(add(z, perChannel(shift, rank))), perChannel(reach, rank)), perChannel(offset, rank));
}

export interface Quantized {
  /** int64 [B, ...]. */
  indices: Tensor;
  /** [B, C, ...] in -1..1; gradients pass through the rounding. */
  codes: Tensor;
}

/** Quantizes z [B, C, ...], C = levels.length. */
export function fsqQuantize(z: Tensor, levels: readonly number[]): Quantized {
  const rank = z.shape.length;
  const bounded = bound(z, levels);
  const rounded = round(bounded);
  const width = perChannel(half(levels), rank);
  const digits = mul(add(rounded, width), perChannel(basis(levels), rank));
  return { indices: cast(sum(digits, 1), "int64"), codes: div(straightThrough(rounded, bounded), width) };
}

/** Code vectors [B, C, ...] of indices [B, ...]. */
export function fsqCodes(indices: Tensor, levels: readonly number[]): Tensor {
  const rank = indices.shape.length + 1;
  // Half a unit more keeps the quotient clear of whole numbers, so that floor is right however division rounds.
  const index = add(unsqueeze(cast(indices, "float32"), 1), 0.5);
  const above = (at: readonly number[]): Tensor => floor(div(index, perChannel(at, rank)));
  const place = basis(levels);
  const digit = sub(above(place), mul(above(place.map((b, i) => b * levels[i]!)), perChannel(levels, rank)));
  const width = perChannel(half(levels), rank);
  return div(sub(digit, width), width);
}
