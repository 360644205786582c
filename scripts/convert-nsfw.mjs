/**
 * Where src/guardrail/content/nsfw/weights.safetensors comes from: the default model of the npm package nsfwjs (MIT), with its
 * 8-bit weights as they are, in PyTorch's layout. Not part of any build; kept so that anyone can make the file again.
 *
 *     npm pack nsfwjs@4.3.0 && tar xzf nsfwjs-4.3.0.tgz
 *     node scripts/convert-nsfw.mjs package/dist/models/mobilenet_v2 src/guardrail/content/nsfw/weights.safetensors
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runInNewContext } from "node:vm";
import { writeSafetensors } from "../dist/weights/index.js";

const [folder, out] = process.argv.slice(2);

/** The package keeps model and weights as CommonJS modules in bundles; they are run as such, with nothing else in reach. */
function load(name) {
  const module = { exports: {} };
  runInNewContext(readFileSync(join(folder, name), "utf8"), { module, exports: module.exports });
  return module.exports.default ?? module.exports;
}
const [{ weights }] = load("model.min.js").weightsManifest;
const bytes = Buffer.from(load("group1-shard1of1.min.js"), "base64");

const kinds = { kernel: "weight", depthwise_kernel: "weight", bias: "bias", gamma: "weight", beta: "bias", moving_mean: "running_mean", moving_variance: "running_var" };

const entries = [];
const ranges = {};
let offset = 0;
for (const { name, shape, quantization } of weights) {
  const count = shape.reduce((a, b) => a * b, 1);
  const data = bytes.subarray(offset, offset + count);
  offset += count;
  const [layer, kind] = name.split("/").slice(-2);
  const ours = `${layer}.${kinds[kind]}`;
  // [h, w, in, out] to [out, in, h, w]; depthwise [h, w, channels, 1] to [channels, 1, h, w]; dense [in, out] to [out, in].
  const [h, w, c, o] = shape.length === 4 ? shape : [1, 1, ...shape];
  const depthwise = kind === "depthwise_kernel";
  let values = Uint8Array.from(data);
  if (shape.length > 1) {
    for (let y = 0; y < h; y++)
      for (let x = 0; x < w; x++)
        for (let i = 0; i < c; i++) for (let k = 0; k < o; k++) values[depthwise ? (i * h + y) * w + x : ((k * c + i) * h + y) * w + x] = data[((y * w + x) * c + i) * o + k];
  }
  entries.push({ name: ours, dtype: "U8", shape: shape.length === 4 ? (depthwise ? [c, 1, h, w] : [o, c, h, w]) : shape.length === 2 ? [o, c] : shape, data: values });
  ranges[ours] = [quantization.scale, quantization.min];
}
if (offset !== bytes.length) throw new Error(`${bytes.length} bytes of weights, ${offset} described`);
await writeSafetensors(out, entries, {
  model: "MobileNetV2 classifier of sexual content (Drawing, Hentai, Neutral, Porn, Sexy)",
  source: "nsfwjs 4.3.0 (npm), models/mobilenet_v2",
  license: "MIT",
  quantization: JSON.stringify(ranges),
});
console.log(`${out}: ${entries.length} tensors`);
