/** `orrery train autoregressive`: from clips and a discrete tokenizer to a world model's folder. */
import { defineCommand } from "../command.ts";
import { text } from "../options.ts";
import { describeData, describeWorld, qualityMeter, settingsOf, trainOptions, withRuntime } from "../train.ts";
import { openData } from "../training-data.ts";

export const command = defineCommand({
  name: "train autoregressive",
  summary: "train a world model of tokens on your own video",
  description:
    "Learns how clips go on, token by token: a discrete tokenizer spells every window once (kept in OUT/latents), and the transformer learns each next token from those before it. OUT/model becomes a pipeline folder with the tokenizer inside. Sheets, figures, Ctrl-C and continuing are as in `orrery train diffusion`. The main settings: size (nano, small, medium, base), steps, batch, optimizer.lr, data.width, data.height, data.frames, conditionFrames, data.holdout.seconds; --print-config shows all.",
  examples: [
    { type: "orrery train autoregressive --data clips/ --tokenizer runs/d/model --out runs/ar", does: "train with what is usual" },
    { type: "orrery train autoregressive --data clips/ -t runs/d/model -o runs/ar size=nano data.width=64 data.height=64 conditionFrames=[9]", does: "a small one that continues nine frames" },
  ],
  options: { ...trainOptions, tokenizer: text({ short: "t", metavar: "DIR", help: "the discrete tokenizer: its folder, or a pipeline's (required)" }) },
  overrides: true,
  async run({ options, overrides, output, progress, signal }) {
    const [{ autoregressiveSettings }, { trainAutoregressive }, { OrreryError }] = await Promise.all([import("../../world/autoregressive/training-settings.ts"), import("../../world/autoregressive/train.ts"), import("../../errors.ts")]);
    const given = await settingsOf(autoregressiveSettings, options, overrides, output);
    if (!given) return;
    const { tokenizer } = options;
    if (tokenizer === undefined) throw new OrreryError("bad_argument", "--tokenizer is missing; name a discrete tokenizer's folder, such as the model/ of `orrery train tokenizer kind=DV8x8x8`");
    const measure = await qualityMeter();
    const result = await withRuntime(options, (runtime) =>
      trainAutoregressive({ ...given, tokenizer, runtime, openData, from: options.from, measure, onData: (data) => describeData(data, output), progress, signal }),
    );
    describeWorld(result, output);
    output.data(result);
  },
});
