/**
 * SigLIP's picture encoder (Zhai et al. 2023) and the classifier that the reference's video filter puts on it
 * (`video_content_safety_filter/{vision_encoder,model}.py` of cosmos-predict1). Parameters are named as in transformers'
 * `SiglipModel` and in `safety_filter.pt`.
 *
 * Shapes: B pictures, N patches, D width of the encoder.
 */
import { attention, batchNorm, convolution, layerNorm, linear, type Scope } from "../../../nn/index.ts";
import { add, broadcastTo, cast, div, gelu, matmul, mul, relu, reshape, sliceAxis, softmax, sqrt, square, sum, swapAxes, tanh, transpose, type Tensor } from "../../../tensor/index.ts";
import type { SiglipConfig } from "./config.ts";

/** GELU by its tanh approximation, as transformers' `gelu_pytorch_tanh`; or the exact one. */
function activate(x: Tensor, kind: SiglipConfig["activation"]): Tensor {
  if (kind === "gelu") return gelu(x);
  const inner = mul(add(x, mul(mul(square(x), x), 0.044715)), Math.sqrt(2 / Math.PI));
  return mul(mul(x, 0.5), add(tanh(inner), 1));
}

const mlp = (p: Scope, x: Tensor, config: SiglipConfig): Tensor => linear(p.in("fc2"), activate(linear(p.in("fc1"), x, config.intermediateSize), config.activation), config.width);

/** [B, N, D] to [B, heads, N, D / heads]. */
const apart = (x: Tensor, heads: number): Tensor => swapAxes(reshape(x, [x.shape[0]!, x.shape[1]!, heads, -1]), 1, 2);
const together = (x: Tensor): Tensor => reshape(swapAxes(x, 1, 2), [x.shape[0]!, x.shape[2]!, -1]);

function selfAttention(p: Scope, x: Tensor, { heads, width }: SiglipConfig): Tensor {
  const [q, k, v] = ["q_proj", "k_proj", "v_proj"].map((name) => apart(linear(p.in(name), x, width), heads)) as [Tensor, Tensor, Tensor];
  return linear(p.in("out_proj"), together(attention(q, k, v)), width);
}

/** One learned question asked of all patches (`MultiheadAttention` of PyTorch, whose three projections are one matrix). */
function pool(p: Scope, x: Tensor, config: SiglipConfig): Tensor {
  const { heads, width, eps } = config;
  const batch = x.shape[0]!;
  const probe = broadcastTo(p.param("probe", [1, 1, width], { kind: "normal", std: 1 }), [batch, 1, width]);
  const a = p.in("attention");
  const weight = reshape(a.param("in_proj_weight", [3 * width, width], { kind: "normal", std: 0.02 }), [3, width, width]);
  const bias = reshape(a.param("in_proj_bias", [3 * width], { kind: "zeros" }), [3, width]);
  const part = (t: Tensor, which: number): Tensor => reshape(sliceAxis(t, 0, which, which + 1), t.shape.slice(1));
  const project = (t: Tensor, which: number): Tensor => apart(add(matmul(t, part(weight, which), { transB: true }), part(bias, which)), heads);
  const answer = linear(a.in("out_proj"), together(attention(project(probe, 0), project(x, 1), project(x, 2))), width);
  const y = add(answer, mlp(p.in("mlp"), layerNorm(p.in("layernorm"), answer, { eps }), config));
  return reshape(y, [batch, width]);
}

/** Features [B, D] of pictures [B, 3, H, W] in -1..1: `get_image_features` before it is made a unit vector. */
export function siglipFeatures(p: Scope, pictures: Tensor, config: SiglipConfig): Tensor {
  const { width, patch, layers, eps } = config;
  const vision = p.in("vision_model");
  const embeddings = vision.in("embeddings");
  const patches = convolution(embeddings.in("patch_embedding"), pictures, width, [patch, patch], { strides: [patch, patch] });
  const count = patches.shape[2]! * patches.shape[3]!;
  let x = swapAxes(reshape(patches, [pictures.shape[0]!, width, count]), 1, 2);
  x = add(x, embeddings.in("position_embedding").param("weight", [count, width], { kind: "normal", std: 0.02 }));
  for (let i = 0; i < layers; i++) {
    const layer = vision.in("encoder").in("layers").in(i);
    x = add(x, selfAttention(layer.in("self_attn"), layerNorm(layer.in("layer_norm1"), x, { eps }), config));
    x = add(x, mlp(layer.in("mlp"), layerNorm(layer.in("layer_norm2"), x, { eps }), config));
  }
  return pool(vision.in("head"), layerNorm(vision.in("post_layernorm"), x, { eps }), config);
}

/** Bytes [B, H, W, 3] (RGB) as SigLIP's processor makes them: (v / 255 - 0.5) / 0.5, channels first. */
export const siglipPixels = (pictures: Tensor): Tensor => div(add(mul(cast(transpose(pictures, [0, 3, 1, 2]), "float32"), 1 / 255), -0.5), 0.5);

/** Widths of the reference's classifier between the features and its classes. */
const hidden = [512, 256] as const;

/** Probabilities [B, classes] of unit features [B, D]. Parameters as in `safety_filter.pt`: `network.layers.0` to `.6`. */
export function safetyClasses(p: Scope, features: Tensor, classes: number): Tensor {
  const layers = p.in("network").in("layers");
  let x = div(features, sqrt(sum(square(features), 1, true)));
  hidden.forEach((width, i) => (x = relu(batchNorm(layers.in(3 * i + 1), linear(layers.in(3 * i), x, width)))));
  return softmax(linear(layers.in(3 * hidden.length), x, classes));
}
