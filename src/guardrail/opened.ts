/**
 * A guard or a processor of a policy, opened: with a deadline, and with what it says of itself written down once, so that it
 * cannot later claim to be another model or to cover more. One that does not open is kept with the reason.
 */
import { z } from "zod";
import type { Clip } from "../video/index.ts";
import type { PolicyEntry, ProcessorEntry } from "./policy.ts";
import { isCategoryId, type CategoryId } from "./taxonomy.ts";
import { said, within } from "./time.ts";
import { stages, type Guard } from "./verdict.ts";

/** Opens a guard of one kind with a policy entry's settings. Throws when it cannot; the guard then counts as failed. */
export type GuardFactory = (entry: PolicyEntry) => Promise<Guard>;

/** Work on frames that were allowed, before anybody gets them: blurring faces. */
export interface Processor {
  readonly model: string;
  /** Version of model or method: a digest where there is one. */
  readonly version: string;
  /**
   * Gives a clip of the same size, rate and number of frames; the clip that it is given is its own to change. `notes` are for
   * the record: "3 faces in frames 4 to 17". Throws when it cannot do its work on every frame.
   */
  process(clip: Clip, context: { signal: AbortSignal }): Promise<{ clip: Clip; framesChanged: number; notes?: readonly string[] }>;
  close?(): Promise<void>;
}

export type ProcessorFactory = (entry: ProcessorEntry) => Promise<Processor>;

export interface OpenedGuard {
  entry: PolicyEntry;
  guard?: Guard;
  is?: Pick<Guard, "model" | "version" | "strength" | "covers" | "stages">;
  failure?: string;
}

export interface OpenedProcessor {
  entry: ProcessorEntry;
  processor?: Processor;
  is?: Pick<Processor, "model" | "version">;
  failure?: string;
}

const label = z.string().min(1).max(500);
const guardShape = z.object({
  model: label, version: label,
  strength: z.enum(["pattern", "small-model", "large-model"]),
  covers: z.array(z.custom<CategoryId>(isCategoryId, "it says that it covers a category that there is not")),
  stages: z.array(z.enum(stages)),
});
const processorShape = z.object({ model: label, version: label });

export async function openGuard(entry: PolicyEntry, factories: Readonly<Record<string, GuardFactory>>): Promise<OpenedGuard> {
  const { thing: guard, ...rest } = await openOne(entry, factories, "guard", guardShape, "check");
  return { entry, ...rest, ...(guard ? { guard } : {}) };
}

export async function openProcessor(entry: ProcessorEntry, factories: Readonly<Record<string, ProcessorFactory>>): Promise<OpenedProcessor> {
  const { thing: processor, ...rest } = await openOne(entry, factories, "processor", processorShape, "process");
  return { entry, ...rest, ...(processor ? { processor } : {}) };
}

async function openOne<E extends PolicyEntry | ProcessorEntry, T, I>(
  entry: E, factories: Readonly<Record<string, (entry: E) => Promise<T>>>, what: string, shape: z.ZodType<I>, method: keyof T,
): Promise<{ thing?: T; is?: I; failure?: string }> {
  const factory = Object.hasOwn(factories, entry.kind) ? factories[entry.kind] : undefined;
  if (!factory) return { failure: `there is no ${what} of kind "${entry.kind}"; known are ${Object.keys(factories).join(", ") || "none"}` };
  try {
    const thing = await within(entry.openTimeoutMs, async () => factory(entry));
    const described = shape.safeParse(thing);
    if (!described.success || typeof thing[method] !== "function")
      return { failure: `it is no ${what}: ${described.error?.issues.map((i) => `${i.path.join(".")}: ${i.message}`).join("; ") ?? `it has no ${String(method)}`}` };
    return { thing, is: described.data };
  } catch (error) {
    return { failure: `it could not be opened: ${said(error)}` };
  }
}

/** Closes what was opened; something that hangs is left after five seconds. */
export async function closeAll(opened: readonly (OpenedGuard | OpenedProcessor)[]): Promise<void> {
  await Promise.allSettled(opened.map((o) => within(5000, async () => ("guard" in o ? o.guard : "processor" in o ? o.processor : undefined)?.close?.())));
}
