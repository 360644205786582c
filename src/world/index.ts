/** World models: the diffusion transformer with its formulations, and the samplers that draw from it. */
export { hiddenSize, parseTransformerConfig, takesConditionMask, textWidth, transformerClassName, transformerConfig, type CosmosTransformerConfig, type CosmosTransformerOptions } from "./config.ts";
export { cosmosTransformer, type CosmosTransformerInputs } from "./diffusion/transformer.ts";
export {
  addNoise, denoise, drawSigma, edmLoss, edmScaling, edmScalingOf, flowScaling, flowScalingOf, lossWeight, lossWeightOf, perLatent, sigmaData,
  type Network, type Scaling, type SigmaOptions,
} from "./diffusion/edm.ts";
export { conditionedDenoise, conditionedLoss, noised, scalingOf, weightOf, type Condition, type ConditionedNetwork, type Conditioning, type Formulation } from "./diffusion/conditioning.ts";
export { drawTime, flowDenoise, flowLoss, interpolate, shiftTime, velocity, type TimeOptions } from "./diffusion/flow.ts";
export {
  edmEulerSampler, guide, guided, karrasGrid, resMethods, resSampler, samplerNamed, samplerNames, samplers, unipcSampler,
  type Denoiser, type EdmEulerOptions, type NoiseKind, type ResMethod, type Sampler, type SamplerName, type SamplerOptions, type SamplerStep, type UniPcOptions,
} from "./sampling/index.ts";
