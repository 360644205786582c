/**
 * The C2PA library (c2pa-rs as WebAssembly) in Node. It was built for browsers' workers, where it reads files through Blob and
 * FileReaderSync; Node has no FileReaderSync, so signing gets a Blob that reads from memory. It never fetches: remote
 * manifests and revocation lists are switched off, so reading a stranger's file sends nothing anywhere.
 */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type * as Library from "@contentauth/c2pa-wasm";

let loading: Promise<typeof Library> | undefined;

/** Loads the library once (9 MB of WebAssembly, about 0.1 s). */
export function c2paLibrary(): Promise<typeof Library> {
  loading ??= (async () => {
    const library = await import("@contentauth/c2pa-wasm");
    const bytes = await readFile(fileURLToPath(import.meta.resolve("@contentauth/c2pa-wasm/c2pa.wasm")));
    library.initSync({ module: bytes });
    return library;
  })();
  loading.catch(() => (loading = undefined));
  return loading;
}

/** Settings of the library: which roots are trusted, and no network. */
export function settings(trustAnchorsPem: string): string {
  return JSON.stringify({
    version: 1,
    trust: trustAnchorsPem === "" ? {} : { trust_anchors: trustAnchorsPem },
    verify: { verify_after_reading: true, verify_trust: true, verify_timestamp_trust: true, ocsp_fetch: false, remote_manifest_fetch: false, verify_after_sign: false },
    builder: { thumbnail: { enabled: false } },
  });
}

class MemoryBlob extends Blob {
  readonly content: Uint8Array;

  constructor(content: Uint8Array) {
    super([]);
    this.content = content;
  }

  override get size(): number {
    return this.content.length;
  }

  override slice(start = 0, end = this.content.length): Blob {
    return new MemoryBlob(this.content.subarray(start, end));
  }
}

class MemoryReader {
  readAsArrayBuffer(blob: MemoryBlob): ArrayBuffer {
    return new Uint8Array(blob.content).buffer;
  }
}

/** A Blob that the library can read in Node. */
export function blobOf(content: Uint8Array): Blob {
  const scope = globalThis as { FileReaderSync?: unknown };
  scope.FileReaderSync ??= MemoryReader;
  return new MemoryBlob(content);
}
