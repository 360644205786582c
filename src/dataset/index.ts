/** Clips on disk as training material, with their captions. */
export { findVideos, openClips, type ClipEntry, type ClipSet, type ClipSetOptions, type Part, type Rejected } from "./clip-set.ts";
export { createLoader, lookAhead, randomAt, type Loader, type LoaderOptions } from "./loader.ts";
export { heldPart, holdoutSchema, trainingPart, type Holdout } from "./holdout.ts";
export { dataSettings, openTrainingData, type DataSettings, type OpenData, type TrainingData } from "./settings.ts";
export { clipId, uuid5 } from "./uuid.ts";
