import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { storedLength, toBFloat16, toBigInt64, toFloat16, toFloat32, toInt32 } from "./dtype.ts";

const bytesOf = (view: ArrayBufferView): Uint8Array => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
const bits = (values: Float32Array): number[] => [...new Uint32Array(values.buffer, values.byteOffset, values.length)];

/** A half by its definition: sign, exponent with bias 15, ten bits of mantissa. */
function halfByDefinition(h: number): number {
  const sign = h & 0x8000 ? -1 : 1;
  const [exponent, mantissa] = [(h >> 10) & 31, h & 1023];
  if (exponent === 31) return mantissa ? NaN : sign * Infinity;
  return sign * (exponent === 0 ? mantissa * 2 ** -24 : (1024 + mantissa) * 2 ** (exponent - 25));
}

describe("widening", () => {
  const every = Uint16Array.from({ length: 65536 }, (_, i) => i);

  test("every float16 is its definition's value", () => {
    const wide = toFloat32("F16", bytesOf(every));
    for (let h = 0; h < 65536; h++) if (!Object.is(wide[h], halfByDefinition(h))) expect.fail(`0x${h.toString(16)} became ${wide[h]}`);
  });

  test("every float16 and bfloat16 comes back as it was, NaN made quiet", () => {
    const half = toFloat16(toFloat32("F16", bytesOf(every)));
    const brain = toBFloat16(toFloat32("BF16", bytesOf(every)));
    for (let h = 0; h < 65536; h++) {
      const halfNaN = (h & 0x7fff) > 0x7c00;
      const brainNaN = (h & 0x7fff) > 0x7f80;
      if (half[h] !== (halfNaN ? h | 0x200 : h)) expect.fail(`float16 0x${h.toString(16)} became 0x${half[h]!.toString(16)}`);
      if (brain[h] !== (brainNaN ? h | 0x40 : h)) expect.fail(`bfloat16 0x${h.toString(16)} became 0x${brain[h]!.toString(16)}`);
    }
  });

  test("8-bit floats: largest, smallest, infinity and NaN of both kinds", () => {
    expect([...toFloat32("F8_E4M3", Uint8Array.of(0x7e, 0x01, 0x08, 0x38, 0xff, 0x80, 0x07))]).toEqual([448, 2 ** -9, 2 ** -6, 1, NaN, -0, 7 * 2 ** -9]);
    expect([...toFloat32("F8_E5M2", Uint8Array.of(0x7b, 0x01, 0xfc, 0x7e))]).toEqual([57344, 2 ** -16, -Infinity, NaN]);
  });

  test("float64 is rounded once, to nearest", () => {
    fc.assert(fc.property(fc.double(), (x) => Object.is(toFloat32("F64", bytesOf(Float64Array.of(x)))[0], Math.fround(x))));
  });

  test("bytes that are not aligned are read the same", () => {
    const shifted = new Uint8Array(9);
    shifted.set(bytesOf(Float32Array.of(1.5, -2)), 1);
    expect([...toFloat32("F32", shifted.subarray(1))]).toEqual([1.5, -2]);
  });

  test("integers and booleans", () => {
    fc.assert(fc.property(fc.bigInt({ min: -(2n ** 53n), max: 2n ** 53n }), (n) => toFloat32("I64", bytesOf(BigInt64Array.of(n)))[0] === Math.fround(Number(n))));
    expect(toFloat32("U64", bytesOf(BigUint64Array.of(2n ** 63n)))[0]).toBe(2 ** 63);
    expect([...toFloat32("I8", Uint8Array.of(255))]).toEqual([-1]);
    expect([...toFloat32("BOOL", Uint8Array.of(0, 1, 2))]).toEqual([0, 1, 1]);
    expect([...toBigInt64("I16", bytesOf(Int16Array.of(-5)))]).toEqual([-5n]);
    expect([...toInt32("I64", bytesOf(BigInt64Array.of(-(2n ** 31n))))]).toEqual([-(2 ** 31)]);
    expect(() => toInt32("I64", bytesOf(BigInt64Array.of(2n ** 31n)))).toThrow(/2147483648.*32 bits/);
    expect(() => toBigInt64("F32", new Uint8Array(4))).toThrow(/F32/);
    expect(() => toFloat32("F32", new Uint8Array(6))).toThrow(/6 bytes/);
  });
});

describe("narrowing", () => {
  /** The nearest of all values of a type, the even one on a tie, found by looking at every one. */
  function nearest(x: number, values: Float32Array): number {
    let best = 0;
    for (let i = 0; i < values.length; i++) {
      const [d, e] = [Math.abs(values[i]! - x), Math.abs(values[best]! - x)];
      if (d < e || (d === e && i % 2 === 0)) best = i;
    }
    return best;
  }
  const positiveHalves = toFloat32("F16", bytesOf(Uint16Array.from({ length: 0x7c00 }, (_, i) => i)));

  test("float16 is the nearest, ties to even", () => {
    const inRange = fc.oneof(fc.float({ min: 0, max: 65504, noNaN: true }), fc.integer({ min: 0, max: 0x7bfe }).map((h) => (positiveHalves[h]! + positiveHalves[h + 1]!) / 2));
    fc.assert(fc.property(inRange, (x) => toFloat16(Float32Array.of(x))[0] === nearest(Math.fround(x), positiveHalves)), { numRuns: 60 });
    expect([...toFloat16(Float32Array.of(65519.996, 65520, -Infinity, 2 ** -25, 1.0001 * 2 ** -25, -0))]).toEqual([0x7bff, 0x7c00, 0xfc00, 0, 1, 0x8000]);
  });

  test("bfloat16: ties to even, overflow to infinity, NaN stays NaN", () => {
    const from = new Float32Array(Uint32Array.of(0x3f808000, 0x3f818000, 0x3f808001, 0x7f7fffff, 0xff800000, 0x7f800001).buffer);
    expect([...toBFloat16(from)]).toEqual([0x3f80, 0x3f82, 0x3f81, 0x7f80, 0xff80, 0x7fc0]);
    expect(bits(toFloat32("BF16", bytesOf(Uint16Array.of(0x0001))))).toEqual([0x10000]);
  });
});

test("a shape's bytes, or nothing where they cannot be counted", () => {
  expect(storedLength("BF16", [])).toBe(2);
  expect(storedLength("F32", [3, 0])).toBe(0);
  expect(storedLength("F32", [2 ** 30, 2 ** 30])).toBeUndefined();
  expect(storedLength("F32", [-1])).toBeUndefined();
});
