/** The autoregressive world model: video as a sequence of tokens. */
export {
  autoregressiveClassName, autoregressiveConfig, hasBov, longestSequence, parseAutoregressiveConfig, positionCount,
  type AutoregressiveConfig, type AutoregressiveOptions,
} from "./config.ts";
export { nextTokenLoss, prefill, step, type Answer, type Context, type KeysAndValues, type LossOptions } from "./transformer.ts";
export { autoregressiveParameters, int64, openDecoder, type ContextValues, type Decoder, type DecoderOptions } from "./decoder.ts";
export { checkSampling, draw, greedy, likeliest, nucleus, probabilities, sampleToken, type SamplingOptions } from "./sampling.ts";
export { generate, type GenerateOptions } from "./generate.ts";
