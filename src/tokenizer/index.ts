/** Tokenizers: networks that turn pixels into latents or code indices and back. */
export { isDiscrete, isImage, tokenizerClassNames, type DiffusersConfig, type DiscreteConfig, type ImageConfig, type TokenizerConfig, type VideoConfig } from "./config.ts";
export { parseTokenizerConfig } from "./plan.ts";
export { compression, decode, decodeIndices, encode, encodeIndices, latentShape, pixelShape, quantize, type Compression } from "./network.ts";
export { fsqCodes, fsqQuantize, type Quantized } from "./fsq.ts";
export { patchImage, patchVideo, unpatchImage, unpatchVideo, type Patch } from "./patcher.ts";
export { codec, openCodec, readTokenizerConfig, type Codec, type CodecOptions, type Coded } from "./codec.ts";
export { blendTiles, cropTile, tileGrid, type Tile } from "./tiles.ts";
