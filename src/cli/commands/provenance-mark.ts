/** `orrery provenance mark`: watermark and content credential for a video that was made elsewhere. */
import { OrreryError } from "../../errors.ts";
import { defineCommand } from "../command.ts";
import { choice, integer, one, shared, text } from "../options.ts";

export const command = defineCommand({
  name: "provenance mark",
  summary: "put a watermark and a content credential on a video",
  description:
    "Encodes the video again with an invisible watermark (64 bits, PSNR at least 42 dB), signs the new file (C2PA) and enters it into the registry, so that `orrery provenance verify` knows it even after its metadata has been removed. Sound is not carried over. Keys are made on first use under ORRERY_HOME (default ~/.orrery).",
  examples: [
    { type: "orrery provenance mark clip.mp4 -o marked.mp4", does: "mark a video, keeping its own credential inside the new one" },
    { type: "orrery provenance mark clip.mp4 -o marked.mp4 --source trainedAlgorithmicMedia --model my-model", does: "and say that a model made it" },
    { type: "orrery provenance mark clip.mp4 -o marked.mp4 --strength crf-23", does: "with a weaker mark, PSNR at least 45 dB" },
  ],
  args: { file: one("video file", "IN") },
  options: {
    out: shared.output,
    strength: choice(["crf-23", "crf-28", "crf-33"], { default: "crf-33", help: "H.264 quality that the watermark is to survive; PSNR at least 45, 43.3, 42.2 dB" }),
    source: choice(["trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "algorithmicMedia", "digitalCapture"], { help: "how it was made, in IPTC's words (default: say only that it was marked)" }),
    model: text({ metavar: "NAME", help: "the model that made it" }),
    id: text({ metavar: "HEX", help: "number of the watermark, 16 hexadecimal digits (default: a new one)" }),
    watermarkModel: text({ metavar: "DIR", help: "mark with a model of your own instead: watermark.json, encoder and decoder as ONNX" }),
    crf: integer({ min: 0, max: 51, default: 18, help: "quality of the new file, lower is better" }),
  },
  async run({ args: { file }, options: { out, strength, source, model, id, crf, watermarkModel }, output, progress, signal }) {
    if (model !== undefined && source === undefined) throw new OrreryError("bad_argument", "--model names the model that made the video, so --source is needed as well, such as trainedAlgorithmicMedia");
    const { markFile } = await import("../../provenance/index.ts");
    const statement = { ...(source === undefined ? {} : { source }), ...(model === undefined ? {} : { model: { name: model } }) };
    const marked = await markFile(file, out, { strength, crf, statement, ...(watermarkModel === undefined ? {} : { watermarkModel }), ...(id === undefined ? {} : { watermarkId: id.toLowerCase() }), progress, signal });
    output.text(`${marked.path}: ${marked.frameCount} frames marked with ${marked.watermarkId}, signed as ${marked.manifestId}`);
    if (watermarkModel === undefined && marked.carries !== "well")
      output.text(`note: a video this small ${marked.carries} carries the watermark${marked.carries === "weakly" ? ": strong compression or scaling down removes it" : ": it may not be readable even in this file"}; the credential and the registry hold in any case`);
    output.data(marked);
  },
});
