/**
 * The header of a safetensors file: eight bytes of length, then JSON that says of every tensor its type, shape and place.
 * All that the Rust implementation checks is checked here (huggingface/safetensors, `safetensors/src/tensor.rs`,
 * `Metadata::validate`), and duplicate keys, which it lets pass.
 */
import { OrreryError } from "../errors.ts";
import { isStoredDType, storedBytes, storedLength } from "./dtype.ts";
import type { TensorInfo } from "./checkpoint.ts";
import { isObject, parseStrictObject } from "./json.ts";

/** Bytes of JSON at most, as in the Rust implementation. */
export const largestHeader = 100_000_000;

export interface PlacedTensor extends TensorInfo {
  /** Bytes from the end of the header. */
  offset: number;
}

export interface SafetensorsHeader {
  tensors: Map<string, PlacedTensor>;
  metadata: Map<string, string>;
}

/**
 * @param json The header without its length.
 * @param dataLength Bytes of the file that follow the header.
 * @throws `bad_checkpoint` naming the tensor and what is wrong with it.
 */
export function parseHeader(json: Uint8Array, dataLength: number, path: string): SafetensorsHeader {
  const bad = (what: string): OrreryError => new OrreryError("bad_checkpoint", `${path} is not a valid safetensors file: ${what}. Copy or download it again, or write it again with the safetensors library`);
  if (json[0] !== 0x7b) throw bad("its header does not begin with {");
  const header = parseStrictObject(json, `the header of ${path}`);
  const tensors = new Map<string, PlacedTensor>();
  let metadata = new Map<string, string>();

  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") {
      if (!isObject(entry) || !Object.values(entry).every((v) => typeof v === "string")) throw bad("__metadata__ must map text to text");
      metadata = new Map(Object.entries(entry as Record<string, string>));
      continue;
    }
    const shown = JSON.stringify(name);
    if (!isObject(entry)) throw bad(`the entry of ${shown} is not an object`);
    const { dtype, shape, data_offsets: offsets } = entry;
    if (typeof dtype !== "string" || !isStoredDType(dtype))
      throw bad(`${shown} has the dtype ${JSON.stringify(dtype)}, which is none of ${Object.keys(storedBytes).join(", ")}`);
    if (!Array.isArray(shape) || !shape.every(isCount)) throw bad(`the shape of ${shown} is ${JSON.stringify(shape)}, not a list of whole numbers >= 0`);
    if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) throw bad(`data_offsets of ${shown} is ${JSON.stringify(offsets)}, not [begin, end]`);
    const [begin, end] = offsets as [number, number];
    if (begin > end) throw bad(`${shown} ends at ${end}, before it begins at ${begin}`);
    if (end > dataLength) throw bad(`${shown} ends at byte ${end} of the data, but the file has only ${dataLength} (it was cut off)`);
    const byteLength = storedLength(dtype, shape);
    if (byteLength === undefined) throw bad(`${shown} is [${shape.join(", ")}], more elements than any file holds`);
    if (byteLength !== end - begin) throw bad(`${shown} is ${dtype} [${shape.join(", ")}], ${byteLength} bytes, but ${end - begin} are set aside for it`);
    tensors.set(name, { dtype, shape, byteLength, offset: begin });
  }

  // Neither overlap nor hole: every byte belongs to one tensor, so nothing can hide in the file.
  let next = 0;
  for (const [name, t] of [...tensors].sort(([, a], [, b]) => a.offset - b.offset || a.byteLength - b.byteLength)) {
    if (t.offset !== next) throw bad(`${JSON.stringify(name)} begins at byte ${t.offset} of the data, but ${t.offset < next ? "overlaps what ends" : "leaves a hole after what ends"} at ${next}`);
    next += t.byteLength;
  }
  if (next !== dataLength) throw bad(`its tensors have ${next} bytes, but ${dataLength} follow the header`);
  return { tensors, metadata };
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
