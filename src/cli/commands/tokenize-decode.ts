/** `orrery tokenize decode`: a file of latents back to video. */
import { OrreryError } from "../../errors.ts";
import { defineCommand } from "../command.ts";
import { number, one, shared, text, toggle } from "../options.ts";
import { tokenizerOptions, withTokenizer } from "../tokenizer.ts";

export const command = defineCommand({
  name: "tokenize decode",
  summary: "turn latents or code indices back into video",
  description: "Reads a file that orrery tokenize encode wrote, decodes it window by window and writes an mp4 of the original size, rate and number of frames.",
  examples: [
    { type: "orrery tokenize decode clip.safetensors -o clip.mp4 --model models/tokenizer", does: "decode with the tokenizer that made the latents" },
    { type: "orrery tokenize decode clip.safetensors -o clip.mp4 --model models/tuned --other-model", does: "decode with another, such as one whose decoder was fine-tuned" },
  ],
  args: { latents: one("file of latents", "LATENTS") },
  options: {
    out: text({ short: "o", required: true, metavar: "FILE", help: "video to write, NAME.mp4" }),
    ...tokenizerOptions,
    fps: number({ min: 0.01, max: 1000, help: "frames per second of the video (default: as it was)" }),
    crf: number({ min: 0, max: 51, help: "quality of the H.264 video, lower is better (default: 18)" }),
    otherModel: toggle({ help: "decode even though another tokenizer made the latents" }),
    device: shared.device,
    threads: shared.threads,
  },
  async run({ args, options, output, progress, signal }) {
    const [{ checkDecodes, openLatents }, { decodeToVideo }] = await Promise.all([import("../../tokenizer/latents-file.ts"), import("../../tokenizer/stream.ts")]);
    const { out, fps, crf } = options;
    const latents = await openLatents(args.latents);
    try {
      const { info } = latents;
      await withTokenizer(options.model, { ...options, tile: options.tile ?? info.tile }, async ({ codec, identity }) => {
        checkDecodes(latents, args.latents, codec.discrete, codec.compression);
        if (identity.sha256 !== info.tokenizerSha256 && !options.otherModel)
          throw new OrreryError("bad_argument", `${args.latents} was made by another tokenizer (${info.tokenizer}, ${info.tokenizerSha256.slice(0, 12)}) than ${options.model} (${identity.className}, ${identity.sha256.slice(0, 12)}); give that one, or --other-model to decode with this one all the same`);
        await decodeToVideo(latents, out, codec, { ...(fps === undefined ? {} : { fps }), ...(crf === undefined ? {} : { crf }), progress, signal });
      });
      output.text(`${out}: ${info.frames} frames of ${info.width} x ${info.height} at ${+(fps ?? info.fps).toFixed(3)} fps`);
      output.data({ latents: args.latents, video: out, frames: info.frames, width: info.width, height: info.height, fps: fps ?? info.fps });
    } finally {
      await latents.close();
    }
  },
});
