/** `orrery curate export`: a dataset as other programs read it. */
import { defineCommand } from "../command.ts";
import { one, text } from "../options.ts";

export const command = defineCommand({
  name: "curate export",
  summary: "copy a curated dataset into Cosmos-Predict's layout",
  description: "Writes videos/ID.mp4 and metas/ID.txt. The embeddings in t5_xxl/ are left out; the reference's get_t5_embeddings.py computes them from metas/.",
  examples: [{ type: "orrery curate export dataset -o predict", does: "clips and captions for Cosmos-Predict's post-training" }],
  args: { dataset: one("folder of the dataset", "DATASET") },
  options: { out: text({ short: "o", required: true, metavar: "DIR", help: "new or empty folder to write" }) },
  async run({ args: { dataset }, options: { out }, output, progress, signal }) {
    const { exportPredict } = await import("../../curator/index.ts");
    const exported = await exportPredict(dataset, out, { progress, signal });
    output.text(`${exported.clips} clips in ${out}${exported.uncaptioned > 0 ? `; ${exported.uncaptioned} without a caption left out` : ""}. t5_xxl/ is to be computed by the reference's script`);
    output.data(exported);
  },
});
