/**
 * A fingerprint that stays nearly the same when a video is compressed, scaled or recoloured: eight frames spread over its
 * length, each as 64 bits that say which of its 64 lowest cosine frequencies lie above their median (the "pHash" of
 * Zauner 2010). It finds neighbours, it proves nothing: similar pictures have similar fingerprints, and a crop of more than
 * about a tenth changes it beyond recognition.
 */
import type { Picture } from "../video/index.ts";

/** Frames in a fingerprint. */
export const fingerprintFrames = 8;
const grid = 32;
const kept = 8;

const cosine = Float64Array.from({ length: kept * grid }, (_, i) => Math.cos((Math.PI * Math.floor(i / grid) * (2 * (i % grid) + 1)) / (2 * grid)));

/** 64 bits as 16 hexadecimal digits; `mirrored` looks at the picture in a mirror. All zeros for a frame of one colour. */
export function frameHash({ pixels, width, height }: Picture, mirrored = false): string {
  const small = new Float64Array(grid * grid);
  const counts = new Uint32Array(grid * grid);
  for (let y = 0, at = 0; y < height; y++) {
    const row = Math.floor((y * grid) / height) * grid;
    for (let x = 0; x < width; x++, at += 3) {
      const column = Math.floor((x * grid) / width);
      const cell = row + (mirrored ? grid - 1 - column : column);
      small[cell]! += 0.299 * pixels[at]! + 0.587 * pixels[at + 1]! + 0.114 * pixels[at + 2]!;
      counts[cell]! += 1;
    }
  }
  for (let i = 0; i < small.length; i++) small[i] = counts[i] === 0 ? 0 : small[i]! / counts[i]!;
  const coefficients = new Float64Array(kept * kept);
  const rows = new Float64Array(kept * grid);
  for (let y = 0; y < grid; y++) for (let u = 0; u < kept; u++) for (let x = 0; x < grid; x++) rows[u * grid + y]! += small[y * grid + x]! * cosine[u * grid + x]!;
  for (let v = 0; v < kept; v++) for (let u = 0; u < kept; u++) for (let y = 0; y < grid; y++) coefficients[v * kept + u]! += rows[u * grid + y]! * cosine[v * grid + y]!;
  coefficients[0] = 0;
  // A frame of one colour has only rounding to tell.
  if (coefficients.every((value) => Math.abs(value) < 100)) return "0".repeat(16);
  const median = coefficients.toSorted()[32]!;
  let bits = 0n;
  for (const value of coefficients) bits = bits * 2n + (value > median ? 1n : 0n);
  return bits.toString(16).padStart(16, "0");
}

/** Collects frames that come in order, and keeps those nearest to the middles of eight equal parts. */
export interface FingerprintMeter {
  add(frame: Picture, timeS: number): void;
  /** 128 hexadecimal digits, and the same for the mirrored video. */
  result(): { plain: string; mirrored: string };
}

export function fingerprintMeter(durationS: number): FingerprintMeter {
  const hashes: { plain: string; mirrored: string }[] = [];
  const middle = (part: number) => ((part + 0.5) / fingerprintFrames) * durationS;
  let last: { plain: string; mirrored: string } | undefined;
  return {
    add(frame, timeS) {
      const part = hashes.length;
      if (part === fingerprintFrames || (last !== undefined && timeS < middle(part) - 1e-6)) return;
      last = { plain: frameHash(frame), mirrored: frameHash(frame, true) };
      while (hashes.length < fingerprintFrames && timeS >= middle(hashes.length) - 1e-6) hashes.push(last);
    },
    result() {
      while (hashes.length < fingerprintFrames) hashes.push(last ?? { plain: "0".repeat(16), mirrored: "0".repeat(16) });
      return { plain: hashes.map(({ plain }) => plain).join(""), mirrored: hashes.map(({ mirrored }) => mirrored).join("") };
    },
  };
}

/** Fingerprint as 32-bit words, two for each frame. */
export function wordsOf(fingerprint: string): Uint32Array {
  return Uint32Array.from({ length: fingerprint.length / 8 }, (_, i) => Number.parseInt(fingerprint.slice(i * 8, i * 8 + 8), 16));
}

export function bitCount(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/**
 * Mean number of bits, 0 to 64, by which the frames of one fingerprint differ from the best fitting frame of the other (at
 * the same place, before or after it: a trimmed video has its frames elsewhere). Frames of one colour are left out; 64 when
 * nothing is left. Two unrelated videos differ by about 25.
 */
export function fingerprintDistance(a: Uint32Array, b: Uint32Array): number {
  let [total, count] = [0, 0];
  const frames = a.length / 2;
  for (let i = 0; i < frames; i++) {
    if (a[2 * i] === 0 && a[2 * i + 1] === 0) continue;
    let best = 64;
    for (let j = Math.max(0, i - 1); j <= Math.min(frames - 1, i + 1); j++) {
      const distance = bitCount(a[2 * i]! ^ b[2 * j]!) + bitCount(a[2 * i + 1]! ^ b[2 * j + 1]!);
      if (distance < best) best = distance;
    }
    total += best;
    count += 1;
  }
  return count === 0 ? 64 : total / count;
}
