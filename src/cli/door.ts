/** The guarded door as commands open it: a runtime, a model and the guards of a policy, closed again whatever happens. */
import type { Door, Machine, WorldModel } from "../generation/index.ts";
import type { Progress } from "../progress.ts";
import type { Device } from "../tensor/runtime/node.ts";

export interface DoorOptions {
  /** A name of the library, or a folder. */
  model: string;
  /** LoRA adapters to put into it. */
  adapters?: readonly { path: string; scale: number }[] | undefined;
  /** A policy file; the standard policy, if absent. */
  policy?: string | undefined;
  /** "grammar", or a file that describes an upsampler; none, if absent. */
  upsampler?: string | undefined;
  device: Device;
  threads?: number | undefined;
  /** Whether any request has words: guards of words are opened only then, and without them no words are allowed. */
  hasWords: boolean;
  /** Looks at the model before the guards, which take longest, are opened; throws for what it cannot do. */
  onModel?: (model: WorldModel, machine: Machine) => Promise<unknown>;
  progress: Progress;
}

export async function withDoor<T>({ model, adapters, policy, upsampler, device, threads, hasWords, onModel, progress }: DoorOptions, work: (door: Door) => Promise<T>): Promise<T> {
  const [{ openRuntime }, { openKeys, openWorldModel }, { openGuards, openUpsampler, readPolicy }, { findModel }] = await Promise.all([
    import("../tensor/runtime/node.ts"), import("../generation/index.ts"), import("../guardrail/index.ts"), import("../registry/index.ts"),
  ]);
  // A policy that is not valid, or a key that cannot be used, should not be found out after the model has been read.
  const [rules, keys, longer] = await Promise.all([readPolicy(policy), openKeys(), upsampler === undefined ? undefined : openUpsampler(upsampler)]);
  progress({ stage: "opening the model", done: 0 });
  const runtime = await openRuntime({ device, ...(threads === undefined ? {} : { threads }) });
  try {
    const opened = await openWorldModel(await findModel(model), runtime, adapters);
    try {
      const machine = { device, threads: runtime.threads };
      await onModel?.(opened, machine);
      progress({ stage: "opening the guards", done: 0 });
      const guards = await openGuards(rules, hasWords ? {} : { stages: ["video"] });
      try {
        return await work({ model: opened, guards, keys, machine, ...(longer ? { upsampler: longer } : {}) });
      } finally {
        await guards.close();
      }
    } finally {
      await opened.close();
    }
  } finally {
    await longer?.upsampler.close();
    await runtime.close();
  }
}
