/**
 * The weights of the small networks that are part of Orrery: safetensors of bytes, with a scale and an offset for every tensor
 * in the metadata (value = byte * scale + offset), as TensorFlow.js quantises them. A third of the size of half precision
 * floats, and exactly the numbers that the published networks run with.
 */
import { createHash } from "node:crypto";
import { OrreryError } from "../errors.ts";
import { openSafetensors } from "../weights/index.ts";

/** Reads them as floats, with a digest of names, ranges and bytes. @throws `bad_checkpoint`, `file_not_found`. */
export async function readQuantized(path: string): Promise<{ weights: Map<string, Float32Array>; sha256: string }> {
  const checkpoint = await openSafetensors(path);
  try {
    const ranges = JSON.parse(checkpoint.metadata.get("quantization") ?? "{}") as Record<string, readonly [scale: number, offset: number]>;
    const weights = new Map<string, Float32Array>();
    const hash = createHash("sha256");
    for (const name of checkpoint.names().sort()) {
      const range = ranges[name];
      if (!range) throw new OrreryError("bad_checkpoint", `${path} does not say what the bytes of ${name} mean; it is not the file that belongs here`);
      const bytes = await checkpoint.read(name);
      hash.update(name).update(JSON.stringify(range)).update(bytes);
      weights.set(name, Float32Array.from(bytes, (byte) => byte * range[0] + range[1]));
    }
    return { weights, sha256: hash.digest("hex") };
  } finally {
    await checkpoint.close();
  }
}
