/** Waiting with an end, and what a failure said, in words for a verdict. */
import { OrreryError } from "../errors.ts";

/**
 * Runs `work` for at most `ms`; then, and when `signal` is aborted, its own signal is aborted and this rejects. Work that
 * never yields defeats the timer, not the clock: its result is refused all the same.
 */
export async function within<T>(ms: number, work: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
  const begun = performance.now();
  const deadline = new AbortController();
  const late = `it took longer than ${ms} ms`;
  let timer: NodeJS.Timeout | undefined;
  let stop: (() => void) | undefined;
  try {
    const ended = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new LateError(late)), ms);
      stop = () => reject(new LateError("the request was cancelled"));
      signal?.addEventListener("abort", stop, { once: true });
    });
    const result = await Promise.race([work(deadline.signal), ended]);
    if (performance.now() - begun > ms) throw new LateError(late);
    return result;
  } finally {
    clearTimeout(timer);
    if (stop) signal?.removeEventListener("abort", stop);
    // What is still at it is told to stop.
    deadline.abort();
  }
}

class LateError extends Error {}

/** The first line of what was thrown; messages that are ours stand by themselves. */
export function said(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const ours = error instanceof OrreryError || error instanceof LateError;
  return `${ours ? "" : "it failed: "}${text.split("\n")[0]!.slice(0, 300)}`;
}
