/** A file by its bytes: how requests, records, registries and datasets name files that may move. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { fromSystemError } from "./errors.ts";
import { throwIfCancelled } from "./progress.ts";

/** SHA-256 of a file, hexadecimal, read piece by piece. @throws `file_not_found`, `io_failed`, `cancelled`. */
export async function fileSha256(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 }) as AsyncIterable<Buffer>) {
      throwIfCancelled(signal, `reading ${path}`);
      hash.update(chunk);
    }
  } catch (error) {
    throw fromSystemError(error, path);
  }
  return hash.digest("hex");
}
