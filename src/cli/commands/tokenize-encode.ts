/** `orrery tokenize encode`: video files to files of latents. */
import { mkdir, stat } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { fromSystemError, OrreryError } from "../../errors.ts";
import type { Reconstruction } from "../../evaluation/reconstruction.ts";
import type { LatentsInfo } from "../../tokenizer/latents-info.ts";
import { defineCommand } from "../command.ts";
import { choice, integer, number, shared, size, some, text, toggle } from "../options.ts";
import { tokenizerOptions, withTokenizer } from "../tokenizer.ts";

interface Encoded {
  clip: string;
  latents: string;
  /** False when the file was there already, made of the same video by the same tokenizer with the same options. */
  written: boolean;
  info: LatentsInfo;
  warnings: string[];
  reconstruction?: Reconstruction;
}

/**
 * Where the latents of each clip go: `out` itself when it ends in .safetensors, else `NAME.safetensors` in the folder `out`,
 * which is made when its parent is there.
 */
export async function outputsOf(clips: readonly string[], out: string): Promise<string[]> {
  const isFolder = (await stat(out).catch(() => undefined))?.isDirectory() === true;
  if (!isFolder && extname(out) === ".safetensors") {
    if (clips.length > 1) throw new OrreryError("bad_argument", `--out is ${out}, one file, but ${clips.length} clips were given; give a folder`);
    return [out];
  }
  if (!isFolder)
    await mkdir(out).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "EEXIST") throw new OrreryError("bad_argument", `--out is ${out}, a file whose name does not end in .safetensors; give a folder or NAME.safetensors`, { cause: error });
      throw fromSystemError(error, out);
    });
  const from = new Map<string, string>();
  return clips.map((clip) => {
    const path = join(out, `${basename(clip, extname(clip))}.safetensors`);
    const other = from.get(path);
    if (other !== undefined) throw new OrreryError("bad_argument", `${other} and ${clip} would both become ${path}; encode them into different folders`);
    from.set(path, clip);
    return path;
  });
}

export const command = defineCommand({
  name: "tokenize encode",
  summary: "turn video into latents or code indices",
  description:
    "Reads each clip window by window, by tiles where the picture is large, so memory does not grow with its length. Writes a safetensors file of `latents` [1, C, T, h, w], or `indices` [1, T, h, w] for a discrete tokenizer, with what decoding needs in its metadata. Windows are coded one by one, as the reference does. Clips that were encoded before with the same tokenizer and options are kept.",
  examples: [
    { type: "orrery tokenize encode clip.mp4 -o clip.safetensors --model models/tokenizer", does: "encode one clip" },
    { type: "orrery tokenize encode clips/*.mp4 -o latents --model models/pipeline", does: "encode many into a folder, with the tokenizer of a pipeline" },
    { type: "orrery tokenize encode clip.mp4 -o latents --model models/tokenizer --report --json", does: "also decode, and say how much was lost, frame by frame" },
  ],
  args: { clips: some("video files", "CLIP") },
  options: {
    out: text({ short: "o", required: true, metavar: "PATH", help: "file to write (NAME.safetensors), or a folder for one file per clip" }),
    ...tokenizerOptions,
    window: integer({ min: 1, max: 100_000, help: "frames coded together: 1 more than a multiple of the temporal compression (default: twice the compression, and 1)" }),
    fps: number({ min: 0.01, max: 1000, help: "convert to this many frames per second first (default: the file's own frames)" }),
    size: size({ min: 8, max: 16_384, help: "scale and crop to this size first (default: the clip's own)" }),
    maxFrames: integer({ min: 1, help: "stop after this many frames of each clip" }),
    dtype: choice(["f32", "f16", "bf16"], { default: "f32", help: "how latents are stored; f32 keeps every bit" }),
    report: toggle({ help: "decode again at once and print PSNR and SSIM" }),
    overwrite: toggle({ help: "encode again what was encoded before" }),
    device: shared.device,
    threads: shared.threads,
  },
  async run({ args: { clips }, options, output, progress, signal }) {
    const { fps, maxFrames, report } = options;
    const outputs = await outputsOf(clips, options.out);
    const [{ probeVideo }, { encodedBefore, encodeVideo }, { latentsLayout }, { reconstructionMeter }] = await Promise.all([
      import("../../video/index.ts"), import("../../tokenizer/stream.ts"), import("../../tokenizer/latents-info.ts"), import("../../evaluation/reconstruction.ts"),
    ]);
    // A name that is wrong should not be found out after an hour of work on the others.
    const uneven = new Set<string>();
    for (const clip of clips) if ((await probeVideo(clip, { signal })).isVariableFrameRate && fps === undefined) uneven.add(clip);
    const dtype = ({ f32: "F32", f16: "F16", bf16: "BF16" } as const)[options.dtype];
    const reading = { dtype, ...options.size, ...(fps === undefined ? {} : { fps }), ...(maxFrames === undefined ? {} : { maxFrames }), progress, signal };
    const done: Encoded[] = [];
    await withTokenizer(options.model, options, async ({ codec, identity }) => {
      for (const [i, clip] of clips.entries()) {
        const latents = outputs[i]!;
        const before = options.overwrite || report ? undefined : await encodedBefore(clip, latents, codec, identity, reading);
        const warnings: string[] = [];
        const meter = report ? reconstructionMeter() : undefined;
        const info = before ?? (await encodeVideo(clip, latents, codec, identity, { ...reading, onWarning: ({ message }) => warnings.push(message), ...(meter ? { compare: meter.add } : {}) }));
        const result: Encoded = { clip, latents, written: !before, info, warnings, ...(meter ? { reconstruction: meter.result() } : {}) };
        if (uneven.has(clip)) warnings.push(`its frames come at uneven times; each is kept, and decoded they follow each other evenly at ${+info.fps.toFixed(3)} fps (--fps keeps the times instead)`);
        done.push(result);
        const { latentFrames, latentHeight, latentWidth } = latentsLayout(info);
        output.text(`${latents}${before ? " (already there)" : ""}: ${info.frames} frames of ${info.width} x ${info.height} in windows of ${info.window}, as ${latentFrames} x ${latentHeight} x ${latentWidth} ${info.kind === "discrete" ? "indices" : "latents"}`);
        if (result.reconstruction) {
          const { psnr, ssim } = result.reconstruction;
          output.text(`  PSNR ${psnr.toFixed(2)} dB${ssim === undefined ? "" : `, SSIM ${ssim.toFixed(4)}`}`);
        }
        for (const warning of warnings) output.text(`  note: ${warning}`);
      }
    });
    const measured = done.flatMap(({ reconstruction }) => reconstruction ?? []);
    if (measured.length > 1) output.text(`mean of ${measured.length} clips: PSNR ${(measured.reduce((sum, { psnr }) => sum + psnr, 0) / measured.length).toFixed(2)} dB`);
    output.data({ clips: done });
  },
});
