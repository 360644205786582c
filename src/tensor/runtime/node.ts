/**
 * The runtime for Node: onnxruntime-node, by default in a worker thread, so that progress bars, servers and Ctrl-C stay alive
 * while an operator runs. Feeds and results are copied between the threads (onnxruntime-node 1.30 refuses shared memory);
 * state never crosses unless it is read or written.
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { OrreryError } from "../../errors.ts";
import type { Executable, HostTensor, LoadOptions, Runtime, RuntimeOptions } from "./runtime.ts";
import type { Program } from "../compile.ts";
import type { Reply, Request } from "./worker.ts";

export { hostTensor, type Device, type Executable, type HostTensor, type LoadOptions, type Runtime, type RuntimeOptions, type StateSlot } from "./runtime.ts";

/** Source runs from TypeScript in tests; a worker thread needs the built file. */
const workerFile = new URL(import.meta.url.endsWith(".ts") ? "../../../dist/tensor/runtime/worker.js" : "./worker.js", import.meta.url);

/** Opens a runtime. Throws `missing_dependency` when the device cannot be used here, saying what is missing. */
export async function openRuntime({ device = "cpu", threads = availableParallelism() }: RuntimeOptions = {}): Promise<Runtime> {
  if (!Number.isInteger(threads) || threads < 1) throw new OrreryError("bad_argument", `threads must be a whole number of at least 1, not ${threads}`);
  const worker = new Worker(workerFile, { stdout: false, stderr: false });
  worker.unref();
  const waiting = new Map<number, { resolve: (value: never) => void; reject: (error: unknown) => void }>();
  let nextCall = 0;
  let dead: Error | undefined;

  worker.on("message", (reply: Reply) => {
    const call = waiting.get(reply.call);
    waiting.delete(reply.call);
    if (waiting.size === 0) worker.unref();
    if (reply.error) call?.reject(reply.error.code ? new OrreryError(reply.error.code, reply.error.message) : new Error(reply.error.message));
    else call?.resolve(reply.value as never);
  });
  const fail = (error: Error): void => {
    dead = error;
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  worker.on("error", fail);
  worker.on("exit", (code) => fail(new Error(`the runtime's thread ended with code ${code}`)));

  type Call = Request extends infer R ? (R extends Request ? Omit<R, "call"> : never) : never;
  const ask = <T>(request: Call): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      if (dead) return reject(dead);
      const call = nextCall++;
      waiting.set(call, { resolve, reject });
      // A pending call keeps the process alive; an idle runtime does not.
      worker.ref();
      worker.postMessage({ ...request, call });
    });

  await ask({ kind: "open", device, threads });
  let nextId = 0;

  const load = async (program: Program, options: LoadOptions = {}): Promise<Executable> => {
    const id = nextId++;
    await ask({ kind: "load", id, program, options });
    return {
      program,
      run: (feeds) => ask<Record<string, HostTensor>>({ kind: "run", id, feeds }),
      readState: (names) => ask<Record<string, HostTensor>>({ kind: "readState", id, names }),
      writeState: (values) => ask<void>({ kind: "writeState", id, values }),
      release: () => ask<void>({ kind: "release", id }),
    };
  };
  return {
    device,
    threads,
    load,
    close: async () => {
      worker.removeAllListeners("exit");
      fail(new Error("the runtime has been closed"));
      await worker.terminate();
    },
  };
}
