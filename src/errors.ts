/**
 * The one error class of the house. Every failure that a user can meet has a code from this catalogue, and a message that
 * says what was given, what was expected and what to do. `docs` of a code are its sentence here; a test keeps the
 * catalogue and the reference page in README equal. Rooms throw `OrreryError`; only the command line turns one into an
 * exit code.
 */

/** Stable codes, each with the exit status a command ends with when nobody handles it, and what it means. */
export const errorCatalogue = {
  bad_argument: { exit: 2, means: "an option or argument is missing, unknown or out of range" },
  file_not_found: { exit: 1, means: "a file or folder that was named does not exist or cannot be read" },
  bad_video: { exit: 1, means: "a file is not a video, is truncated, or has too few frames" },
  bad_checkpoint: { exit: 1, means: "a checkpoint's container, a name, a shape or a dtype in it is not as it must be" },
  unsafe_checkpoint: { exit: 1, means: "a pickle in a checkpoint asks for something outside the allow-list" },
  bad_config: { exit: 1, means: "a configuration file or model configuration is not valid" },
  missing_dependency: { exit: 1, means: "an optional program, library or device that was asked for is not there" },
  disk_full: { exit: 1, means: "a file could not be written because no space is left" },
  io_failed: { exit: 1, means: "the operating system refused to read or write a file" },
  diverged: { exit: 1, means: "training produced a value that is not finite" },
  parity_failed: { exit: 1, means: "a network's answer differs from the golden one by more than the tolerance" },
  bad_signature: { exit: 1, means: "a record is not what was signed, or was not signed by the key that was expected" },
  not_verified: { exit: 1, means: "a file is not as a trusted signer made it, or nothing is known about it" },
  blocked: { exit: 3, means: "a guard stopped the request" },
  cancelled: { exit: 130, means: "the user stopped the work; what was finished is kept" },
  internal: { exit: 1, means: "a defect in Orrery itself" },
} as const;

export type ErrorCode = keyof typeof errorCatalogue;

export class OrreryError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "OrreryError";
    this.code = code;
  }

  /** The exit status that belongs to the code. */
  get exitCode(): number {
    return errorCatalogue[this.code].exit;
  }
}

/** Turns an error of the operating system into ours; anything else passes through unchanged. */
export function fromSystemError(error: unknown, path: string): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code === "ENOENT" || code === "ENOTDIR")
    return new OrreryError("file_not_found", `no such file or folder: ${path}; check the path`, { cause: error });
  if (code === "ENOSPC" || code === "EDQUOT")
    return new OrreryError("disk_full", `no space left while writing ${path}; free some and run the same command again`, { cause: error });
  if (code === "EACCES" || code === "EPERM" || code === "EISDIR" || code === "EROFS")
    return new OrreryError("io_failed", `cannot open ${path} (${code}); check its permissions and that it is a file`, { cause: error });
  return error;
}
