/** `orrery curate decide`: other thresholds for a dataset. */
import { availableParallelism } from "node:os";
import { defineCommand } from "../command.ts";
import { integer, one, text, toggle } from "../options.ts";

export const command = defineCommand({
  name: "curate decide",
  summary: "decide again about a curated dataset with other thresholds, from stored measures",
  description: "Starts from the dataset's settings.json; --config and then key=value words change it. Measures nothing again. Clips that no longer stay are taken away and new ones encoded, unless the dataset holds scores only.",
  examples: [
    { type: "orrery curate decide dataset quality.cut=0.3", does: "drop the worst 30 % instead of 15 %" },
    { type: "orrery curate decide scores --encode", does: "encode what stays of a dataset made with --score-only" },
  ],
  args: { dataset: one("folder of the dataset", "DATASET") },
  options: {
    config: text({ metavar: "FILE.yaml", help: "settings that change; key=value words after it win" }),
    encode: toggle({ help: "encode what stays, also where the dataset holds scores only" }),
    workers: integer({ min: 1, max: 256, help: "clips encoded at the same time (default: one per core)" }),
  },
  overrides: true,
  async run({ args: { dataset }, options, overrides, output, progress, signal }) {
    const [{ curateSchema, redecide, settingsFile }, { resolveConfig }] = await Promise.all([import("../../curator/index.ts"), import("../overrides.ts")]);
    const settings = await resolveConfig(curateSchema, { file: [settingsFile(dataset), ...(options.config === undefined ? [] : [options.config])], overrides });
    const { summary, added, removed } = await redecide(dataset, { settings, encode: options.encode, workers: options.workers ?? availableParallelism(), progress, signal });
    output.text(`${summary.num_clips_kept} of ${summary.num_clips} clips stay: ${added.length} more and ${removed.length} fewer than before`);
    output.table(Object.entries(summary.dropped).filter(([, count]) => count > 0).map(([reason, count]) => [`  dropped, ${reason}`, count]));
    output.data({ ...summary, added, removed });
  },
});
