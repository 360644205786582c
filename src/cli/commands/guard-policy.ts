/** `orrery guard policy`: what is required before and after a generation, and is it there? */
import { readFile } from "node:fs/promises";
import { defineCommand } from "../command.ts";
import { text, toggle } from "../options.ts";

export const command = defineCommand({
  name: "guard policy",
  summary: "show a guard policy, and whether each of its guards opens here",
  description:
    "A policy is a YAML file that names guards, the stages where they stand (prompt, upsampled-prompt, negative-prompt, video), thresholds and time limits. A guard that is required and does not open blocks every request at its stages, so this is what to run after writing one. No policy can switch guarding off: a stage without a required guard lets nothing pass.",
  examples: [
    { type: "orrery guard policy", does: "the guards of the standard policy, with their models and what they look for" },
    { type: "orrery guard policy --yaml > my-policy.yaml", does: "a copy of the standard policy to change" },
    { type: "orrery guard policy --policy my-policy.yaml", does: "is it valid, and is everything there that it names?" },
  ],
  options: {
    policy: text({ metavar: "FILE", help: "the policy (default: the standard one)" }),
    yaml: toggle({ help: "print the file itself" }),
  },
  async run({ options, output }) {
    const [{ openGuards }, { readPolicy, standardPolicyPath }, { categories, categoryIds }] = await Promise.all([import("../../guardrail/open.ts"), import("../../guardrail/policy.ts"), import("../../guardrail/taxonomy.ts")]);
    const path = options.policy ?? standardPolicyPath;
    const policy = await readPolicy(path);
    if (options.yaml) {
      output.text((await readFile(path, "utf8")).trimEnd());
      output.data({ path, policy });
      return;
    }
    const guards = await openGuards(policy);
    try {
      const { good, bad, warn, dim, bold } = output.style;
      const described = guards.describe();
      output.text(`${bold(`policy ${policy.name}, version ${policy.version}`)}  ${dim(policy.sha256)}`);
      output.text(dim(path));
      for (const g of described) {
        const state = g.failure === undefined ? good("ready") : g.required ? bad("BLOCKS") : warn("missing");
        output.text(`\n${g.name}  ${state}  ${g.stages.join(", ").replaceAll("-prompt", " prompt") || "after the video was allowed"}${g.required ? "" : dim("  not required")}`);
        if (g.failure !== undefined) output.text(`  ${g.failure}`);
        else output.text(`  ${g.model} ${dim(g.version ?? "")}`);
        if (g.enforces) output.text(`  blocks for ${g.enforces.map((id) => categories[id]).join(", ")} only; what else it finds is noted`);
        if (g.covers.length > 0) output.text(`  looks for ${g.covers.length === categoryIds.length ? "every category" : g.covers.map((id) => categories[id]).join(", ")}`);
      }
      output.data({ path, policy: { name: policy.name, version: policy.version, sha256: policy.sha256 }, guards: described });
    } finally {
      await guards.close();
    }
  },
});
