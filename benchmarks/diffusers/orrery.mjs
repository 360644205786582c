/**
 * A pipeline of Orrery's, exported for diffusers, and what its networks answer. MODEL names a pipeline's folder; without it
 * one of random weights is made. The other side opens the folder with diffusers' classes and nothing of ours.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { input, compile } from "../../dist/tensor/index.js";
import { openRuntime } from "../../dist/tensor/runtime/node.js";
import { parameters } from "../../dist/nn/index.js";
import { bindWeights, openComponent, openPipeline, saveComponent, savePipeline } from "../../dist/registry/index.js";
import { tokenizerParameters } from "../../dist/tokenizer/codec.js";
import { decode, encode, latentShape, parseTokenizerConfig } from "../../dist/tokenizer/index.js";
import { cosmosTransformer, parseTransformerConfig, takesConditionMask, textWidth } from "../../dist/world/index.js";
import { transformerParameters } from "../../dist/world/diffusion/denoiser.js";
import { exportDiffusers } from "../../dist/world/export.js";
import { agree, folder, normal, save, threads, time, weightsOf } from "../bench.mjs";

async function makeOne(at) {
  const vae = parseTokenizerConfig({ _class_name: "AutoencoderKLCosmos", latent_channels: 8, encoder_block_out_channels: [16, 32, 64, 64], decode_block_out_channels: [32, 64, 64, 64], num_layers: 1, patch_size: 4, spatial_compression_ratio: 8, temporal_compression_ratio: 8, latents_mean: null, latents_std: null });
  const transformer = { in_channels: 9, out_channels: 8, num_attention_heads: 4, attention_head_dim: 24, num_layers: 3, text_embed_dim: 32, adaln_lora_dim: 16, max_size: [16, 32, 32] };
  const [a, b] = [[...tokenizerParameters(vae).all.values()], [...transformerParameters(parseTransformerConfig(transformer)).all.values()]];
  await saveComponent(join(at, "vae"), vae, a, weightsOf(a));
  await saveComponent(join(at, "transformer"), { _class_name: "CosmosTransformer3DModel", ...transformer }, b, weightsOf(b));
  await savePipeline(at, { vae: ["diffusers", "AutoencoderKLCosmos"], transformer: ["diffusers", "CosmosTransformer3DModel"] }, {
    family: "diffusion", version: 1, width: 64, height: 64, frames: 17, fps: 10, conditionFrames: [1, 9], text: null, formulation: "edm-velocity", sigmaData: 1, conditionSigma: 1e-4,
    sampler: { name: "res2ab", steps: 8, sigmaMin: 0.01, sigmaMax: 80 }, guidance: 0, latents: { mean: new Array(8).fill(0), std: new Array(8).fill(1) },
  });
  return at;
}

const model = process.env.MODEL ?? (await makeOne(join(folder, "made")));
const exported = join(folder, "for-diffusers");
rmSync(exported, { recursive: true, force: true });
await exportDiffusers(model, exported);
const { generation } = await openPipeline(model);
const [vae, transformer] = [await openComponent(join(model, "vae")), await openComponent(join(model, "transformer"))];
const [tokenizer, config] = [parseTokenizerConfig(vae.config), parseTransformerConfig(transformer.config)];
const pixels = normal([1, 3, generation.frames, generation.height, generation.width], 0.5);
const latent = latentShape(tokenizer, pixels.shape);
const timestep = generation.formulation === "edm" ? [1] : [1, 1, latent[2], 1, 1];
const given = { pixels, latents: normal(latent), text: normal([1, 5, textWidth(config)]), mask: { ...normal([1, 1, ...latent.slice(2)]), data: new Float32Array(latent.slice(2).reduce((a, b) => a * b, 1)).fill(1, 0, latent[3] * latent[4]) }, timestep: { ...normal(timestep), data: new Float32Array(timestep.reduce((a, b) => a * b, 1)).fill(0.4) } };
await save("diffusers.safetensors", given);

const runtime = await openRuntime({ threads });
async function answer(component, outputs, declared, feeds) {
  const checkpoint = await component.checkpoint();
  const bound = await bindWeights(checkpoint, declared.all.values());
  const executable = await runtime.load(compile({ outputs, weights: bound.weights }), { weightsFolder: bound.weightsFolder });
  const names = executable.program.inputs.map((i) => i.name);
  const chosen = Object.fromEntries(Object.entries(feeds).filter(([name]) => names.includes(name)));
  await time(`${Object.keys(outputs)[0]}, ms`, 3, () => executable.run(chosen), 1);
  const result = await executable.run(chosen);
  await executable.release();
  await checkpoint.close();
  for (const [name, value] of Object.entries(result)) await agree(name, "diffusers-peer.safetensors", value);
}
const node = (name) => input(name, given[name].shape);
const p = [parameters(), parameters(), parameters()];
await answer(vae, { encoded: encode(p[0].root, node("pixels"), tokenizer) }, p[0], given);
await answer(vae, { decoded: decode(p[1].root, node("latents"), tokenizer) }, p[1], given);
const sample = cosmosTransformer(p[2].root, { hiddenStates: node("latents"), timestep: node("timestep"), encoderHiddenStates: node("text"), conditionMask: takesConditionMask(config) ? node("mask") : undefined, fps: generation.fps }, config);
await answer(transformer, { sample }, p[2], given);
await runtime.close();
