/**
 * Ctrl-C. The first one asks: the signal is aborted, the work in hand finishes its unit, leaves a clean state and throws
 * `cancelled`, and the process ends with 130. The second one insists, and ends the process at once. A `kill` (SIGTERM) or a
 * closed terminal (SIGHUP) asks as the first Ctrl-C does.
 */

const asking = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export interface Interruption {
  readonly signal: AbortSignal;
  /** Stops listening. */
  dispose(): void;
}

/**
 * `exit` and `on` are the process's own except in tests. A second signal within `echoMs` is the first one again: `timeout` and
 * npm signal a process and then its group.
 */
export function listenForInterruption(
  say: (line: string) => void,
  target: Pick<NodeJS.Process, "on" | "off"> = process,
  exit: (code: number) => void = (code) => process.exit(code),
  echoMs = 250,
): Interruption {
  const controller = new AbortController();
  let asked = 0;
  const onSignal = (): void => {
    if (controller.signal.aborted) {
      if (performance.now() - asked >= echoMs) exit(130);
      return;
    }
    asked = performance.now();
    say("stopping as soon as what is done is safe; press Ctrl-C again to stop at once");
    controller.abort();
  };
  for (const name of asking) target.on(name, onSignal);
  return {
    signal: controller.signal,
    dispose() {
      for (const name of asking) target.off(name, onSignal);
    },
  };
}
