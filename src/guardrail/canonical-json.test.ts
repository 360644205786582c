/** Canonical JSON, held to the examples of RFC 8785 and to two laws. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalJson } from "./canonical-json.ts";

test("the examples of RFC 8785: 3.2.2, 3.2.3, and numbers of appendix B", () => {
  expect(canonicalJson({ numbers: [Number("333333333.33333329"), 1e30, 4.5, 2e-3, 0.000000000000000000000000001], string: "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\u002f", literals: [null, true, false] }))
    .toBe('{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}');
  const names = JSON.parse(canonicalJson({ "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One", "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis" }).replace(/"([^"]*)":"([^"]*)"/g, '"$2":0')) as object;
  expect(Object.keys(names)).toEqual(["Carriage Return", "One", "Control", "Latin Small Letter O With Diaeresis", "Euro Sign", "Emoji: Grinning Face", "Hebrew Letter Dalet With Dagesh"]);
  expect([-0, 5e-324, 1.7976931348623157e308, 2 ** 53, 2.9514790517935283e20, 1e21, 9.999999999999997e22, Number("333333333.3333332"), Number("1424953923781206.2")].map((n) => canonicalJson(n)))
    .toEqual(["0", "5e-324", "1.7976931348623157e+308", "9007199254740992", "295147905179352830000", "1e+21", "9.999999999999997e+22", "333333333.3333332", "1424953923781206.2"]);
});

test("reading it back gives the same value, and the order of names does not matter", () => {
  fc.assert(fc.property(fc.jsonValue({ stringUnit: "grapheme" }), (value) => {
    const text = canonicalJson(value);
    expect(canonicalJson(JSON.parse(text))).toBe(text);
    const turned = (v: unknown): unknown => (Array.isArray(v) ? v.map(turned) : v && typeof v === "object" ? Object.fromEntries(Object.entries(v).reverse().map(([k, w]) => [k, turned(w)])) : v);
    expect(canonicalJson(turned(value))).toBe(text);
  }), { seed: 7, numRuns: 300 });
});

test("what JSON cannot say is refused, and nothing is lost in silence", () => {
  const cycle: { me?: unknown } = {};
  cycle.me = cycle;
  for (const value of [Number.NaN, Infinity, 1n, () => 0, undefined, [undefined], Symbol("x"), new Date(), new Map(), new Uint8Array(2), "\ud800", { "\udc00": 1 }, cycle])
    expect(() => canonicalJson(value), String(value?.constructor?.name)).toThrow(/canonical JSON/);
  expect(canonicalJson({ b: undefined, a: 1 })).toBe('{"a":1}');
});
