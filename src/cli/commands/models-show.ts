/** `orrery models show`: everything that a model's folder says of itself. */
import { defineCommand } from "../command.ts";
import { show } from "../inspect/show.ts";
import { one } from "../options.ts";
import { quantity } from "../progress-bar.ts";

export const command = defineCommand({
  name: "models show",
  summary: "show a model's card, components, configuration, training notes and hashes",
  description: "MODEL is a name from `orrery models list` or a folder. Reads descriptions only; nothing of it is run.",
  examples: [
    { type: "orrery models show runs/world/model", does: "a model that was trained here" },
    { type: "orrery models show owner/model --json", does: "a model that was pulled, as JSON" },
  ],
  args: { model: one("name or folder of a model", "MODEL") },
  async run({ args, output, signal }) {
    const [{ describeModel, findModel, kindOf, openPipeline, readCard, readLock }, { inspectPath }] = await Promise.all([import("../../registry/index.ts"), import("../inspect/inspect.ts")]);
    const folder = await findModel(args.model);
    const [summary, card, lock, report] = [await describeModel(folder), await readCard(folder), await readLock(folder), await inspectPath(folder, { signal })];
    const generation = (await kindOf(folder)) === "pipeline" ? (await openPipeline(folder)).generation : undefined;
    show(report, output, 40);
    output.table([
      ["kind", `${summary.kind}${summary.family === undefined ? "" : `, ${summary.family}`}`],
      ["size", quantity(summary.bytes, "bytes")],
      ["source", summary.source],
      ...(lock?.licence?.accepted === undefined ? [] : [["licence accepted", lock.licence.accepted]]),
    ]);
    if (generation) {
      const { training, ...settings } = generation;
      output.text(output.style.bold("generation"));
      output.table(Object.entries(settings).filter(([key]) => key !== "latents").map(([key, value]) => [`  ${key}`, typeof value === "string" ? value : JSON.stringify(value)]));
      if (training) {
        output.text(output.style.bold("training"));
        output.table(Object.entries(training).map(([key, value]) => [`  ${key}`, typeof value === "number" ? String(+value.toPrecision(6)) : JSON.stringify(value)]));
      }
    }
    if (card && card.body.trim() !== "") output.text(`${output.style.bold("card")}\n${card.body.trim()}`);
    if (lock) {
      output.text(output.style.bold("files, by SHA-256"));
      output.table(Object.entries(lock.files).map(([path, { sha256, bytes }]) => [`  ${path}`, quantity(bytes, "bytes"), sha256]));
    } else output.text("no hashes are recorded; orrery models verify --record does so");
    output.data({ ...summary, ...(generation ? { generation } : {}), ...(card ? { card } : {}), ...(lock ? { lock } : {}), report });
  },
});
