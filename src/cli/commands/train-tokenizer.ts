/** `orrery train tokenizer`: from clips to a tokenizer's folder. */
import { defineCommand } from "../command.ts";
import { describeData, qualityMeter, settingsOf, trainOptions, withRuntime } from "../train.ts";
import { openData } from "../training-data.ts";

export const command = defineCommand({
  name: "train tokenizer",
  summary: "train a tokenizer on your own video",
  description:
    "Learns to turn windows of video into a few latents (or code indices) and back. OUT/model becomes a folder that `orrery tokenize` and `orrery train diffusion` take, and, for CV kinds, diffusers. OUT/samples gets a sheet of originals and reconstructions every `sampleEvery` steps, OUT/metrics.jsonl and TensorBoard's event files the figures. Ctrl-C leaves a checkpoint; the same command continues it, with the same result as if it had not stopped. The main settings: kind (CV8x8x8, CV4x8x8, DV8x16x16, CI8x8, DI8x8 ...: continuous or discrete, video or images, compression), size (nano, small, medium, base), steps, batch, optimizer.lr, data.width, data.height, data.frames, data.holdout.seconds; --print-config shows all.",
  examples: [
    { type: "orrery train tokenizer --data clips/ --out runs/tokenizer", does: "train with what is usual" },
    { type: "orrery train tokenizer --data drive.mp4 -o runs/t kind=CV4x8x8 size=nano data.width=96 data.height=64 steps=500", does: "a small one, in minutes" },
    { type: "orrery train tokenizer --data clips/ -o runs/d kind=DV8x8x8 data.holdout.seconds=2", does: "a discrete one, judged on the last two seconds of every clip" },
    { type: "orrery train tokenizer --print-config size=base > tokenizer.yaml", does: "all settings, to change and give with --config" },
  ],
  options: trainOptions,
  overrides: true,
  async run({ options, overrides, output, progress, signal }) {
    const [{ tokenizerSettings }, { trainTokenizer }] = await Promise.all([import("../../tokenizer/training-settings.ts"), import("../../tokenizer/train.ts")]);
    const given = await settingsOf(tokenizerSettings, options, overrides, output);
    if (!given) return;
    const measure = await qualityMeter();
    const result = await withRuntime(options, (runtime) =>
      trainTokenizer({ ...given, runtime, openData, from: options.from, measure, onData: (data) => describeData(data, output), progress, signal }),
    );
    const figures = Object.entries(result.figures).map(([name, value]) => `${name} ${+value.toFixed(3)}`).join(", ");
    output.text(`${result.model}: ${(result.parameters / 1e6).toFixed(2)} M parameters after ${result.step} steps${figures ? `; ${figures}` : ""}`);
    output.data(result);
  },
});
