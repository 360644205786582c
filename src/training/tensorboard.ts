/**
 * TensorBoard's event files: TFRecord framing (length, masked CRC32C of the length, payload, masked CRC32C of the payload)
 * around `tensorflow.Event` messages. No maintained package writes them without TensorFlow itself.
 */
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

const table = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1;
  return c;
});

/** CRC-32C (Castagnoli). */
export function crc32c(bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (const b of bytes) c = table[(c ^ b) & 0xff]! ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

const masked = (bytes: Uint8Array): number => {
  const c = crc32c(bytes);
  return (((c >>> 15) | (c << 17)) + 0xa282ead8) >>> 0;
};

function record(payload: Uint8Array): Uint8Array {
  const out = new Uint8Array(payload.length + 16);
  const view = new DataView(out.buffer);
  view.setBigUint64(0, BigInt(payload.length), true);
  view.setUint32(8, masked(out.subarray(0, 8)), true);
  out.set(payload, 12);
  view.setUint32(12 + payload.length, masked(payload), true);
  return out;
}

/** Field numbers of `Event`: 1 wall_time, 2 step, 3 file_version, 5 summary. */
const event = (wallTime: number): BinaryWriter => new BinaryWriter().tag(1, WireType.Bit64).double(wallTime);

/** The record every event file begins with. */
export const versionEvent = (wallTime: number): Uint8Array => record(event(wallTime).tag(3, WireType.LengthDelimited).string("brain.Event:2").finish());

/** One step's scalars. */
export function scalarEvent(wallTime: number, step: number, values: Readonly<Record<string, number>>): Uint8Array {
  const summary = new BinaryWriter();
  for (const [tag, value] of Object.entries(values))
    summary.tag(1, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).string(tag).tag(2, WireType.Bit32).float(value).join();
  return record(event(wallTime).tag(2, WireType.Varint).int64(step).tag(5, WireType.LengthDelimited).bytes(summary.finish()).finish());
}
