/** CV8x8x8 at base width 32 on 17 x 128 x 128: encode and decode, and a training step (mean absolute error, AdamW). */
import { abs, compile, input, mean, sub } from "../../dist/tensor/index.js";
import { openRuntime } from "../../dist/tensor/runtime/node.js";
import { parameters } from "../../dist/nn/index.js";
import { decode, encode, parseTokenizerConfig } from "../../dist/tokenizer/index.js";
import { buildStep } from "../../dist/training/trainer.js";
import { defaultAdamW, stepScalars } from "../../dist/training/optimizer.js";
import { agree, initialState, normal, peak, report, save, threads, time, weightsOf } from "../bench.mjs";

const fields = { encoder_block_out_channels: [32, 64, 128, 128], decode_block_out_channels: [64, 128, 128, 128], num_layers: 2, latent_channels: 16, attention_resolutions: [32], resolution: 1024, patch_size: 4, patch_type: "haar", spatial_compression_ratio: 8, temporal_compression_ratio: 8 };
const config = parseTokenizerConfig({ _class_name: "AutoencoderKLCosmos", ...fields });
const shape = [1, 3, 17, 128, 128];
const p = parameters();
const x = input("x", shape);
const latent = encode(p.root, x, config);
const y = decode(p.root, latent, config);
const all = [...p.all.values()];
const pixels = normal(shape, 0.5);
const weights = weightsOf(all);
await save("tokenizer.safetensors", { x: pixels, ...Object.fromEntries(all.map((w) => [w.name, { shape: w.shape, data: weights.get(w.name) }])) });

const runtime = await openRuntime({ threads });
if (process.env.ONLY !== "train") {
  const z = input("z", latent.shape);
  const [encoder, decoder] = [await runtime.load(compile({ outputs: { latent }, weights })), await runtime.load(compile({ outputs: { y: decode(parameters().root, z, config) }, weights }))];
  let found;
  const both = async () => (found = (await decoder.run({ z: (await encoder.run({ x: pixels })).latent })).y);
  await time("encode and decode, ms", 5, both, 2);
  await agree("output", "tokenizer-peer.safetensors", found);
  await encoder.release();
  await decoder.release();
}
if (process.env.ONLY !== "forward") {
  const start = performance.now();
  const optimizer = { ...defaultAdamW, emaDecay: null };
  const { program, state } = buildStep({ parameters: p, loss: mean(abs(sub(y, x))) }, optimizer);
  report("trace and compile of the step, ms", performance.now() - start);
  const step = await runtime.load(program, { state: initialState(state, weights) });
  const scalars = Object.fromEntries(Object.entries(stepScalars(optimizer, 1e-4, 0)).map(([k, v]) => [k, { dtype: "float32", shape: [], data: Float32Array.of(v) }]));
  await time("training step, ms", 5, () => step.run({ x: pixels, ...scalars }), 2);
}
peak();
await runtime.close();
