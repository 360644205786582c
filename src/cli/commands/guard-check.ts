/** `orrery guard check`: may this prompt or video pass? */
import { OrreryError } from "../../errors.ts";
import { defineCommand } from "../command.ts";
import { checkGiven, subjectOptions } from "../guard.ts";

export const command = defineCommand({
  name: "guard check",
  summary: "ask the guards about a prompt or a video",
  description:
    "Runs the guards that the policy requires, as a generation would. Ends with exit status 0 if everything was allowed and 3 if anything was blocked; a guard that is required and fails, is late or is missing blocks as well. With --json, stdout has every verdict, its evidence, and the categories that no guard looked for.",
  examples: [
    { type: 'orrery guard check --prompt "a robot arm stacks red cubes"', does: "may this prompt be generated?" },
    { type: "orrery guard check --video clip.mp4 --json", does: "check a video; the whole of what every guard said" },
    { type: 'orrery guard check --prompt "a duel" --policy strict.yaml', does: "under another policy" },
  ],
  options: subjectOptions,
  async run({ options, output, progress, signal }) {
    const { verdicts } = await checkGiven(options, { progress, signal });
    const { findingWords } = await import("../../guardrail/explain.ts");
    const { categories } = await import("../../guardrail/taxonomy.ts");
    const { good, bad, warn, dim } = output.style;
    for (const v of verdicts) {
      output.text(`${v.stage.replace("-", " ")}: ${v.decision === "allow" ? good("allowed") : bad(v.blockedBy === "failure" ? "blocked, because it could not be checked" : "blocked")}`);
      output.table(v.verdicts.map((g) => [`  ${g.guard}`, (g.verdict === "allow" ? good : g.verdict === "skipped" ? warn : bad)(g.verdict), findingWords(g), dim(`${g.durationMs.toFixed(1)} ms`)]));
      if (v.coverage.uncovered.length > 0) output.text(`  ${warn("nobody looked for")} ${v.coverage.uncovered.map((id) => categories[id]).join(", ")}`);
    }
    const blocked = verdicts.find((v) => v.decision === "block");
    output.data({ decision: blocked ? "block" : "allow", stages: verdicts });
    if (blocked) throw new OrreryError("blocked", blocked.message);
  },
});
