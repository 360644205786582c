/** Cosmos-Predict1's autoregressive transformer, width 512, 8 layers, 3-D RoPE, a cache of 640 tokens: reads 256, then draws greedily. */
import { openRuntime } from "../../dist/tensor/runtime/node.js";
import { autoregressiveConfig, autoregressiveParameters, greedy, openDecoder } from "../../dist/world/autoregressive/index.js";
import { normal, peak, report, save, threads, time, weightsOf } from "../bench.mjs";

const config = autoregressiveConfig({ dim: 512, n_layers: 8, n_heads: 8, n_kv_heads: 4, ffn_hidden_size: 1408, vocab_size: 16000, max_seq_len: 640, use_qk_normalization: true, rope_dim: "3D", video_latent_shape: [5, 8, 16], context_dim: null });
const [prompt, count] = [256, 64];
const all = [...autoregressiveParameters(config).all.values()];
const weights = weightsOf(all);
const tokens = normal([prompt]).data.map((v) => Math.floor(Math.abs(v) * 5000) % config.vocab_size);
await save("autoregressive.safetensors", { tokens: { shape: [1, prompt], data: BigInt64Array.from([...tokens], BigInt) }, ...Object.fromEntries(all.map((w) => [w.name, { shape: w.shape, data: weights.get(w.name) }])) });
const runtime = await openRuntime({ threads });
const { decoder, logits } = await openDecoder([...tokens], [1, prompt], { config, weights: { weights }, runtime });
let token = greedy(logits);
const drawn = [];
await time("one token, ms", count, async () => drawn.push((token = greedy(await decoder.step([token])))), 4);
report("checksum of the tokens", drawn.reduce((sum, t, i) => (sum + t * (i + 1)) % 65521, 0));
peak();
await decoder.release();
await runtime.close();
