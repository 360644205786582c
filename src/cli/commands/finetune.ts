/** `orrery finetune`: goes on training a model on other clips, as a whole or by adapters. */
import { join } from "node:path";
import { OrreryError } from "../../errors.ts";
import { defineCommand } from "../command.ts";
import { parseLora, startFrom } from "../models/finetune.ts";
import { list, text, toggle } from "../options.ts";
import { describeData, describeWorld, qualityMeter, settingsOf, trainOptions, withRuntime } from "../train.ts";
import { openData } from "../training-data.ts";

const { from: _, ...options } = trainOptions;

export const command = defineCommand({
  name: "finetune",
  summary: "adapt a model to your own video, as a whole or by LoRA adapters",
  description:
    "--model is a world model's pipeline (diffusion or autoregressive) or a tokenizer, by name or folder; sizes, rate, formulation, sampler and given frames are the model's where you do not say otherwise. As a whole, OUT/model is the new model. With --lora only low-rank adapters are learned (rank 16, alpha 16, on queries, keys, values, outputs and both layers of the perceptrons, as in cosmos-predict2's recipe); OUT/adapter holds them in PEFT's layout for `orrery models merge` and diffusers, and --merge writes OUT/model with them merged. Ctrl-C leaves a checkpoint; the same command continues it. The main settings: steps, batch, optimizer.lr, data.holdout.seconds; --print-config shows all.",
  examples: [
    { type: "orrery finetune --model models/base --data clips/ --out runs/mine", does: "all weights, 500 steps" },
    { type: "orrery finetune --model models/base --data clips/ -o runs/mine --lora rank=16 alpha=32 targets=to_q,to_v steps=2000", does: "adapters on some layers" },
    { type: "orrery finetune --model models/base/vae --data clips/ -o runs/tokenizer", does: "the tokenizer" },
  ],
  options: {
    ...options,
    model: text({ short: "m", metavar: "MODEL", help: "the model to go on from: its name or folder (required)" }),
    tokenizer: text({ short: "t", metavar: "DIR", help: "another tokenizer's folder, for a transformer that comes without (default: the model's)" }),
    lora: list({ metavar: "SETTING", help: "learn adapters instead: rank=N, alpha=X, targets=NAME,NAME" }),
    merge: toggle({ help: "with --lora: also write OUT/model with the adapters merged" }),
  },
  overrides: true,
  async run({ options: { lora: loraWords, merge, ...given }, overrides, output, progress, signal }) {
    const { findModel } = await import("../../registry/index.ts");
    if (given.model === undefined) throw new OrreryError("bad_argument", "--model is missing; name the model to go on from");
    const model = await findModel(given.model);
    const hasLora = loraWords.length > 0;
    if (merge && !hasLora) throw new OrreryError("bad_argument", "--merge is for adapters; without --lora OUT/model has the new weights anyway");
    const { kind, base, generation } = await startFrom(model, hasLora);
    // What stands behind --lora may be of the adapters or a setting; a command line does not tell them apart.
    const adapters = hasLora && kind !== "tokenizer" ? parseLora([...loraWords, ...overrides], kind) : undefined;
    const words = adapters?.rest ?? overrides;
    const lora = adapters?.lora;

    if (kind === "tokenizer") {
      const [{ tokenizerSettings }, { trainTokenizer }] = await Promise.all([import("../../tokenizer/training-settings.ts"), import("../../tokenizer/train.ts")]);
      const chosen = await settingsOf(tokenizerSettings, given, words, output, base);
      if (!chosen) return;
      const measure = await qualityMeter();
      const result = await withRuntime(given, (runtime) => trainTokenizer({ ...chosen, runtime, openData, from: model, measure, onData: (data) => describeData(data, output), progress, signal }));
      output.text(`${result.model}: ${result.step} steps${Object.entries(result.figures).map(([name, value]) => `, ${name} ${+value.toFixed(3)}`).join("")}`);
      output.data(result);
      return;
    }
    const tokenizer = given.tokenizer ?? (generation ? model : undefined);
    if (tokenizer === undefined) throw new OrreryError("bad_argument", `${model} is a transformer by itself; name the tokenizer that its latents are of with --tokenizer`);
    const measure = await qualityMeter();
    const common = { tokenizer, openData, from: model, ...(lora ? { lora } : {}), measure, onData: (data: Parameters<typeof describeData>[0]) => describeData(data, output), progress, signal };
    const result = await withRuntime(given, async (runtime) => {
      if (kind === "diffusion") {
        const [{ diffusionSettings }, { trainDiffusion }] = await Promise.all([import("../../world/diffusion/training-settings.ts"), import("../../world/diffusion/train.ts")]);
        const chosen = await settingsOf(diffusionSettings, given, words, output, base);
        return chosen && trainDiffusion({ ...chosen, ...common, runtime });
      }
      const [{ autoregressiveSettings }, { trainAutoregressive }] = await Promise.all([import("../../world/autoregressive/training-settings.ts"), import("../../world/autoregressive/train.ts")]);
      const chosen = await settingsOf(autoregressiveSettings, given, words, output, base);
      return chosen && trainAutoregressive({ ...chosen, ...common, runtime });
    });
    if (!result) return;
    describeWorld(result, output);
    if (merge) {
      const { mergeAdapters } = await import("../../world/merge.ts");
      const merged = await mergeAdapters(model, [result.model], join(given.out!, "model"), { progress, signal });
      output.text(`${merged.folder}: ${merged.layers} layers hold the adapters`);
    }
    output.data({ ...result, ...(lora ? { lora } : {}), ...(merge ? { merged: join(given.out!, "model") } : {}) });
  },
});
