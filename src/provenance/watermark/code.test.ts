import fc from "fast-check";
import { expect, test } from "vitest";
import { RandomState } from "../../tensor/random.ts";
import { codeLength, decodePayload, encodePayload } from "./code.ts";

const payload = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const soft = (bits: Uint8Array): Float32Array => Float32Array.from(bits, (bit) => 1 - 2 * bit);

test("every payload comes back, whatever the scale", () => {
  fc.assert(fc.property(payload, fc.double({ min: 1e-3, max: 1e3, noNaN: true }), (value, scale) => {
    expect(decodePayload(soft(encodePayload(value)).map((one) => one * scale))).toBe(value);
  }), { numRuns: 40 });
});

test("half of the code may be missing", () => {
  fc.assert(fc.property(payload, fc.shuffledSubarray(Array.from({ length: codeLength }, (_, i) => i), { minLength: 250, maxLength: 250 }), (value, missing) => {
    const received = soft(encodePayload(value));
    for (const index of missing) received[index] = 0;
    expect(decodePayload(received)).toBe(value);
  }), { numRuns: 40, seed: 3 });
});

test("noise as strong as the signal is corrected; noise alone is never taken for a payload", () => {
  const random = new RandomState(7);
  let [right, wrong] = [0, 0];
  for (let trial = 0; trial < 60; trial++) {
    const noise = random.standardNormalFloat32(codeLength);
    const value = BigInt(trial) * 0x123456789abcdefn;
    const received = soft(encodePayload(value)).map((one, i) => one + 1.5 * noise[i]!);
    if (decodePayload(received) === value) right += 1;
    if (decodePayload(noise) !== undefined) wrong += 1;
  }
  expect([right >= 58, wrong]).toEqual([true, 0]);
});
