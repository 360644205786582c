/** The two-dimensional Fourier transform of a small square grid, in place: radix 2, real and imaginary parts apart. */

export interface Grid {
  re: Float64Array;
  im: Float64Array;
}

export interface Fourier {
  readonly side: number;
  forward(grid: Grid): void;
  /** Includes the division by the number of cells. */
  inverse(grid: Grid): void;
}

export const newGrid = (side: number): Grid => ({ re: new Float64Array(side * side), im: new Float64Array(side * side) });

/** `side` is a power of two. */
export function fourier(side: number): Fourier {
  const cos = Float64Array.from({ length: side / 2 }, (_, i) => Math.cos((2 * Math.PI * i) / side));
  const sin = Float64Array.from({ length: side / 2 }, (_, i) => Math.sin((2 * Math.PI * i) / side));
  const bits = Math.log2(side);
  const reversed = Int32Array.from({ length: side }, (_, i) => {
    let r = 0;
    for (let b = 0; b < bits; b++) r |= ((i >> b) & 1) << (bits - 1 - b);
    return r;
  });
  const re = new Float64Array(side);
  const im = new Float64Array(side);

  function line(grid: Grid, start: number, step: number, sign: number): void {
    for (let i = 0; i < side; i++) {
      re[i] = grid.re[start + reversed[i]! * step]!;
      im[i] = grid.im[start + reversed[i]! * step]!;
    }
    for (let half = 1; half < side; half *= 2) {
      const stride = side / (2 * half);
      for (let block = 0; block < side; block += 2 * half) {
        for (let k = 0; k < half; k++) {
          const c = cos[k * stride]!;
          const s = sign * sin[k * stride]!;
          const a = block + k;
          const b = a + half;
          const tr = re[b]! * c - im[b]! * s;
          const ti = re[b]! * s + im[b]! * c;
          re[b] = re[a]! - tr;
          im[b] = im[a]! - ti;
          re[a]! += tr;
          im[a]! += ti;
        }
      }
    }
    for (let i = 0; i < side; i++) {
      grid.re[start + i * step] = re[i]!;
      grid.im[start + i * step] = im[i]!;
    }
  }

  function both(grid: Grid, sign: number): void {
    for (let i = 0; i < side; i++) line(grid, i * side, 1, sign);
    for (let i = 0; i < side; i++) line(grid, i, side, sign);
  }

  return {
    side,
    forward: (grid) => both(grid, -1),
    inverse(grid) {
      both(grid, 1);
      const scale = 1 / (side * side);
      for (let i = 0; i < side * side; i++) {
        grid.re[i]! *= scale;
        grid.im[i]! *= scale;
      }
    },
  };
}
