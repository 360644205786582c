/**
 * How 64 bits become 512 that survive: a CRC of 24 bits tells a true reading from a false one, and a polar code of length
 * 512 (Arıkan 2009) corrects errors; it is decoded by successive cancellation with a list of 8 paths, of which the CRC picks
 * one (Tal and Vardy 2015). At these short lengths that is the best known family. Which positions carry bits follows from
 * the polarisation weight (He et al. 2017), so no table is needed.
 */

export const payloadBits = 64;
const crcBits = 24;
/** Payload and CRC. */
export const wordBits = payloadBits + crcBits;
export const codeLength = 512;
const levels = Math.log2(codeLength);
/** Paths that the decoder keeps: each may pass the CRC by chance, which counts in the rate of false alarms. */
export const listSize = 8;

/** Positions that carry a bit, in increasing order; the others are 0. */
const carriers: Int32Array = (() => {
  const weight = (index: number): number => Array.from({ length: levels }, (_, j) => ((index >> j) & 1) * 2 ** (j / 4)).reduce((a, b) => a + b, 0);
  const order = Array.from({ length: codeLength }, (_, index) => index).toSorted((a, b) => weight(b) - weight(a));
  return Int32Array.from(order.slice(0, wordBits)).toSorted();
})();
const isCarrier = new Uint8Array(codeLength);
for (const index of carriers) isCarrier[index] = 1;

/** CRC-24 of OpenPGP (RFC 9580) over bits. */
function crc24(bits: Uint8Array): number {
  let crc = 0xb704ce;
  for (const bit of bits) {
    const top = ((crc >> 23) & 1) ^ bit;
    crc = ((crc << 1) & 0xffffff) ^ (top === 1 ? 0x864cfb : 0);
  }
  return crc;
}

const toBits = (value: bigint): Uint8Array => Uint8Array.from({ length: payloadBits }, (_, i) => Number((value >> BigInt(payloadBits - 1 - i)) & 1n));

/** Payload and CRC as 88 bits. */
export function wordOf(payload: bigint): Uint8Array {
  const bits = toBits(payload);
  const crc = crc24(bits);
  return Uint8Array.from({ length: wordBits }, (_, i) => (i < payloadBits ? bits[i]! : (crc >> (wordBits - 1 - i)) & 1));
}

/** The payload of 88 bits, or undefined when the CRC does not hold. */
export function payloadOfWord(word: Uint8Array): bigint | undefined {
  const payload = word.subarray(0, payloadBits);
  const crc = word.subarray(payloadBits).reduce((sum, bit) => sum * 2 + bit, 0);
  return crc24(payload) === crc ? payload.reduce((sum, bit) => sum * 2n + BigInt(bit), 0n) : undefined;
}

/** Codes 64 bits as 512 bits (0 or 1). */
export function encodePayload(payload: bigint): Uint8Array {
  const bits = wordOf(payload);
  const word = new Uint8Array(codeLength);
  carriers.forEach((index, i) => (word[index] = bits[i]!));
  for (let half = 1; half < codeLength; half *= 2)
    for (let start = 0; start < codeLength; start += 2 * half)
      for (let i = start; i < start + half; i++) word[i]! ^= word[i + half]!;
  return word;
}

interface Path {
  /** Log-likelihood ratios at each level; level `l` has 2^l of them, the highest those of the channel. */
  llr: Float32Array[];
  /** Code bits of the finished left half at each level. */
  left: Uint8Array[];
  bits: Uint8Array;
  /** How much the path contradicts what was received; smaller is better. */
  cost: number;
}

/**
 * Decodes soft bits: positive values speak for 0, and the further from zero the surer; the scale does not matter. Gives the
 * payload, or undefined when no path's CRC holds.
 */
export function decodePayload(soft: Float32Array): bigint | undefined {
  let paths: Path[] = [newPath(soft)];
  for (let index = 0; index < codeLength; index++) {
    for (const path of paths) descend(path, index);
    if (isCarrier[index] === 1) paths = split(paths, index);
    else for (const path of paths) path.cost += Math.max(0, -path.llr[0]![0]!);
    for (const path of paths) ascend(path, index);
  }
  for (const { bits } of paths.toSorted((a, b) => a.cost - b.cost)) {
    const payload = payloadOfWord(Uint8Array.from(carriers, (index) => bits[index]!));
    if (payload !== undefined) return payload;
  }
  return undefined;
}

function newPath(soft: Float32Array): Path {
  return {
    llr: Array.from({ length: levels + 1 }, (_, level) => (level === levels ? soft : new Float32Array(2 ** level))),
    left: Array.from({ length: levels + 1 }, (_, level) => new Uint8Array(2 ** level)),
    bits: new Uint8Array(codeLength),
    cost: 0,
  };
}

/** From the channel's values down to the one value of bit `index`. */
function descend({ llr, left }: Path, index: number): void {
  const from = index === 0 ? levels - 1 : Math.min(levels - 1, 31 - Math.clz32(index & -index));
  for (let level = from; level >= 0; level--) {
    const above = llr[level + 1]!;
    const here = llr[level]!;
    const half = 1 << level;
    if (((index >> level) & 1) === 0) {
      for (let i = 0; i < half; i++) {
        const a = above[i]!;
        const b = above[i + half]!;
        const smaller = Math.min(Math.abs(a), Math.abs(b));
        here[i] = a < 0 === b < 0 ? smaller : -smaller;
      }
    } else {
      const known = left[level]!;
      for (let i = 0; i < half; i++) here[i] = above[i + half]! + (known[i] === 1 ? -above[i]! : above[i]!);
    }
  }
}

/** Hands the decided bit up as code bits of the halves that it finishes. */
function ascend({ left, bits }: Path, index: number): void {
  let current: Uint8Array = bits.slice(index, index + 1);
  let level = 0;
  for (; ((index >> level) & 1) === 1 && level < levels; level++) {
    const whole = new Uint8Array(current.length * 2);
    for (let i = 0; i < current.length; i++) whole[i] = left[level]![i]! ^ current[i]!;
    whole.set(current, current.length);
    current = whole;
  }
  if (level < levels) left[level]!.set(current);
}

/** Each path goes on with a 0 and with a 1; the cheapest of them stay. */
function split(paths: Path[], index: number): Path[] {
  const options = paths.flatMap((path) => {
    const value = path.llr[0]![0]!;
    return [0, 1].map((bit) => ({ path, bit, cost: path.cost + (value < 0 === (bit === 1) ? 0 : Math.abs(value)) }));
  });
  const kept = options.toSorted((a, b) => a.cost - b.cost).slice(0, listSize);
  const taken = new Set<Path>();
  return kept.map(({ path, bit, cost }) => {
    const next = taken.has(path) ? copyOf(path) : path;
    taken.add(path);
    return { next, bit, cost };
  }).map(({ next, bit, cost }) => {
    next.bits[index] = bit;
    next.cost = cost;
    return next;
  });
}

function copyOf({ llr, left, bits, cost }: Path): Path {
  return { llr: llr.map((one, level) => (level === levels ? one : one.slice())), left: left.map((one) => one.slice()), bits: bits.slice(), cost };
}
