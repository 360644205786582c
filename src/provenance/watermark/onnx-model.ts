/**
 * A neural watermark of the user's instead of the built-in one: an encoder and a decoder as ONNX files, such as exports of
 * VideoSeal, PixelSeal or TrustMark. Nothing is bundled or downloaded. The folder holds `watermark.json` and the two files:
 *
 *   { "name": "my-model", "bits": 96, "width": 256, "height": 256,
 *     "encoder": { "file": "encoder.onnx", "image": "image", "message": "message", "output": "residual", "kind": "residual" },
 *     "decoder": { "file": "decoder.onnx", "image": "image", "output": "logits" },
 *     "range": [0, 1] }
 *
 * The encoder takes an image f32 [1, 3, height, width] with values in `range` and a message f32 [1, bits] of 0 and 1, and
 * gives what to add to it (`residual`) or the marked image (`image`), of the same shape and range. The decoder takes such an
 * image and gives f32 [1, bits], above 0 for a 1. Frames are scaled to that size for the networks, and the residual is
 * scaled back to the frame's, as those models do. The message is our 64 bits and a CRC of 24, repeated where there is room;
 * the decoder's answers are added up over all frames and repetitions, and count when the CRC holds: by chance in one of
 * 16.8 million videos.
 */
import { readFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import { OrreryError, fromSystemError } from "../../errors.ts";
import { openRuntime, type Executable } from "../../tensor/runtime/node.ts";
import type { Picture } from "../../video/index.ts";
import { payloadOfWord, wordBits, wordOf } from "./code.ts";

const name = z.string().min(1).max(200);
const configSchema = z.strictObject({
  name,
  bits: z.number().int().min(wordBits, `a watermark model must carry at least ${wordBits} bits: 64 and a CRC of 24`).max(4096),
  width: z.number().int().min(16).max(2048),
  height: z.number().int().min(16).max(2048),
  encoder: z.strictObject({ file: name, image: name, message: name, output: name, kind: z.enum(["residual", "image"]) }),
  decoder: z.strictObject({ file: name, image: name, output: name }),
  range: z.tuple([z.number(), z.number()]).default([0, 1]),
});

export interface WatermarkModel {
  readonly name: string;
  /** Marks one frame in place, with the number of the watermark as 64 bits. */
  mark(frame: Picture, payload: bigint): Promise<void>;
  /** Adds the decoder's answer for one frame. */
  look(frame: Picture): Promise<void>;
  /** What all frames that were looked at say together; `agreement` is how clear the answers were, 0 to 1. Begins anew. */
  result(): { payload?: bigint; agreement: number; framesUsed: number };
  close(): Promise<void>;
}

const maxModelBytes = 2 ** 30;

/** Opens a model folder. @throws `file_not_found`, `bad_config` (contract), `bad_checkpoint` (not an ONNX file, or other names and shapes). */
export async function openWatermarkModel(folder: string, options: { threads?: number } = {}): Promise<WatermarkModel> {
  const config = await readConfig(folder);
  const { bits, width, height, encoder, decoder, range: [low, high] } = config;
  const runtime = await openRuntime(options);
  const shape = [1, 3, height, width];
  const load = async (file: string, inputs: [string, number[]][], output: [string, number[]]): Promise<Executable> => {
    const spec = ([one, dims]: [string, number[]]) => ({ name: one, shape: dims, dtype: "float32" as const });
    const model = await readModel(folder, file);
    try {
      return await runtime.load({ target: "cpu", inputs: inputs.map(spec), outputs: [spec(output)], model, inPlace: {} });
    } catch (error) {
      throw new OrreryError("bad_checkpoint", `${join(folder, file)} cannot be run as an ONNX model: ${(error as Error).message.slice(0, 200)}`, { cause: error });
    }
  };
  let [encode, decode]: (Executable | undefined)[] = [];
  try {
    encode = await load(encoder.file, [[encoder.image, shape], [encoder.message, [1, bits]]], [encoder.output, shape]);
    decode = await load(decoder.file, [[decoder.image, shape]], [decoder.output, [1, bits]]);
  } catch (error) {
    await runtime.close();
    throw error;
  }
  const run = async (what: Executable, file: string, feeds: Parameters<Executable["run"]>[0], output: string, count: number): Promise<Float32Array> => {
    let data: unknown;
    try {
      data = (await what.run(feeds))[output]?.data;
    } catch (error) {
      throw new OrreryError("bad_checkpoint", `${join(folder, file)} failed: ${(error as Error).message.slice(0, 200)}; its names and shapes must be those of watermark.json`, { cause: error });
    }
    if (!(data instanceof Float32Array) || data.length !== count) throw new OrreryError("bad_checkpoint", `${join(folder, file)}: output ${output} must be ${count} values of float32`);
    return data;
  };
  const image = (frame: Picture) => ({ dtype: "float32" as const, shape, data: toPlanes(frame, width, height, low, high) });
  let votes = new Float64Array(wordBits);
  let framesUsed = 0;
  return {
    name: config.name,
    async mark(frame, payload) {
      const word = wordOf(payload);
      const message = { dtype: "float32" as const, shape: [1, bits], data: Float32Array.from({ length: bits }, (_, i) => word[i % wordBits]!) };
      const given = image(frame);
      const made = await run(encode, encoder.file, { [encoder.image]: given, [encoder.message]: message }, encoder.output, 3 * width * height);
      const residual = encoder.kind === "residual" ? made : made.map((value, i) => value - given.data[i]!);
      addPlanes(frame, residual, width, height, 255 / (high - low));
    },
    async look(frame) {
      const logits = await run(decode, decoder.file, { [decoder.image]: image(frame) }, decoder.output, bits);
      const scale = logits.reduce((sum, one) => sum + Math.abs(one), 0) / bits || 1;
      logits.forEach((one, i) => (votes[i % wordBits]! += Math.max(-3, Math.min(3, one / scale))));
      framesUsed += 1;
    },
    result() {
      const payload = payloadOfWord(Uint8Array.from(votes, (vote) => (vote > 0 ? 1 : 0)));
      const agreement = Math.min(1, votes.reduce((sum, vote) => sum + Math.abs(vote), 0) / (Math.max(1, framesUsed) * bits));
      const used = framesUsed;
      [votes, framesUsed] = [new Float64Array(wordBits), 0];
      return { agreement, framesUsed: used, ...(payload === undefined ? {} : { payload }) };
    },
    close: () => runtime.close(),
  };
}

async function readConfig(folder: string): Promise<z.infer<typeof configSchema>> {
  const path = join(folder, "watermark.json");
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw fromSystemError(error, path);
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new OrreryError("bad_config", `${path} is not JSON: ${(error as Error).message}`, { cause: error });
  }
  const parsed = configSchema.safeParse(json);
  if (!parsed.success) throw new OrreryError("bad_config", `${path}: ${parsed.error.issues.map(({ path: where, message }) => `${where.join(".") || "the file"}: ${message}`).join("; ")}`);
  return parsed.data;
}

