/**
 * The outermost boxes of an mp4 (ISO 14496-12), only as far as content credentials need them. C2PA's hash of a BMFF file
 * leaves out by design: the box that holds the credential, `ftyp`, `free`, `skip` and `mfra`. What a player makes of a file
 * may depend on `ftyp`, and data can hide in `free`, so the statement that is signed carries a digest of those as well.
 */
import { createHash } from "node:crypto";

export interface Box {
  type: string;
  offset: number;
  size: number;
  /** The `uuid` box that holds the content credential. */
  isCredential: boolean;
}

const credentialId = Buffer.from("d8fec3d61b0e483c92975828877ec481", "hex");

/** Types that C2PA's hash leaves out, besides the credential itself. */
export const unhashedTypes: readonly string[] = ["ftyp", "free", "skip", "mfra"];

/** The outermost boxes, or undefined when the bytes are no sequence of boxes. */
export function topLevelBoxes(file: Buffer): Box[] | undefined {
  const boxes: Box[] = [];
  for (let offset = 0; offset < file.length; ) {
    if (offset + 8 > file.length) return undefined;
    let size = file.readUInt32BE(offset);
    const type = file.toString("latin1", offset + 4, offset + 8);
    let header = 8;
    if (size === 1) {
      if (offset + 16 > file.length) return undefined;
      size = Number(file.readBigUInt64BE(offset + 8));
      header = 16;
    } else if (size === 0) size = file.length - offset;
    if (size < header || offset + size > file.length || !/^[\x20-\x7e\xa9]{4}$/.test(type)) return undefined;
    const isCredential = type === "uuid" && file.subarray(offset + header, offset + header + 16).equals(credentialId);
    boxes.push({ type, offset, size, isCredential });
    offset += size;
  }
  return boxes;
}

/** SHA-256 over the boxes that C2PA's hash leaves out, each with its header, in order. Other boxes' order counts too. */
export function digestOfUnhashed(file: Buffer): string | undefined {
  const boxes = topLevelBoxes(file)?.filter((box) => !box.isCredential);
  if (boxes === undefined) return undefined;
  const hash = createHash("sha256");
  for (const { type, offset, size } of boxes) {
    hash.update(type, "latin1");
    if (unhashedTypes.includes(type)) hash.update(file.subarray(offset, offset + size));
  }
  return hash.digest("hex");
}
