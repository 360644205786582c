/** What `orrery models merge` and `unmerge` have in common. */
import type { Progress } from "../../progress.ts";
import { choice, list, one, text } from "../options.ts";
import type { Output } from "../output.ts";

export const mergeArgs = { model: one("name or folder of a pipeline or transformer", "MODEL") };

export const mergeOptions = {
  lora: list({ metavar: "ADAPTER", required: true, help: "an adapter's folder, with :SCALE behind it where it is to count more or less than 1; several are taken in order" }),
  out: text({ short: "o", required: true, metavar: "DIR", help: "folder to write" }),
  weights: choice(["f32", "f16", "bf16"], { default: "f32", help: "how weights are stored" }),
} as const;

interface Given {
  lora: readonly string[];
  out: string;
  weights: "f32" | "f16" | "bf16";
}

export async function merge(model: string, { lora, out, weights }: Given, undo: boolean, { output, progress, signal }: { output: Output; progress: Progress; signal: AbortSignal }): Promise<void> {
  const [{ findModel }, { mergeAdapters }] = await Promise.all([import("../../registry/index.ts"), import("../../world/merge.ts")]);
  const merged = await mergeAdapters(await findModel(model), lora, out, { undo, weights, progress, signal });
  output.text(`${merged.folder}: ${merged.layers} layers ${undo ? "are without" : "now hold"} ${lora.join(", ")}`);
  output.data(merged);
}
