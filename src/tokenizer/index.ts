/** Tokenizers: networks that turn pixels into latents or code indices and back. Runs in Node and in browsers; `codec.ts` is their use on files, in Node. */
export { isDiscrete, isImage, tokenizerClassNames, type DiffusersConfig, type DiscreteConfig, type ImageConfig, type TokenizerConfig, type VideoConfig } from "./config.ts";
export { parseTokenizerConfig } from "./plan.ts";
export { compression, decode, decodeIndices, encode, encodeIndices, latentShape, pixelShape, quantize, type Compression } from "./network.ts";
export { fsqCodes, fsqQuantize, type Quantized } from "./fsq.ts";
export { patchImage, patchVideo, unpatchImage, unpatchVideo, type Patch } from "./patcher.ts";
export { latentMeter, restoreLatents, standardizeLatents, statisticsOf, type LatentStatistics } from "./standardize.ts";
