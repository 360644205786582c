/** `orrery models merge`: LoRA adapters become part of a model. */
import { defineCommand } from "../command.ts";
import { merge, mergeArgs, mergeOptions } from "../models/merge.ts";

export const command = defineCommand({
  name: "models merge",
  summary: "put LoRA adapters into a model's weights",
  description: "Writes a copy of the model whose weights are W + scale * alpha / rank * B A for every layer that the adapter changes. Adapters are folders in PEFT's layout, such as the adapter/ of `orrery finetune --lora`. The model itself stays as it is.",
  examples: [
    { type: "orrery models merge models/base --lora runs/tuned/adapter -o runs/tuned/merged", does: "one adapter, at full strength" },
    { type: "orrery models merge models/base --lora runs/a/adapter:0.5 runs/b/adapter:0.5 -o both", does: "half of each of two" },
  ],
  args: mergeArgs,
  options: mergeOptions,
  run: ({ args, options, ...around }) => merge(args.model, options, false, around),
});
