/** `orrery train diffusion`: from clips and a tokenizer to a world model's folder. */
import { defineCommand } from "../command.ts";
import { text } from "../options.ts";
import { describeData, describeWorld, qualityMeter, settingsOf, trainOptions, withRuntime } from "../train.ts";
import { openData } from "../training-data.ts";

export const command = defineCommand({
  name: "train diffusion",
  summary: "train a diffusion world model on your own video",
  description:
    "Learns how clips go on: a tokenizer codes every window once (kept in OUT/latents), some frames are given, and the transformer learns to remove noise from the others. OUT/model becomes a pipeline folder, with the tokenizer inside, that `orrery generate` and diffusers open. OUT/samples gets sheets of continuations beside what really came, every `sampleEvery` steps, and the figures say how much better they are than repeating the last frame. Ctrl-C leaves a checkpoint; the same command continues it, with the same result as if it had not stopped. With text.tokens=N the model reads text: captions come from folders that `orrery lab render` and `orrery curate` write, from data sets in Cosmos-Predict's layout, or from CLIP.txt beside CLIP.mp4. The main settings: size (nano, small, medium, base), steps, batch, optimizer.lr, data.width, data.height, data.frames, conditionFrames, data.holdout.seconds, formulation; --print-config shows all.",
  examples: [
    { type: "orrery train diffusion --data clips/ --tokenizer runs/tokenizer/model --out runs/world", does: "train with what is usual" },
    { type: "orrery train diffusion --data clips/ --tokenizer runs/t/model -o runs/w data.holdout.at=start data.holdout.seconds=2 conditionFrames=[9]", does: "judge it on the opening seconds of every clip, which it never sees" },
    { type: "orrery train diffusion --data lab/ --tokenizer runs/t/model -o runs/told text.tokens=64", does: "a model that reads text, from clips with captions" },
    { type: "orrery train diffusion --data more/ --tokenizer runs/t/model --from runs/w/model/transformer -o runs/tuned steps=500 optimizer.lr=1e-4", does: "go on with other clips from a model that was trained before" },
  ],
  options: { ...trainOptions, tokenizer: text({ short: "t", metavar: "DIR", help: "the tokenizer: its folder, or a pipeline's (required)" }) },
  overrides: true,
  async run({ options, overrides, output, progress, signal }) {
    const [{ diffusionSettings }, { trainDiffusion }, { OrreryError }] = await Promise.all([import("../../world/diffusion/training-settings.ts"), import("../../world/diffusion/train.ts"), import("../../errors.ts")]);
    const given = await settingsOf(diffusionSettings, options, overrides, output);
    if (!given) return;
    const { tokenizer } = options;
    if (tokenizer === undefined) throw new OrreryError("bad_argument", "--tokenizer is missing; name a tokenizer's folder, such as the model/ of `orrery train tokenizer`");
    const measure = await qualityMeter();
    const result = await withRuntime(options, (runtime) =>
      trainDiffusion({ ...given, tokenizer, runtime, openData, from: options.from, measure, onData: (data) => describeData(data, output), progress, signal }),
    );
    describeWorld(result, output);
    output.data(result);
  },
});
