/** Layers: plain functions of a parameter scope and tensors. */
export { parameters, type Init, type Parameter, type Parameters, type Scope } from "./scope.ts";
export { batchNorm, convolution, embedding, fanIn, groupNorm, layerNorm, linear, rmsNorm } from "./layers.ts";
export { attention } from "./attention.ts";
export { isTarget, mergeLora, withLora, type Adapted, type Lora } from "./lora.ts";
