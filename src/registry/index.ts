/** Models on disk. */
export { bindWeights, checkParameters, readComponentWeights, readWeights, type Bound } from "./bind.ts";
export { openComponent, readJson, saveComponent, writeJson, type Component, type Json } from "./model-folder.ts";
export {
  autoregressivePipelineClass, componentOf, isPipeline, openPipeline, parseGeneration, savePipeline,
  type AutoregressiveGeneration, type DiffusionGeneration, type Generation, type Pipeline, type PipelineComponent,
} from "./pipeline.ts";
