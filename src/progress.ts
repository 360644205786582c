/**
 * How long work tells whoever watches how far it is. Rooms take a `Progress`; the command line draws it as a bar, a test
 * collects it, and the default does nothing. `signal` carries Ctrl-C the same way: work that sees it aborted finishes the
 * unit in hand, leaves a clean state and throws `cancelled`.
 */
import { OrreryError } from "./errors.ts";

export interface ProgressEvent {
  /** What is being done, a few words: "training the tokenizer". */
  stage: string;
  /** Units finished so far, and of how many; `total` is absent where it cannot be known. */
  done: number;
  total?: number;
  /** The unit of `done`: "steps", "frames", "bytes". */
  unit?: string;
  /** A short figure to show beside the bar: "loss 0.123". */
  note?: string;
}

export type Progress = (event: ProgressEvent) => void;

export const silent: Progress = () => {};

/** Throws `cancelled` when the signal has been aborted. */
export function throwIfCancelled(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw new OrreryError("cancelled", `${what} was stopped; run the same command again to continue`);
}
