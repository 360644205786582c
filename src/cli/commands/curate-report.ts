/** `orrery curate report`: the report of a dataset, anew. */
import { availableParallelism } from "node:os";
import { defineCommand } from "../command.ts";
import { one } from "../options.ts";

export const command = defineCommand({
  name: "curate report",
  summary: "write a dataset's report anew from stored measures",
  examples: [{ type: "orrery curate report dataset", does: "write dataset/report.html" }],
  args: { dataset: one("folder of the dataset", "DATASET") },
  options: {},
  async run({ args: { dataset }, output, progress, signal }) {
    const { rewriteReport } = await import("../../curator/index.ts");
    const report = await rewriteReport(dataset, { workers: availableParallelism(), progress, signal });
    output.text(`report: ${report}`);
    output.data({ report });
  },
});
