/** The arguments of pickle opcodes, read with bounds. */
import { OrreryError } from "../errors.ts";

/** Bytes of the longest integer; PyTorch's magic number, the longest it writes, has ten. */
const longestInteger = 64;
const longestLine = 1024;

export class PickleReader {
  readonly path: string;
  /** Offset of the next byte. */
  at: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

  constructor(bytes: Uint8Array, path: string, at: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.path = path;
    this.at = at;
  }

  bad(what: string): OrreryError {
    return new OrreryError("bad_checkpoint", `the pickle in ${this.path} ${what}; it is damaged or not a checkpoint, so copy or download it again`);
  }

  /** Moves on by `n` bytes and gives where they began. */
  skip(n: number): number {
    const start = this.at;
    if (n > this.#bytes.length - start) throw this.bad(`ends at offset ${this.#bytes.length} where ${n} more bytes are needed`);
    this.at = start + n;
    return start;
  }

  u8(): number {
    return this.#view.getUint8(this.skip(1));
  }

  u16(): number {
    return this.#view.getUint16(this.skip(2), true);
  }

  i32(): number {
    return this.#view.getInt32(this.skip(4), true);
  }

  u32(): number {
    return this.#view.getUint32(this.skip(4), true);
  }

  /** A length; beyond 2^53 it is inexact, and longer than any file either way. */
  u64(): number {
    return Number(this.#view.getBigUint64(this.skip(8), true));
  }

  f64(): number {
    return this.#view.getFloat64(this.skip(8), false);
  }

  /** Two's complement, little-endian, of `n` bytes: a number where it is exact, else a BigInt. */
  long(n: number): number | bigint {
    if (n > longestInteger) throw this.bad(`has an integer of ${n} bytes at offset ${this.at}`);
    let value = 0n;
    for (const byte of this.bytes(n).reverse()) value = (value << 8n) | BigInt(byte);
    value = BigInt.asIntN(8 * n, value);
    const small = Number(value);
    return Number.isSafeInteger(small) ? small : value;
  }

  /** A copy, so that a small value does not keep the whole pickle in memory. */
  bytes(n: number): Uint8Array {
    const start = this.skip(n);
    return this.#bytes.slice(start, start + n);
  }

  text(n: number): string {
    const start = this.skip(n);
    return this.#decode(this.#bytes.subarray(start, start + n), start);
  }

  /** Text up to the end of a line, for GLOBAL. */
  line(): string {
    const start = this.at;
    const end = this.#bytes.subarray(start, start + longestLine).indexOf(0x0a);
    if (end < 0) throw this.bad(`has a name without an end at offset ${start}`);
    this.at = start + end + 1;
    return this.#decode(this.#bytes.subarray(start, start + end), start);
  }

  #decode(bytes: Uint8Array, start: number): string {
    try {
      return this.#text.decode(bytes);
    } catch (cause) {
      throw new OrreryError("bad_checkpoint", `the pickle in ${this.path} has text at offset ${start} that is not UTF-8; it is damaged, so copy or download it again`, { cause });
    }
  }
}
