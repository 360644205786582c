/** The thread of `isolate.ts`: opens the guard that it is told to open, then answers one message with one message. */
import { parentPort, workerData } from "node:worker_threads";
import type { Guard } from "./verdict.ts";
import type { IsolateReply, IsolateRequest, IsolateStart } from "./isolate.ts";

const { module, name, settings } = workerData as IsolateStart;
const port = parentPort!;
const say = (reply: IsolateReply): void => port.postMessage(reply);
const words = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function open(): Promise<Guard> {
  const exports = (await import(module)) as Record<string, unknown>;
  const factory = exports[name];
  if (typeof factory !== "function") throw new Error(`${module} has no function "${name}"`);
  return (await (factory as (settings: unknown) => Promise<Guard>)(settings)) as Guard;
}

try {
  const guard = await open();
  const { model, version, strength, covers, stages } = guard;
  say({ kind: "opened", guard: { model, version, strength, covers: [...covers], stages: [...stages] } });
  port.on("message", ({ call, subject }: IsolateRequest) => {
    // The host ends this whole thread when a check is late.
    Promise.resolve()
      .then(() => guard.check(subject, { signal: new AbortController().signal }))
      .then((answer) => say({ kind: "answer", call, answer }))
      .catch((error: unknown) => say({ kind: "failed", call, message: words(error) }));
  });
} catch (error) {
  say({ kind: "failed", message: words(error) });
}
