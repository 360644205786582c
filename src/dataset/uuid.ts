/** Names that follow from what they name: UUIDs of version 5 (RFC 9562), and the reference's id of a clip. */
import { createHash } from "node:crypto";

const namespaceUrl = Buffer.from("6ba7b8119dad11d180b400c04fd430c8", "hex");

/** The UUID of a name in a namespace (default: URLs): the first 16 bytes of the SHA-1 of both. */
export function uuid5(name: string, namespace: Uint8Array = namespaceUrl): string {
  const bytes = createHash("sha1").update(namespace).update(name, "utf8").digest().subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x50;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** cosmos-curator's id of a clip: UUID5 of `{source}_{start}_{end}`, numbers as Python prints them. */
export const clipId = (source: string, startS: number, endS: number): string => uuid5(`${source}_${pythonFloat(startS)}_${pythonFloat(endS)}`);

const pythonFloat = (value: number): string => (Number.isInteger(value) ? `${value}.0` : String(value));
