/** A file that is read by range. Checkpoints are many times larger than what is wanted from them at once. */
import { open, type FileHandle } from "node:fs/promises";
import { fromSystemError, OrreryError } from "../errors.ts";

/** Linux reads at most 2 GiB less a page in one call. */
const largestRead = 1 << 30;

export class ByteFile {
  readonly path: string;
  /** Bytes of the file when it was opened. */
  readonly size: number;
  readonly #handle: FileHandle;
  #closed = false;

  private constructor(path: string, size: number, handle: FileHandle) {
    this.path = path;
    this.size = size;
    this.#handle = handle;
  }

  /** @throws `file_not_found`, or `io_failed` when it is a folder or may not be read. */
  static async open(path: string): Promise<ByteFile> {
    let handle: FileHandle | undefined;
    try {
      handle = await open(path, "r");
      const status = await handle.stat();
      // A pipe or a device has no ranges, and opening one for its content could wait for ever.
      if (!status.isFile()) throw new OrreryError("io_failed", `${path} is not a regular file; give the path of a checkpoint file or of a folder that holds one`);
      return new ByteFile(path, status.size, handle);
    } catch (error) {
      await handle?.close();
      throw fromSystemError(error, path);
    }
  }

  /** For libraries that read on their own; it stays ours to close. */
  get descriptor(): number {
    return this.#handle.fd;
  }

  /**
   * Exactly `length` bytes from `offset`, in memory of their own (so that any typed array can view them).
   * @throws `bad_checkpoint` when the file ends before, `internal` after `close`.
   */
  async read(offset: number, length: number): Promise<Uint8Array> {
    if (this.#closed) throw new OrreryError("internal", `${this.path} was closed before it was read`);
    if (offset < 0 || length < 0 || offset + length > this.size)
      throw new OrreryError("bad_checkpoint", `${this.path} has ${this.size} bytes, but bytes ${offset} to ${offset + length} of it are needed; it was cut off, so copy or download it again`);
    let bytes: Uint8Array;
    try {
      bytes = new Uint8Array(length);
    } catch (cause) {
      throw new OrreryError("bad_checkpoint", `${this.path} holds a tensor of ${length} bytes, more than this process can hold at once; use a machine with more memory, or a checkpoint that stores it in parts`, { cause });
    }
    for (let done = 0; done < length; ) {
      const { bytesRead } = await this.#handle.read(bytes, done, Math.min(length - done, largestRead), offset + done).catch((cause: unknown) => {
        throw new OrreryError("io_failed", `reading ${this.path} failed: ${(cause as Error).message}`, { cause });
      });
      if (bytesRead === 0) throw new OrreryError("bad_checkpoint", `${this.path} became shorter while it was read; do not write to a checkpoint that is in use`);
      done += bytesRead;
    }
    return bytes;
  }

  /** Does nothing a second time. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#handle.close();
  }
}
