/** `orrery provenance list`: what this installation has made. */
import { defineCommand } from "../command.ts";
import { integer, text } from "../options.ts";

export const command = defineCommand({
  name: "provenance list",
  summary: "list the videos that were made or marked here",
  description: "Newest last, as they stand in the registry. Entries that this installation's key did not sign are shown as such.",
  examples: [
    { type: "orrery provenance list", does: "the last 50 videos" },
    { type: "orrery provenance list --id 0123456789abcdef", does: "the video that carries this watermark" },
    { type: "orrery provenance list --limit 100000 --json", does: "the whole registry as JSON" },
  ],
  options: {
    limit: integer({ min: 1, max: 1_000_000, default: 50, help: "how many, counted from the newest" }),
    id: text({ metavar: "HEX", help: "only the one with this watermark" }),
  },
  async run({ options: { limit, id }, output, signal }) {
    const { readRegistry, registryPath } = await import("../../provenance/index.ts");
    let entries: unknown[] = [];
    let rows: string[][] = [];
    let count = 0;
    for await (const entry of readRegistry({ signal })) {
      count += 1;
      if (id !== undefined && entry.watermarkId !== id.toLowerCase()) continue;
      entries.push(entry);
      rows.push([entry.at, entry.watermarkId ?? "no watermark", `${entry.width}x${entry.height}`, `${entry.durationS.toFixed(2)} s`, entry.name, entry.genuine ? "" : "NOT SIGNED by this installation"]);
      if (rows.length >= 2 * limit) [entries, rows] = [entries.slice(-limit), rows.slice(-limit)];
    }
    [entries, rows] = [entries.slice(-limit), rows.slice(-limit)];
    if (rows.length === 0) output.text(count === 0 ? `nothing yet (${registryPath()})` : `none of ${count} entries`);
    output.table(rows);
    output.data({ path: registryPath(), total: count, entries });
  },
});
