/**
 * A guard in a thread of its own, with a ceiling on its memory. A guard that loops for ever, runs out of memory or kills its
 * thread then fails by itself: the call that waits for it is rejected, which blocks, and the next call gets a new thread.
 * Nothing of the guard's state survives; it is opened again in the new thread.
 */
import { Worker } from "node:worker_threads";
import type { Guard, Subject } from "./verdict.ts";

/** What the thread is told first. `module` exports `name`, a factory that takes `settings` and gives a guard. */
export interface IsolateStart {
  module: string;
  name: string;
  settings: unknown;
}

export interface IsolateRequest {
  call: number;
  subject: Subject;
}

export type IsolateReply =
  | { kind: "opened"; guard: Pick<Guard, "model" | "version" | "strength" | "covers" | "stages"> }
  | { kind: "failed"; message: string; call?: number }
  | { kind: "answer"; call: number; answer: unknown };

type Opened = Extract<IsolateReply, { kind: "opened" }>["guard"];

/** Source runs from TypeScript in tests; a worker thread needs the built file. */
const workerFile = new URL(import.meta.url.endsWith(".ts") ? "../../dist/guardrail/isolate-worker.js" : "./isolate-worker.js", import.meta.url);

interface Thread {
  opened: Opened;
  check(subject: Subject, signal: AbortSignal): Promise<unknown>;
  end(): Promise<void>;
  dead(): boolean;
}

/**
 * Opens a guard in a thread with at most `memoryMb` MiB of JavaScript heap. `module` is a URL that the thread can import.
 * Aborting a check ends the thread, since a guard that is late may never yield.
 */
export async function isolateGuard(start: IsolateStart, memoryMb: number): Promise<Guard> {
  let thread = await startThread(start, memoryMb);
  const described = thread.opened;
  let restarting: Promise<Thread> | undefined;
  const alive = async (): Promise<Thread> => {
    if (!thread.dead()) return thread;
    restarting ??= startThread(start, memoryMb).finally(() => (restarting = undefined));
    thread = await restarting;
    // Another module or model than the one that was described must not answer in its name.
    if (thread.opened.version !== described.version) throw new Error("it came back as another version after its thread had ended");
    return thread;
  };
  return {
    ...described,
    check: async (subject, { signal }) => (await (await alive()).check(subject, signal)) as never,
    close: () => thread.end(),
  };
}

async function startThread(start: IsolateStart, memoryMb: number): Promise<Thread> {
  const worker = new Worker(workerFile, { workerData: start, resourceLimits: { maxOldGenerationSizeMb: memoryMb } });
  worker.unref();
  const waiting = new Map<number, { resolve: (answer: unknown) => void; reject: (error: Error) => void }>();
  let nextCall = 0;
  let death: Error | undefined;
  let opened: (guard: Opened) => void;
  let refused: (error: Error) => void;
  const ready = new Promise<Opened>((resolve, reject) => {
    opened = resolve;
    refused = reject;
  });
  const die = (error: Error): void => {
    death ??= error;
    refused(death);
    for (const { reject } of waiting.values()) reject(death);
    waiting.clear();
  };
  worker.on("error", (error: NodeJS.ErrnoException) => die(new Error(error.code === "ERR_WORKER_OUT_OF_MEMORY" ? `it ran out of its ${memoryMb} MiB of memory` : error.message)));
  worker.on("exit", (code) => die(new Error(`its thread ended with code ${code}`)));
  worker.on("messageerror", () => die(new Error("its answer could not be read")));
  worker.on("message", (reply: IsolateReply) => {
    if (reply.kind === "opened") return opened(reply.guard);
    const error = reply.kind === "failed" ? new Error(reply.message) : undefined;
    if (reply.call === undefined) return die(error!);
    const call = waiting.get(reply.call);
    waiting.delete(reply.call);
    if (waiting.size === 0) worker.unref();
    if (reply.kind === "answer") call?.resolve(reply.answer);
    else call?.reject(error!);
  });
  const end = async (): Promise<void> => {
    die(new Error("its thread was ended"));
    await worker.terminate();
  };
  worker.ref();
  const description = await ready.catch(async (error: Error) => {
    await worker.terminate();
    throw error;
  });
  worker.unref();
  return {
    opened: description,
    dead: () => death !== undefined,
    end,
    check: (subject, signal) =>
      new Promise((resolve, reject) => {
        if (death) return reject(death);
        const call = nextCall++;
        const stop = (): void => void end();
        const settle = <T>(then: (value: T) => void) => (value: T): void => {
          signal.removeEventListener("abort", stop);
          then(value);
        };
        waiting.set(call, { resolve: settle(resolve), reject: settle(reject) });
        signal.addEventListener("abort", stop, { once: true });
        worker.ref();
        worker.postMessage({ call, subject } satisfies IsolateRequest);
      }),
  };
}
