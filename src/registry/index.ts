/** Models on disk. */
export { bindWeights, checkParameters, readWeights, type Bound } from "./bind.ts";
export { openComponent, readJson, saveComponent, writeJson, type Component, type Json } from "./model-folder.ts";
