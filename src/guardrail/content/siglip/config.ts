/** SigLIP's configuration in the names of transformers' `SiglipVisionConfig`; what it leaves out is as transformers fills it in. */
import { z } from "zod";
import { OrreryError } from "../../../errors.ts";

const count = z.int().positive().max(100_000);

const vision = z.looseObject({
  hidden_size: count.default(768),
  intermediate_size: count.default(3072),
  num_hidden_layers: count.default(12),
  num_attention_heads: count.default(12),
  num_channels: z.literal(3).default(3),
  image_size: count.default(224),
  patch_size: count.default(16),
  hidden_act: z.enum(["gelu_pytorch_tanh", "gelu"]).default("gelu_pytorch_tanh"),
  layer_norm_eps: z.number().positive().default(1e-6),
  vision_use_head: z.literal(true).optional(),
});

export interface SiglipConfig {
  width: number;
  intermediateSize: number;
  layers: number;
  heads: number;
  imageSize: number;
  patch: number;
  activation: "gelu" | "gelu-tanh";
  eps: number;
}

/** Reads the `config.json` of a SigLIP model, or of its picture encoder alone. @throws `bad_config`. */
export function parseSiglipConfig(json: Record<string, unknown>, path: string): SiglipConfig {
  const type = json["model_type"];
  if (type !== undefined && type !== "siglip" && type !== "siglip_vision_model") throw new OrreryError("bad_config", `${path} configures a ${JSON.stringify(type)}; a video classifier's encoder is a "siglip"`);
  const result = vision.safeParse(json["vision_config"] ?? json);
  if (!result.success) throw new OrreryError("bad_config", `${path} is not a valid configuration of SigLIP: ${result.error.issues.map((i) => `${i.path.join(".")}: ${i.message}`).join("; ")}`);
  const { hidden_size: width, intermediate_size: intermediateSize, num_hidden_layers: layers, num_attention_heads: heads, image_size: imageSize, patch_size: patch, hidden_act, layer_norm_eps: eps } = result.data;
  if (width % heads) throw new OrreryError("bad_config", `${path}: a hidden_size of ${width} cannot be shared by ${heads} heads`);
  if (patch > imageSize) throw new OrreryError("bad_config", `${path}: patches of ${patch} do not fit into pictures of ${imageSize}`);
  return { width, intermediateSize, layers, heads, imageSize, patch, activation: hidden_act === "gelu" ? "gelu" : "gelu-tanh", eps };
}
