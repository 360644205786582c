/** Models on disk. */
export { adaptedWeight, adapterSha256, bindAdapted, bindComponent, checkAdapter, memoryAdapter, openAdapter, parseAdapterSpec, saveAdapter, type Adapter, type SavedAdapter, type ScaledAdapter } from "./adapter.ts";
export { bindWeights, checkParameters, readComponentWeights, readWeights, type Bound } from "./bind.ts";
export { licenceFiles, licenceOf, licenceOfCard, readCard, type Licence, type ModelCard } from "./card.ts";
export { describeModel, findModel, kindOf, listModels, modelHome, modelRoots, type ModelKind, type ModelRoot, type ModelSummary } from "./library.ts";
export { compareFiles, hashFiles, lockFile, readLock, writeLock, type FileReport, type ModelLock } from "./lock.ts";
export { exportOnnx, type OnnxFile, type OnnxGraph, type WeightType } from "./onnx.ts";
export { pullModel, type Pulled, type PullOptions, type ShownLicence } from "./pull.ts";
export { openComponent, readJson, saveComponent, writeJson, type Component, type Json } from "./model-folder.ts";
export {
  autoregressivePipelineClass, componentOf, isPipeline, openPipeline, parseGeneration, savePipeline,
  type AutoregressiveGeneration, type DiffusionGeneration, type Generation, type Pipeline, type PipelineComponent,
} from "./pipeline.ts";
