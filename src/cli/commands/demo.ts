/** `orrery demo`: from footage to a small world model and what it expects next, on this machine, in minutes. */
import { defineCommand } from "../command.ts";
import { guardLines, markLine } from "../generated.ts";
import { any, integer, shared, text } from "../options.ts";

export const command = defineCommand({
  name: "demo",
  summary: "train a small world model on footage and let it go on, in minutes",
  description:
    "Reads footage (without a CLIP it films rubber balls in a room), trains a small tokenizer and a small diffusion world model on it, continues the opening of up to three clips, which training never saw, and writes a folder: the continuations as mp4, side by side with what really came, a contact sheet, and index.html, which explains every stage with pictures and figures. Under 8 minutes on two cores. Stopped, the same command goes on where it was; the models stay in OUT/work.",
  examples: [
    { type: "orrery demo", does: "with footage that it films itself" },
    { type: "orrery demo my-robot.mp4 street.mov -o my-demo", does: "with your own; any size, rate and rotation" },
  ],
  args: { clips: any("video files, or folders of them (default: balls in a room)", "CLIP") },
  options: {
    out: text({ short: "o", default: "demo", metavar: "DIR", help: "folder to write" }),
    seed: shared.seed,
    policy: text({ metavar: "FILE", help: "guard policy (default: the standard one)" }),
    tokenizerSteps: integer({ min: 1, max: 1_000_000, help: "train the tokenizer for this many steps instead" }),
    worldSteps: integer({ min: 1, max: 1_000_000, help: "train the world model for this many steps instead" }),
    device: shared.device,
    threads: shared.threads,
  },
  async run({ args, options, output, progress, signal }) {
    const [{ runDemo }, { standardRecipe: standard }] = await Promise.all([import("../demo/demo.ts"), import("../demo/recipe.ts")]);
    const { out, seed, policy, device, threads, tokenizerSteps, worldSteps } = options;
    const recipe = {
      ...standard,
      ...(tokenizerSteps === undefined ? {} : { tokenizer: { ...standard.tokenizer, steps: tokenizerSteps } }),
      ...(worldSteps === undefined ? {} : { world: { ...standard.world, steps: worldSteps } }),
    };
    const { style } = output;
    output.text(`${style.bold("The demo, in 5 stages:")} footage, tokenizer, world model, continuation, page. Ctrl-C stops it; the same command goes on.`);
    const result = await runDemo({ clips: args.clips, out, seed, policy, device, threads, recipe, progress, signal });
    const { report, videos, page, sheet, model } = result;
    output.text();
    output.text(style.bold("Continuations of openings that training did not see, PSNR in dB:"));
    output.table([["", "continued", "last frame repeated", "tokenizer alone"], ...report.continued.map(({ name, comparison: c }) => [name, c.continuation.psnr.toFixed(2), c.repeat.psnr.toFixed(2), c.tokenizer.psnr.toFixed(2)])]);
    for (const { name, message } of report.blocked) output.text(style.warn(`not allowed: ${name}: ${message}`));
    for (const { reason } of report.footage.rejected) output.text(style.dim(`left out: ${reason}`));
    output.text();
    output.table([
      ["page", page],
      ...videos.flatMap(({ video, sideBySide }) => [["video", video], ["side by side", sideBySide]]),
      ["contact sheet", sheet],
      ["model", model],
    ]);
    for (const line of [...guardLines(report.continued[0]!.record), markLine(report.continued[0]!.record)]) output.text(style.dim(line));
    output.data({ page, sheet, model, videos, blocked: report.blocked, rejected: report.footage.rejected, seconds: report.seconds });
  },
});
