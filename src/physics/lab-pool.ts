/** Threads that stage, move and film clips, as many as the machine has cores. Tasks are taken in order; any thread may answer first. */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { OrreryError } from "../errors.ts";
import type { LabAnswer, LabTask } from "./lab-task.ts";
import type { WorkerReply } from "./lab-worker.ts";

export interface LabPool {
  readonly threads: number;
  /** Does a task when a thread is free. */
  run<T extends LabTask>(task: T): Promise<Extract<LabAnswer, { kind: T["kind"] }>>;
  close(): Promise<void>;
}

/** Source runs from TypeScript in tests; a worker thread needs the built file. */
const workerFile = new URL(import.meta.url.endsWith(".ts") ? "../../dist/physics/lab-worker.js" : "./lab-worker.js", import.meta.url);

interface Waiting {
  task: LabTask;
  resolve: (answer: never) => void;
  reject: (error: unknown) => void;
}

export function openLabPool(threads = availableParallelism()): LabPool {
  if (!Number.isInteger(threads) || threads < 1) throw new OrreryError("bad_argument", `threads must be a whole number of at least 1, not ${threads}`);
  const queue: Waiting[] = [];
  const busy = new Map<Worker, Waiting>();
  const idle: Worker[] = [];
  let started = 0;
  let closed = false;

  const next = (): void => {
    while (queue.length > 0) {
      const worker = idle.pop() ?? (started < threads ? start() : undefined);
      if (worker === undefined) return;
      const waiting = queue.shift()!;
      busy.set(worker, waiting);
      // Work in hand keeps the process alive; an idle pool does not.
      worker.ref();
      worker.postMessage({ id: 0, task: waiting.task });
    }
  };
  const start = (): Worker => {
    started += 1;
    const worker = new Worker(workerFile);
    worker.unref();
    worker.on("message", ({ answer, error }: WorkerReply) => {
      const waiting = busy.get(worker)!;
      busy.delete(worker);
      worker.unref();
      idle.push(worker);
      if (error) waiting.reject(error.code ? new OrreryError(error.code, error.message) : new Error(error.message));
      else waiting.resolve(answer as never);
      next();
    });
    const fail = (error: Error): void => {
      if (closed) return;
      started -= 1;
      const at = idle.indexOf(worker);
      if (at >= 0) idle.splice(at, 1);
      busy.get(worker)?.reject(error);
      busy.delete(worker);
      next();
    };
    let broken: Error | undefined;
    worker.on("error", (error) => (broken = error instanceof Error ? error : new Error(String(error))));
    worker.on("exit", (code) => fail(broken ?? new Error(`a thread of the laboratory ended with code ${code}`)));
    return worker;
  };
  return {
    threads,
    run: <T extends LabTask>(task: T) =>
      new Promise<Extract<LabAnswer, { kind: T["kind"] }>>((resolve, reject) => {
        if (closed) return reject(new Error("the laboratory's threads have been closed"));
        queue.push({ task, resolve, reject });
        next();
      }),
    async close() {
      closed = true;
      const error = new Error("the laboratory's threads have been closed");
      for (const { reject } of [...queue.splice(0), ...busy.values()]) reject(error);
      await Promise.all([...idle, ...busy.keys()].map((worker) => worker.terminate()));
    },
  };
}
