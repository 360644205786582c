/** Arithmetic on shapes: sizes, strides, broadcasting as NumPy defines it, and axes counted from either end. */

export type Shape = readonly number[];

/** A shape or axis that does not fit; the message names the op and the shapes. */
export class ShapeError extends TypeError {
  constructor(op: string, message: string) {
    super(`${op}: ${message}`);
    this.name = "ShapeError";
  }
}

export const size = (shape: Shape): number => shape.reduce((product, d) => product * d, 1);

export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((d, i) => d === b[i]);

export const show = (shape: Shape): string => `[${shape.join(", ")}]`;

/** Row-major strides, in elements. */
export function strides(shape: Shape): number[] {
  const out = new Array<number>(shape.length);
  for (let i = shape.length - 1, step = 1; i >= 0; i--) {
    out[i] = step;
    step *= shape[i]!;
  }
  return out;
}

export function broadcast(op: string, ...shapes: Shape[]): number[] {
  const rank = Math.max(0, ...shapes.map((s) => s.length));
  const out = new Array<number>(rank).fill(1);
  for (const shape of shapes)
    shape.forEach((d, i) => {
      const at = rank - shape.length + i;
      if (d !== 1 && out[at] !== 1 && out[at] !== d)
        throw new ShapeError(op, `shapes ${shapes.map(show).join(" and ")} do not broadcast`);
      if (d !== 1) out[at] = d;
    });
  return out;
}

/** An axis counted from the end (-1) as one counted from the front. */
export function axisOf(op: string, axis: number, rank: number): number {
  const at = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(at) || at < 0 || at >= rank) throw new ShapeError(op, `axis ${axis} is outside a tensor of rank ${rank}`);
  return at;
}

export const axesOf = (op: string, axes: readonly number[], rank: number): number[] =>
  [...new Set(axes.map((a) => axisOf(op, a, rank)))].sort((a, b) => a - b);
