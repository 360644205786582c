/** `orrery curate status`: how far a curation is. */
import { defineCommand } from "../command.ts";
import { one } from "../options.ts";

export const command = defineCommand({
  name: "curate status",
  summary: "say how far a curation is, also while another process works on it",
  description: "Per stage: units done, rejected and left, the rate of the latest ones and the time left at that rate. Read from the dataset's files; nothing is written.",
  examples: [
    { type: "orrery curate status dataset", does: "stages, rates and time left" },
    { type: "orrery curate status dataset --json", does: "the same for a program" },
  ],
  args: { dataset: one("folder of the dataset", "DATASET") },
  options: {},
  async run({ args: { dataset }, output }) {
    const [{ curationStatus }, { clock }] = await Promise.all([import("../../curator/index.ts"), import("../progress-bar.ts")]);
    const status = await curationStatus(dataset);
    output.table([
      ["stage", "done", "rejected", "left", "unit", "a minute", "time left"],
      ...status.stages.map(({ stage, done, rejected, left, unit, rate, leftS }) => [stage, done, rejected, left, unit, rate === null ? "" : (60 * rate).toFixed(1), left > 0 && leftS !== null ? clock(leftS) : ""]),
    ]);
    output.text(status.finished ? "finished" : `not finished; ${status.quietS === null ? "no result yet" : `the last result is ${clock(status.quietS)} old`}`);
    output.data(status);
  },
});
