import { expect, test } from "vitest";
import { hiddenSize, parseTransformerConfig, takesConditionMask, transformerConfig } from "./config.ts";

test("the defaults are Cosmos 1.0 7B Text2World's, and diffusers' own notes are dropped", () => {
  const config = parseTransformerConfig({ _class_name: "CosmosTransformer3DModel", _diffusers_version: "0.34.0" });
  expect(config).toEqual(transformerConfig());
  expect(hiddenSize(config)).toBe(4096);
  expect(config).toMatchObject({ num_layers: 28, rope_scale: [2, 1, 1], max_size: [128, 240, 240], extra_pos_embed_type: "learnable" });
  expect(config).not.toHaveProperty("_class_name");
  expect(takesConditionMask(config)).toBe(false);
  expect(takesConditionMask(transformerConfig({ in_channels: 17 }))).toBe(true);
});

test.each([
  [{ num_layer: 3 }, /num_layer/],
  [{ _class_name: "AutoencoderKLCosmos" }, /AutoencoderKLCosmos/],
  [{ num_layers: 0 }, /num_layers/],
  [{ attention_head_dim: 13 }, /even/],
  [{ attention_head_dim: 10 }, /at least 12/],
  [{ extra_pos_embed_type: "sincos" }, /extra_pos_embed_type/],
  [{ use_crossattn_projection: true, text_embed_dim: 512 }, /text_embed_dim/],
  [{ img_context_dim_in: 8 }, /img_context_dim_out/],
  [[], /object/],
  [null, /object/],
])("refuses %j", (json, message) => {
  expect(() => parseTransformerConfig(json)).toThrow(expect.objectContaining({ code: "bad_config", message: expect.stringMatching(message) as string }));
});
