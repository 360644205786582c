/**
 * The part of DER (ITU-T X.690) that certificates and time-stamp requests need: writing any value, and walking a value that
 * somebody else wrote. Signing itself is Node's; this is only how the bytes are laid out.
 */
import { OrreryError } from "../errors.ts";

/** One value: identifier byte, length, content. */
export function der(tag: number, ...content: Uint8Array[]): Buffer {
  const length = content.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([Buffer.from([tag]), lengthBytes(length), ...content]);
}

function lengthBytes(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  const hex = length.toString(16);
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
  return Buffer.concat([Buffer.from([0x80 | bytes.length]), bytes]);
}

export const sequence = (...content: Uint8Array[]): Buffer => der(0x30, ...content);
export const set = (...content: Uint8Array[]): Buffer => der(0x31, ...content);
export const octets = (content: Uint8Array): Buffer => der(0x04, content);
export const bits = (content: Uint8Array, unused = 0): Buffer => der(0x03, Buffer.from([unused]), content);
export const utf8 = (text: string): Buffer => der(0x0c, Buffer.from(text, "utf8"));
export const boolean = (value: boolean): Buffer => der(0x01, Buffer.from([value ? 0xff : 0]));
/** Context-specific and constructed: `[n] EXPLICIT`. */
export const explicit = (n: number, ...content: Uint8Array[]): Buffer => der(0xa0 | n, ...content);
/** Context-specific and primitive: `[n] IMPLICIT` of bytes. */
export const implicit = (n: number, content: Uint8Array): Buffer => der(0x80 | n, content);

/** A whole number that is not negative, given as its big-endian bytes or as a small number. */
export function integer(value: number | Uint8Array): Buffer {
  let bytes = typeof value === "number" ? Buffer.from(value.toString(16).padStart(value > 0xff ? 4 : 2, "0"), "hex") : Buffer.from(value);
  while (bytes.length > 1 && bytes[0] === 0 && bytes[1]! < 0x80) bytes = bytes.subarray(1);
  // A first bit of 1 would make it negative.
  return der(0x02, bytes[0]! >= 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes);
}

export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const groups = [arc & 0x7f];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return der(0x06, Buffer.from(bytes));
}

/** A time, in the form that X.509 asks for: two digits of year until 2049, four after that. */
export function time(date: Date): Buffer {
  const digits = date.toISOString().replace(/[-:T]|\.\d+/g, "");
  return date.getUTCFullYear() < 2050 ? der(0x17, Buffer.from(digits.slice(2), "latin1")) : der(0x18, Buffer.from(digits, "latin1"));
}

export interface DerValue {
  tag: number;
  content: Uint8Array;
  /** The value with its identifier and length. */
  whole: Uint8Array;
}

/** The values that lie one after the other in `bytes`. @throws `bad_config` when they are not DER. */
export function readDer(bytes: Uint8Array): DerValue[] {
  const values: DerValue[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at]!;
    let length = bytes[at + 1] ?? 0x80;
    let start = at + 2;
    if (length >= 0x80) {
      const count = length & 0x7f;
      length = 0;
      for (let i = 0; i < count; i++) length = length * 256 + (bytes[start + i] ?? 0);
      if (count === 0 || count > 4) length = Infinity;
      start += count;
    }
    if (start + length > bytes.length) throw new OrreryError("bad_config", `these ${bytes.length} bytes are not DER: the value at ${at} is longer than they are`);
    values.push({ tag, content: bytes.subarray(start, start + length), whole: bytes.subarray(at, start + length) });
    at = start + length;
  }
  return values;
}
