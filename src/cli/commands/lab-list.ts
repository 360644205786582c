/** `orrery lab list`: the laboratory's scenarios, in words and in pictures. */
import { defineCommand } from "../command.ts";
import { text } from "../options.ts";

export const command = defineCommand({
  name: "lab list",
  summary: "say what scenes the laboratory can make, with pictures",
  description: "Lists the scenarios with the caption of one clip of each. With --pictures, writes a strip of frames for each and a page that shows them.",
  examples: [
    { type: "orrery lab list", does: "list the scenarios" },
    { type: "orrery lab list --pictures scenarios", does: "also write scenarios/index.html with frames of three clips of each" },
  ],
  options: { pictures: text({ metavar: "DIR", help: "folder for the pictures" }) },
  async run({ options: { pictures }, output }) {
    const { openLaboratory, scenarioNames, scenarios, writeLabStrips } = await import("../../physics/index.ts");
    const laboratory = await openLaboratory();
    const listed = scenarioNames.map((name) => {
      const { truth } = laboratory.render({ scenario: name, split: "train", index: 1 }, { width: 32, height: 32 });
      return { name, shows: scenarios[name].shows, example: truth.captionShort, hasActions: truth.actions !== undefined };
    });
    for (const { name, shows, example } of listed) {
      output.text(`${output.style.bold(name)}: ${shows}`);
      output.text(`  ${output.style.dim(example)}`);
    }
    const page = pictures === undefined ? undefined : await writeLabStrips(pictures);
    if (page) output.text(`\nlook at ${page}`);
    output.data({ scenarios: listed, ...(page ? { page } : {}) });
  },
});