async function readModel(folder: string, file: string): Promise<Uint8Array> {
  if (basename(file) !== file) throw new OrreryError("bad_config", `${join(folder, "watermark.json")} names ${file}; models lie in the same folder, give the file's name alone`);
  const path = join(folder, file);
  try {
    const { size } = await stat(path);
    if (size > maxModelBytes) throw new OrreryError("bad_checkpoint", `${path} has ${size} bytes; a watermark model may have ${maxModelBytes} (1 GiB)`);
    return await readFile(path);
  } catch (error) {
    throw fromSystemError(error, path);
  }
}

/** RGB bytes to planes of another size: each value is the mean of what it covers, or interpolated where it covers less than a pixel. */
export function toPlanes({ pixels, width, height }: Picture, toWidth: number, toHeight: number, low: number, high: number): Float32Array {
  const planes = new Float32Array(3 * toWidth * toHeight);
  const [columns, rows] = [spans(width, toWidth), spans(height, toHeight)];
  for (let y = 0; y < toHeight; y++) {
    for (let x = 0; x < toWidth; x++) {
      let [r, g, b, total] = [0, 0, 0, 0];
      for (const [v, down] of rows[y]!) {
        for (const [u, across] of columns[x]!) {
          const [at, weight] = [(v * width + u) * 3, down * across];
          r += pixels[at]! * weight;
          g += pixels[at + 1]! * weight;
          b += pixels[at + 2]! * weight;
          total += weight;
        }
      }
      const at = y * toWidth + x;
      [r, g, b].forEach((value, channel) => (planes[channel * toWidth * toHeight + at] = low + ((value / total) * (high - low)) / 255));
    }
  }
  return planes;
}

/** For each of `to` places: which of `from` pixels it takes, and how much of each (a triangle as wide as the larger step). */
function spans(from: number, to: number): [index: number, weight: number][][] {
  const step = from / to;
  const reach = Math.max(1, step);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * step - 0.5;
    const found: [number, number][] = [];
    for (let at = Math.max(0, Math.ceil(centre - reach)); at <= Math.min(from - 1, Math.floor(centre + reach)); at++) {
      const weight = 1 - Math.abs(at - centre) / reach;
      if (weight > 0) found.push([at, weight]);
    }
    return found.length > 0 ? found : [[Math.min(from - 1, Math.max(0, Math.round(centre))), 1]];
  });
}

/** Adds planes of another size, interpolated, to RGB bytes. */
function addPlanes({ pixels, width, height }: Picture, planes: Float32Array, fromWidth: number, fromHeight: number, scale: number): void {
  const out = new Uint8ClampedArray(pixels.buffer, pixels.byteOffset, pixels.length);
  const [columns, rows] = [spans(fromWidth, width), spans(fromHeight, height)];
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < 3; channel++, at++) {
        let [sum, total] = [0, 0];
        for (const [v, down] of rows[y]!) {
          for (const [u, across] of columns[x]!) {
            sum += planes[channel * fromWidth * fromHeight + v * fromWidth + u]! * down * across;
            total += down * across;
          }
        }
        out[at] = pixels[at]! + (sum / total) * scale;
      }
    }
  }
}
