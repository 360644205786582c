/** Language models: behind an OpenAI-compatible endpoint, or in a GGUF file. */
export { endpointSchema, openEndpoint, type EndpointSettings } from "./endpoint.ts";
export { ggufSchema, openGguf, type GgufSettings } from "./gguf.ts";
export { type Completion, type ImagePart, type LanguageModel, type Message, type Sampling, type TextPart } from "./model.ts";
