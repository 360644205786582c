/** `orrery parity`: does this implementation answer what the reference did? */
import { OrreryError } from "../../errors.ts";
import { defineCommand } from "../command.ts";
import { one, shared } from "../options.ts";

/** 0.00000123 as `1.23e-06`. */
export function scientific(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : "inf";
  return value.toExponential(2).replace(/e([+-])(\d)$/, "e$10$2");
}

export const command = defineCommand({
  name: "parity",
  summary: "compare a network with the reference's golden tensors",
  description:
    "DIR holds config.json (with _class_name), weights and golden.safetensors. Prints for each golden tensor the largest difference, relative to its largest value, and fails past 1e-4 (gradients 1e-3, noise and sigmas 1e-6, indices and tokens none).",
  examples: [
    { type: "orrery parity shared/parity/tokenizer-cv8x8x8", does: "run a tokenizer on golden inputs and compare" },
    { type: "orrery parity DIR --json", does: "the same, with differences and tolerances as JSON" },
  ],
  args: { dir: one("folder with config.json, weights and golden.safetensors", "DIR") },
  options: { device: shared.device, threads: shared.threads },
  async run({ args, options: { device, threads }, output, progress, signal }) {
    const [{ openRuntime }, { agrees, notRecognised, runParity }] = await Promise.all([import("../../tensor/runtime/node.ts"), import("../../evaluation/parity.ts")]);
    const runtime = await openRuntime({ device, ...(threads === undefined ? {} : { threads }) });
    try {
      const report = await runParity(args.dir, runtime, { progress, signal });
      for (const { name, difference } of report.lines) output.text(`${name} ${scientific(difference)}`);
      for (const name of report.unknown) output.text(`${name} not recognised`);
      const noise = report.lines.filter((l) => l.noise).map((l) => l.name);
      if (noise.length > 0) output.text(`note: zero but for rounding, so measured on a thousandth of the largest gradient: ${noise.join(", ")}`);
      if (report.unused.length > 0) output.text(`note: not used by the network: ${report.unused.join(", ")}`);
      output.text(report.ok ? "parity ok" : "parity FAILED");
      output.data(report);
      if (!report.ok) {
        const missed = report.lines.filter((l) => !agrees(l));
        const reasons = missed.slice(0, 5).map(({ name, difference, tolerance }) => `${name} differs by ${scientific(difference)}, allowed is ${tolerance === 0 ? "nothing" : scientific(tolerance)}`);
        if (missed.length > 5) reasons.push(`and ${missed.length - 5} more`);
        if (report.unknown.length > 0) reasons.push(notRecognised(report.unknown, report.className));
        throw new OrreryError("parity_failed", `${report.folder}: ${reasons.join("; ")}`);
      }
    } finally {
      await runtime.close();
    }
  },
});
