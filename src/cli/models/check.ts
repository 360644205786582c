/** Whether a model is whole: its files as they were recorded, and every component's tensors as its configuration makes them. */
import { OrreryError } from "../../errors.ts";
import type { Progress } from "../../progress.ts";
import { checkParameters, compareFiles, kindOf, openComponent, openPipeline, readLock, type Component, type FileReport } from "../../registry/index.ts";
import { parametersOf } from "../../world/networks.ts";
import { openCheckpoint } from "../../weights/index.ts";

export interface ComponentCheck {
  name: string;
  className?: string;
  /** Parameters that were found with the right shapes. */
  tensors?: number;
  /** What is wrong with it. */
  problem?: string;
  /** Why nothing could be checked, where that is not a fault: a class that Orrery has no network for. */
  unknown?: string;
}

export interface ModelCheck {
  folder: string;
  /** Absent where nothing was recorded. */
  files?: FileReport;
  components: ComponentCheck[];
  isWhole: boolean;
}

const reasonOf = (error: unknown): string => {
  if (error instanceof OrreryError && error.code !== "cancelled") return error.message;
  throw error;
};

async function checkComponent(name: string, component: Component): Promise<ComponentCheck> {
  const { className } = component;
  try {
    const parameters = parametersOf(component);
    if (!parameters) return { name, className, unknown: "Orrery has no network of this class, so its tensors were not compared" };
    const checkpoint = await component.checkpoint();
    try {
      checkParameters(checkpoint, parameters);
    } finally {
      await checkpoint.close();
    }
    return { name, className, tensors: parameters.length };
  } catch (error) {
    return { name, className, problem: reasonOf(error) };
  }
}

async function checkNamed(name: string, folder: string): Promise<ComponentCheck> {
  try {
    return await checkComponent(name, await openComponent(folder));
  } catch (error) {
    return { name, problem: reasonOf(error) };
  }
}

/** Components without weights of their own. */
const isWeightless = (className: string): boolean => /Scheduler|Tokenizer(Fast)?$|Processor$/.test(className);

async function checkComponents(folder: string): Promise<ComponentCheck[]> {
  const kind = await kindOf(folder);
  if (kind === "component") return [await checkNamed("model", folder)];
  if (kind !== "pipeline") {
    try {
      const checkpoint = await openCheckpoint(folder);
      const tensors = checkpoint.names().length;
      await checkpoint.close();
      return [{ name: kind ?? "model", tensors, unknown: "no configuration says what its tensors must be" }];
    } catch (error) {
      return [{ name: kind ?? "model", problem: reasonOf(error) }];
    }
  }
  try {
    const { components } = await openPipeline(folder);
    const known = [...components].filter(([, { library, className }]) => library === "orrery" || library === "cosmos" || !isWeightless(className));
    return await Promise.all(known.map(([name, component]) => checkNamed(name, component.folder)));
  } catch (error) {
    return [{ name: "pipeline", problem: reasonOf(error) }];
  }
}

/** Checks a model's folder. @throws `file_not_found`, `bad_config` for a lock that cannot be read, `cancelled`. */
export async function checkModel(folder: string, { withoutFiles = false, ...watch }: { progress?: Progress; signal?: AbortSignal | undefined; withoutFiles?: boolean } = {}): Promise<ModelCheck> {
  const lock = withoutFiles ? undefined : await readLock(folder);
  const files = lock && (await compareFiles(folder, lock, watch));
  const components = await checkComponents(folder);
  const sound = !files || (files.changed.length === 0 && files.missing.length === 0 && files.extra.length === 0);
  return { folder, ...(files ? { files } : {}), components, isWhole: sound && components.every(({ problem }) => problem === undefined) };
}
