/** `orrery inspect`: what is this file or folder? */
import { defineCommand } from "../command.ts";
import { integer, one, text } from "../options.ts";

export const command = defineCommand({
  name: "inspect",
  summary: "say what a model, checkpoint, latents, training run or video holds",
  description:
    "PATH is a model's folder (config.json or model_index.json), a checkpoint (safetensors, or PyTorch's .pt, .pth, .jit, whose pickles are read without running them), a file of latents, a training run's folder, or a video. Reads descriptions only.",
  examples: [
    { type: "orrery inspect models/tokenizer", does: "class, configuration, number of parameters and licence of a model" },
    { type: "orrery inspect model.pt --tensors 'decoder.*.weight'", does: "list some tensors of a checkpoint" },
    { type: "orrery inspect runs/tokenizer --json", does: "how far a training run is, as JSON" },
    { type: "orrery inspect clip.mp4", does: "size, length, rate and codec of a video" },
  ],
  args: { path: one("model, checkpoint, latents, training run or video", "PATH") },
  options: {
    tensors: text({ metavar: "PATTERN", help: "list the tensors whose name contains this, or matches it where it has * or ?" }),
    limit: integer({ min: 1, default: 40, help: "how many tensors to list; JSON has them all" }),
  },
  async run({ args, options, output, signal }) {
    const [{ inspectPath }, { show }] = await Promise.all([import("../inspect/inspect.ts"), import("../inspect/show.ts")]);
    const report = await inspectPath(args.path, { tensors: options.tensors, signal });
    show(report, output, options.limit);
    output.data(report);
  },
});
