/** `orrery parity`: a network here against the reference's answers. */
import { OrreryError } from "../../errors.ts";
import { defineCommand } from "../command.ts";
import { one, shared } from "../options.ts";

export const command = defineCommand({
  name: "parity",
  summary: "compare a network with the reference's golden tensors",
  description: "Prints a line per golden tensor, `name max_rel_diff`, then `parity ok`; or `parity FAILED` and exit status 1.",
  examples: [{ type: "orrery parity fixtures/tokenizer-cv8x8x8", does: "load the folder's weights, run them and compare" }],
  args: { folder: one("folder with config.json, weights and golden.safetensors", "DIR") },
  options: { device: shared.device, threads: shared.threads },
  async run({ args, options, output }) {
    const [{ checkParity, agrees }, { openRuntime }] = await Promise.all([import("../../evaluation/index.ts"), import("../../tensor/runtime/node.ts")]);
    const runtime = await openRuntime({ device: options.device, ...(options.threads === undefined ? {} : { threads: options.threads }) });
    try {
      const lines = await checkParity(args.folder, runtime);
      const ok = lines.length > 0 && lines.every(agrees);
      for (const { name, difference } of lines) output.text(`${name} ${difference.toExponential(2)}`);
      output.text(ok ? "parity ok" : "parity FAILED");
      output.data({ ok, lines });
      if (!ok) throw new OrreryError("parity_failed", `beyond the tolerance: ${lines.filter((l) => !agrees(l)).map((l) => l.name).join(", ") || "there was nothing to compare"}`);
    } finally {
      await runtime.close();
    }
  },
});
