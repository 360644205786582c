/** `orrery curate plan`: what a curation would do. */
import { availableParallelism } from "node:os";
import { defineCommand } from "../command.ts";
import { integer, some, text } from "../options.ts";

export const command = defineCommand({
  name: "curate plan",
  summary: "say what a curation would do and how long it would take, without doing it",
  description: "Opens and hashes every source, looks for what is measured already, and tries a few seconds of up to three sources to estimate the time. Nothing is written. A source of the name of a command is given as a path: orrery curate ./plan.",
  examples: [{ type: "orrery curate plan footage/ -o dataset", does: "how many sources, how long, and what cannot be read" }],
  args: { inputs: some("video files, folders, or manifests (.jsonl, .csv, .txt)", "INPUT") },
  options: {
    out: text({ short: "o", required: true, metavar: "DATASET", help: "folder that the dataset would lie in" }),
    config: text({ metavar: "FILE.yaml", help: "settings; key=value words after it win" }),
    workers: integer({ min: 1, max: 256, help: "sources measured and clips encoded at the same time (default: one per core)" }),
  },
  overrides: true,
  async run({ args: { inputs }, options, overrides, output, progress, signal }) {
    const [{ curateSchema, planCuration }, { resolveConfig }, { clock }] = await Promise.all([import("../../curator/index.ts"), import("../overrides.ts"), import("../progress-bar.ts")]);
    const settings = await resolveConfig(curateSchema, { file: options.config, overrides });
    const plan = await planCuration(inputs, options.out, { settings, workers: options.workers ?? availableParallelism(), progress, signal });
    const time = (seconds: number | null): string => (seconds === null ? "cannot be told: no source could be tried" : `about ${clock(seconds)}`);
    output.table([
      ["files", `${plan.files}, ${plan.set_aside.length} of which will be set aside`],
      ["sources", `${plan.sources}, ${clock(plan.durationS)} of video`],
      ["to measure", `${plan.unmeasured}, ${clock(plan.unmeasuredS)} of video: ${time(plan.measuringS)}`],
      ["to encode", `at most, if everything stayed: ${time(plan.encodingMostS)}`],
    ]);
    for (const { path, reason } of plan.set_aside) output.text(`  set aside: ${path}: ${reason}`);
    output.data(plan);
  },
});
