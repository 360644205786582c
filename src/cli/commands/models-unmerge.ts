/** `orrery models unmerge`: takes LoRA adapters out of a model again. */
import { defineCommand } from "../command.ts";
import { merge, mergeArgs, mergeOptions } from "../models/merge.ts";

export const command = defineCommand({
  name: "models unmerge",
  summary: "take LoRA adapters out of the weights that they were merged into",
  description: "The opposite of `orrery models merge`, with the same adapters at the same scales: the weights are what they were before, to the rounding of float32. Of a model merged with --weights f16 or bf16 the rounding is coarser.",
  examples: [{ type: "orrery models unmerge runs/tuned/merged --lora runs/tuned/adapter -o base-again", does: "what the adapter was trained upon" }],
  args: mergeArgs,
  options: mergeOptions,
  run: ({ args, options, ...around }) => merge(args.model, options, true, around),
});
