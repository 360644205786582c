/** What the commands of `orrery train` have in common: options, settings from file and words, what is said of the clips. */
import { stringify } from "yaml";
import type { z } from "zod";
import type { TrainingData } from "../dataset/index.ts";
import { OrreryError } from "../errors.ts";
import type { Runtime, RuntimeOptions } from "../tensor/runtime/node.ts";
import type { Clip } from "../video/index.ts";
import type { Output } from "./output.ts";
import { list, shared, text, toggle } from "./options.ts";
import { resolveConfig } from "./overrides.ts";

export const trainOptions = {
  data: list({ metavar: "CLIP", help: "video files to learn from, and folders that are searched for them; or the physics laboratory, such as lab:all?count=6000 or lab:fall,ramp?count=500&camera=any (required)" }),
  out: text({ short: "o", metavar: "DIR", help: "folder of the run; an unfinished run in it is continued (required)" }),
  config: text({ metavar: "FILE.yaml", help: "settings; key=value words override them" }),
  from: text({ metavar: "DIR", help: "start from this model's weights and configuration instead of afresh" }),
  printConfig: toggle({ help: "print all settings as YAML, with their values, and do nothing else" }),
  device: shared.device,
  threads: shared.threads,
} as const;

interface Given {
  data: readonly string[];
  out: string | undefined;
  config: string | undefined;
  printConfig: boolean;
}

/** The settings, or nothing when they were only to be printed. */
export async function settingsOf<S extends z.ZodType>(schema: S, given: Given, overrides: readonly string[], output: Output, base: Readonly<Record<string, unknown>> = {}): Promise<{ settings: z.output<S>; data: readonly string[]; out: string } | undefined> {
  const settings = await resolveConfig(schema, { base, file: given.config, overrides });
  if (given.printConfig) {
    output.text(stringify(settings).trimEnd());
    output.data(settings);
    return undefined;
  }
  if (given.data.length === 0) throw new OrreryError("bad_argument", "--data is missing; name the video files or folders to learn from, such as --data clips/");
  if (given.out === undefined) throw new OrreryError("bad_argument", "--out is missing; name the folder of the run, such as --out runs/first");
  return { settings, data: given.data, out: given.out };
}

/** Opens a runtime, hands it to `work` and closes it again. */
export async function withRuntime<T>({ device, threads }: { device: RuntimeOptions["device"] & string; threads: number | undefined }, work: (runtime: Runtime) => Promise<T>): Promise<T> {
  const { openRuntime } = await import("../tensor/runtime/node.ts");
  const runtime = await openRuntime({ device, ...(threads === undefined ? {} : { threads }) });
  try {
    return await work(runtime);
  } finally {
    await runtime.close();
  }
}

/** Says what was opened and what was left out. */
export function describeData({ training, held, isHeld }: TrainingData, output: Output): void {
  const frames = training.entries.reduce((sum, e) => sum + e.frameCount, 0);
  output.text(`${training.entries.length} clip(s), ${frames} frames of ${training.width} x ${training.height} at ${+training.fps.toFixed(3)} fps to learn from${isHeld ? `, ${held.entries.reduce((sum, e) => sum + e.frameCount, 0)} frames held back` : ""}`);
  for (const { reason } of training.rejected) output.text(`  left out: ${reason}`);
  for (const { path, info } of training.entries)
    if (info.isVariableFrameRate) output.text(`  note: ${path} has frames at uneven times; they are brought to ${+training.fps.toFixed(3)} fps`);
}

/** Says what a trained world model is worth: beside standing still, which is what a camera that sees little happen is hard to beat at. */
export function describeWorld({ model, parameters, step, figures: { psnr, psnr_repeat: repeated } }: { model: string; parameters: number; step: number; figures: Record<string, number> }, output: Output): void {
  output.text(`${model}: ${(parameters / 1e6).toFixed(2)} M parameters after ${step} steps`);
  if (psnr !== undefined && repeated !== undefined) output.text(`continuations have a PSNR of ${psnr.toFixed(2)} dB; repeating the last given frame has ${repeated.toFixed(2)} dB`);
}

/** PSNR and SSIM of what a model made, as `evaluation/` counts them. */
export async function qualityMeter(): Promise<(original: Clip, made: Clip) => Record<string, number>> {
  const { psnr, ssim, smallestSsimSide } = await import("../evaluation/metrics.ts");
  return (original, made) => ({ psnr: psnr(original, made), ...(Math.min(original.width, original.height) < smallestSsimSide ? {} : { ssim: ssim(original, made) }) });
}
