/**
 * Where src/guardrail/faces/ssd/weights.safetensors comes from: the SSD face detector that the npm package
 * @vladmandic/face-api (MIT) carries, with its 8-bit weights as they are, in PyTorch's layout and names. Not part of any
 * build; kept so that anyone can make the file again and compare.
 *
 *     npm pack @vladmandic/face-api@1.7.15 && tar xzf vladmandic-face-api-1.7.15.tgz
 *     node scripts/convert-face-detector.mjs package/model src/guardrail/faces/ssd/weights.safetensors
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { writeSafetensors } from "../dist/weights/index.js";

const [folder, out] = process.argv.slice(2);
const [{ weights }] = JSON.parse(readFileSync(join(folder, "ssd_mobilenetv1_model-weights_manifest.json"), "utf8"));
const bytes = readFileSync(join(folder, "ssd_mobilenetv1_model.bin"));

const batchNorm = { gamma: "weight", beta: "bias", moving_mean: "running_mean", moving_variance: "running_var" };

/** Our name of one of theirs, or nothing for the constants of TensorFlow's graph. */
function named(name) {
  const place = (part) => (part.startsWith("Mobilenet") ? "backbone" : "extra");
  const conv = /^(MobilenetV1|Prediction)\/Conv2d_(\d+)_(pointwise|depthwise)\/(.+)$/.exec(name);
  if (conv) {
    const [, part, index, kind, rest] = conv;
    const at = `${place(part)}.${index}.${kind}`;
    if (rest === "weights" || rest === "depthwise_weights") return `${at}.weight`;
    if (rest === "convolution_bn_offset") return `${at}.bias`;
    return `${place(part)}.${index}.norm.${batchNorm[rest.replace("BatchNorm/", "")]}`;
  }
  const head = /^Prediction\/BoxPredictor_(\d)\/(Class|BoxEncoding)Predictor\/(weights|biases)$/.exec(name);
  if (head) return `heads.${head[1]}.${head[2] === "Class" ? "scores" : "boxes"}.${head[3] === "weights" ? "weight" : "bias"}`;
  return undefined;
}

const entries = [];
const scales = {};
let offset = 0;
for (const { name, shape, quantization } of weights) {
  const count = shape.reduce((a, b) => a * b, 1);
  const data = bytes.subarray(offset, offset + count * (quantization ? 1 : 4));
  offset += data.length;
  const ours = named(name);
  if (!ours) continue;
  let [dims, values] = [shape, Uint8Array.from(data)];
  if (shape.length === 4) {
    // TensorFlow's [h, w, in, out] to [out, in, h, w]; depthwise [h, w, channels, 1] to [channels, 1, h, w].
    const [h, w, c, o] = shape;
    const depthwise = name.includes("depthwise");
    dims = depthwise ? [c, 1, h, w] : [o, c, h, w];
    values = new Uint8Array(count);
    for (let y = 0; y < h; y++)
      for (let x = 0; x < w; x++)
        for (let i = 0; i < c; i++)
          for (let k = 0; k < o; k++) values[depthwise ? (i * h + y) * w + x : ((k * c + i) * h + y) * w + x] = data[((y * w + x) * c + i) * o + k];
  }
  entries.push({ name: ours, dtype: "U8", shape: dims, data: values });
  scales[ours] = [quantization.scale, quantization.min];
}
await writeSafetensors(out, entries, {
  model: "SSD MobileNetV1 face detector, trained on WIDER FACE",
  source: "@vladmandic/face-api 1.7.15 (npm), ssd_mobilenetv1_model.bin",
  license: "MIT",
  // value = byte * scale + offset
  quantization: JSON.stringify(scales),
});
console.log(`${out}: ${entries.length} tensors`);
