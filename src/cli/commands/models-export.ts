/** `orrery models export`: a model for other programs. */
import { defineCommand } from "../command.ts";
import { choice, integer, one, size, text } from "../options.ts";

export const command = defineCommand({
  name: "models export",
  summary: "write a model as ONNX files or as a folder for diffusers",
  description:
    "--format onnx writes each network as an .onnx file of fixed sizes with standard operators only (opset 17) and its weights beside it in a .data file; orrery-onnx.json says what goes in and out. --format diffusers writes safetensors and configurations in the layout and under the names that diffusers opens, whatever names the checkpoint had. Card and licence go along.",
  examples: [
    { type: "orrery models export runs/world/model --format onnx -o exported", does: "the networks for ONNX Runtime, at the sizes that the model was made for" },
    { type: "orrery models export runs/world/model --format onnx --frames 33 --size 96x64 --weights f16 -o exported", does: "at other sizes, with weights of half the bytes" },
    { type: "orrery models export owner/model --format diffusers --weights bf16 -o for-python", does: "a folder for DiffusionPipeline.from_pretrained" },
  ],
  args: { model: one("name or folder of a pipeline, tokenizer or transformer", "MODEL") },
  options: {
    out: text({ short: "o", required: true, metavar: "DIR", help: "folder to write" }),
    format: choice(["onnx", "diffusers"], { required: true, help: "for which programs" }),
    weights: choice(["f32", "f16", "bf16"], { default: "f32", help: "how weights are stored" }),
    frames: integer({ min: 1, max: 100_000, help: "onnx: frames of a chunk (default: the model's)" }),
    size: size({ min: 8, max: 16_384, help: "onnx: picture (default: the model's)" }),
  },
  async run({ args, options, output, progress, signal }) {
    const [{ findModel }, { exportDiffusers, exportOnnxFolder }, { OrreryError }] = await Promise.all([import("../../registry/index.ts"), import("../../world/export.ts"), import("../../errors.ts")]);
    const { out, format, weights, frames, size: picture } = options;
    const model = await findModel(args.model);
    if (format === "diffusers") {
      if (frames !== undefined || picture !== undefined) throw new OrreryError("bad_argument", "--frames and --size are for --format onnx; a folder for diffusers takes any");
      const components = await exportDiffusers(model, out, { weights, progress, signal });
      output.text(`${out}: ${components.join(", ")}`);
      output.data({ folder: out, components });
      return;
    }
    const result = await exportOnnxFolder(model, out, { ...picture, ...(frames === undefined ? {} : { frames }), weights, progress, signal });
    const shapes = (values: readonly { name: string; dtype: string; shape: readonly number[] }[]): string => values.slice(0, 4).map(({ name, dtype, shape }) => `${name} ${dtype}[${shape.join(", ")}]`).join(", ") + (values.length > 4 ? `, and ${values.length - 4} more` : "");
    for (const { file, inputs, outputs } of result.files) output.text(`${output.style.bold(file)}  ${shapes(inputs)} -> ${shapes(outputs)}`);
    if (result.leftOut.length > 0) output.text(`left out, because Orrery has no network for them: ${result.leftOut.join(", ")}`);
    output.data({ folder: out, ...result });
  },
});
