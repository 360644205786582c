/** `orrery upsample`: what would a longer prompt say? */
import { hashSubject } from "../../guardrail/hash.ts";
import { requireAllowed } from "../../guardrail/verdict.ts";
import { defineCommand } from "../command.ts";
import { one, text } from "../options.ts";

export const command = defineCommand({
  name: "upsample",
  summary: "make a prompt longer, guarded before and after",
  description:
    "Video models are trained on long captions and do better with them. The built-in grammar keeps the prompt word for word and adds light, place, camera and movement where the prompt says nothing of them. A YAML file names a language model instead: `upsampler: language-model`, `template: orrery` (or cosmos-1, cosmos-3, or {file: …}), and `endpoint: {baseUrl, model}` or `model: {gguf: …}`. What is written must still say what the prompt says, must add nothing about people's age, gender, ethnicity, religion, body or health, and passes the guards again; if it does not, the prompt is kept as it was. Prompts of more than 250 words are left alone.",
  examples: [
    { type: 'orrery upsample "a robot arm stacks red cubes on a table"', does: "with the built-in grammar" },
    { type: 'orrery upsample "a robot arm stacks red cubes" --upsampler upsampler.yaml --json', does: "with a language model; both prompts, and what the guards said" },
  ],
  args: { prompt: one("the prompt", "PROMPT") },
  options: {
    upsampler: text({ metavar: "grammar|FILE", default: "grammar", help: "the built-in grammar, or a YAML file" }),
    policy: text({ metavar: "FILE", help: "the guard policy (default: the standard one)" }),
  },
  async run({ args: { prompt }, options, output, progress, signal }) {
    const [{ openGuards }, { readPolicy }, { openUpsampler }, { upsamplePrompt }] = await Promise.all([
      import("../../guardrail/open.ts"), import("../../guardrail/policy.ts"), import("../../guardrail/upsampler/language-model.ts"), import("../../guardrail/upsampler/upsample.ts"),
    ]);
    const [policy, { upsampler, rules }] = await Promise.all([readPolicy(options.policy), openUpsampler(options.upsampler)]);
    const guards = await openGuards(policy, { stages: ["prompt", "upsampled-prompt"] });
    try {
      progress({ stage: "checking the prompt", done: 0 });
      const verdicts = await guards.check({ stage: "prompt", text: prompt }, { signal });
      requireAllowed(verdicts, hashSubject({ stage: "prompt", text: prompt }));
      progress({ stage: "making it longer", done: 0 });
      const longer = await upsamplePrompt(prompt, upsampler, (words) => guards.check({ stage: "upsampled-prompt", text: words }, { signal }), rules, signal);
      output.text(longer.prompt);
      if (longer.record.outcome !== "upsampled") output.text(output.style.warn(`(${longer.record.outcome === "fell-back" ? "the prompt as it was" : "left alone"}: ${longer.record.reason})`));
      output.data({ prompt, upsampled_prompt: longer.prompt, ...longer.record, stages: [verdicts, ...longer.verdicts] });
    } finally {
      await Promise.all([guards.close(), upsampler.close()]);
    }
  },
});
