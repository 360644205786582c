/**
 * Names of the diffusion transformer: as Predict1's `GeneralDIT` writes them, as the 2.x networks do (below `net.`), and as
 * diffusers' `CosmosTransformer3DModel` does. The facts are those of diffusers' `scripts/convert_cosmos_to_diffusers.py`.
 */
import { nest, type KeyRule } from "./key-template.ts";

/**
 * What checkpoints keep beside the network: counters of the training, the unused variance head of 1.0, tables that follow
 * from the configuration, and the state of TransformerEngine's layers, which is empty.
 */
export const transformerBuffers = /^(logvar\.|pos_embedder\.|accum_\w+$)|(^|\.)_extra_state$/;

const same = (name: string): KeyRule => [`${name}.{rest}`, `${name}.{rest}`];
const rename = (from: string, to: string): KeyRule => [`${from}.{rest}`, `${to}.{rest}`];

const modulation = (from: string, to: string): KeyRule[] => [rename(`${from}.1`, `${to}.linear_1`), rename(`${from}.2`, `${to}.linear_2`)];

export const transformer1Rules: KeyRule[] = [
  rename("x_embedder.proj.1", "patch_embed.proj"),
  rename("extra_pos_embedder", "learnable_pos_embed"),
  rename("t_embedder.1", "time_embed.t_embedder"),
  rename("affline_norm", "time_embed.norm"),
  ...nest([["blocks.block{n}.blocks.0.block.attn", "transformer_blocks.{n}.attn1"], ["blocks.block{n}.blocks.1.block.attn", "transformer_blocks.{n}.attn2"]], [
    rename("to_q.0", "to_q"),
    rename("to_q.1", "norm_q"),
    rename("to_k.0", "to_k"),
    rename("to_k.1", "norm_k"),
    rename("to_v.0", "to_v"),
    same("to_out.0"),
  ]),
  ...nest([["blocks.block{n}", "transformer_blocks.{n}"]], [
    rename("blocks.2.block.layer1", "ff.net.0.proj"),
    rename("blocks.2.block.layer2", "ff.net.2"),
    ...modulation("blocks.0.adaLN_modulation", "norm1"),
    ...modulation("blocks.1.adaLN_modulation", "norm2"),
    ...modulation("blocks.2.adaLN_modulation", "norm3"),
  ]),
  ...modulation("final_layer.adaLN_modulation", "norm_out"),
  rename("final_layer.linear", "proj_out"),
];

export const transformer2Rules: KeyRule[] = [
  rename("x_embedder.proj.1", "patch_embed.proj"),
  rename("t_embedder.1", "time_embed.t_embedder"),
  rename("t_embedding_norm", "time_embed.norm"),
  // The learnable table is 1.0's; some 2.x networks keep it under its new name already.
  same("learnable_pos_embed"),
  // 2.5: the projections of the text and of an image context have one name everywhere.
  same("crossattn_proj"),
  same("img_context_proj"),
  ...nest([["blocks.{n}.self_attn", "transformer_blocks.{n}.attn1"], ["blocks.{n}.cross_attn", "transformer_blocks.{n}.attn2"]], [
    rename("q_proj", "to_q"),
    rename("k_proj", "to_k"),
    rename("v_proj", "to_v"),
    rename("output_proj", "to_out.0"),
    rename("q_norm", "norm_q"),
    rename("k_norm", "norm_k"),
    same("q_img"),
    same("k_img"),
    same("v_img"),
    same("q_img_norm"),
    same("k_img_norm"),
  ]),
  ...nest([["blocks.{n}", "transformer_blocks.{n}"]], [
    rename("mlp.layer1", "ff.net.0.proj"),
    rename("mlp.layer2", "ff.net.2"),
    ...modulation("adaln_modulation_self_attn", "norm1"),
    ...modulation("adaln_modulation_cross_attn", "norm2"),
    ...modulation("adaln_modulation_mlp", "norm3"),
  ]),
  ...modulation("final_layer.adaln_modulation", "norm_out"),
  rename("final_layer.linear", "proj_out"),
];
