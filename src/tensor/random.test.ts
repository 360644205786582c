/** Against numbers that NumPy 2.4.6 printed. */
import { describe, expect, test } from "vitest";
import { RandomState, type RandomSnapshot } from "./random.ts";

const times = <T>(n: number, f: () => T): T[] => Array.from({ length: n }, f);

describe("RandomState", () => {
  test("Gaussians", () => {
    expect([...new RandomState(1).standardNormal(6)]).toEqual([1.6243453636632417, -0.6117564136500754, -0.5281717522634557, -1.0729686221561705, 0.8654076293246785, -2.3015386968802827]);
  });

  test("Gaussians after many refills, and their cached second value", () => {
    const random = new RandomState(0);
    const values = random.standardNormal(100001);
    [-1.167830520759746, -1.2852076475754735, -0.48379749195754734].forEach((v, i) => expect(values[99998 + i]).toBeCloseTo(v, 14));
    expect(values.reduce((a, b) => a + b, 0)).toBeCloseTo(157.18625332057633, 9);
    expect(random.snapshot().position).toBe(44);
    expect(random.snapshot().spare).toBeCloseTo(1.2880570646576663, 14);
  });

  test("float32 Gaussians are the double ones rounded", () => {
    expect(new RandomState(3).standardNormalFloat32(9)).toEqual(Float32Array.from(new RandomState(3).standardNormal(9)));
  });

  test("uniform numbers, with the largest seed", () => {
    const random = new RandomState(4294967295);
    expect(times(3, () => random.random())).toEqual([0.0976320289940138, 0.9123828453026218, 0.78903530185164]);
    expect(times(2, () => random.uniform(-2, 3))).toEqual([1.9000179905673389, -1.9103016300662738]);
  });

  test("integers by masking, up to beyond 32 bits", () => {
    const random = new RandomState(7);
    expect(times(8, () => random.randint(0, 10))).toEqual([4, 9, 6, 3, 3, 7, 7, 9]);
    expect(times(4, () => random.randint(-5, 1000000))).toEqual([712073, 854546, 618051, 315732]);
    expect(times(3, () => random.randint(0, 2 ** 40))).toEqual([474247592490, 936371205000, 719526270950]);
    expect(random.randint(3, 4)).toBe(3);
    expect(times(2, () => random.randint(0, 2 ** 32))).toEqual([2917270596, 3731473840]);
  });

  test("raw bits", () => {
    const random = new RandomState(123);
    expect(times(700, () => random.uint32()).slice(-2)).toEqual([3531767999, 3169477021]);
  });

  test("permutation and shuffle", () => {
    const random = new RandomState(42);
    expect(random.permutation(10)).toEqual([8, 1, 5, 0, 7, 2, 9, 4, 3, 6]);
    expect(random.shuffle([..."abcdef"]).join("")).toBe("dbaefc");
    expect(random.random()).toBe(0.14286681792194078);
  });

  test("goes on from a snapshot that went through JSON, in the middle of a pair", () => {
    const random = new RandomState(5);
    random.standardNormal(2001);
    const copy = RandomState.restore(JSON.parse(JSON.stringify(random.snapshot())) as RandomSnapshot);
    expect([...copy.standardNormal(1000)]).toEqual([...random.standardNormal(1000)]);
    expect(copy.uint32()).toBe(random.uint32());
  });

  test("says what a seed and a range are", () => {
    for (const seed of [-1, 2 ** 32, 1.5, NaN]) expect(() => new RandomState(seed)).toThrow(/0 to 4294967295/);
    expect(() => new RandomState(1).randint(3, 3)).toThrow(/no integer/);
    expect(() => RandomState.restore({ key: [1], position: 0, spare: null })).toThrow(/state/);
  });
});
