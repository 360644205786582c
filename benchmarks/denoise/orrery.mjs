/** One evaluation of a denoiser: EDM's preconditioning around a 2.0-style CosmosTransformer3DModel, width 384, 6 layers, 1024 tokens. */
import { compile, constant, input } from "../../dist/tensor/index.js";
import { openRuntime } from "../../dist/tensor/runtime/node.js";
import { parameters } from "../../dist/nn/index.js";
import { cosmosTransformer, denoise, transformerConfig } from "../../dist/world/index.js";
import { agree, normal, peak, save, threads, time, weightsOf } from "../bench.mjs";

const config = transformerConfig({ in_channels: 16, out_channels: 16, num_attention_heads: 6, attention_head_dim: 64, num_layers: 6, mlp_ratio: 4, text_embed_dim: 512, adaln_lora_dim: 256, max_size: [16, 64, 64], extra_pos_embed_type: null, rope_scale: [1, 3, 3] });
const latent = [1, 16, 4, 32, 32];
const p = parameters();
const text = input("text", [1, 64, 512]);
const network = (hiddenStates, timestep) => cosmosTransformer(p.root, { hiddenStates, timestep, encoderHiddenStates: text, fps: 16, paddingMask: constant(new Float32Array(32 * 32), [1, 1, 32, 32]) }, config);
const x0 = denoise(network, input("x", latent), input("sigma", [1]));
const weights = weightsOf(p.all.values());
const feeds = { x: normal(latent, 3), text: normal([1, 64, 512]), sigma: { dtype: "float32", shape: [1], data: Float32Array.of(3) } };
await save("denoise.safetensors", { x: feeds.x, text: feeds.text, ...Object.fromEntries([...p.all.values()].map((w) => [w.name, { shape: w.shape, data: weights.get(w.name) }])) });
const runtime = await openRuntime({ threads });
const step = await runtime.load(compile({ outputs: { x0 }, weights }));
await time("denoising step, ms", 20, () => step.run(feeds));
await agree("x0", "denoise-peer.safetensors", (await step.run(feeds)).x0);
peak();
await runtime.close();
