/** The synthetic laboratory: physics-aware video with everything known about it. */
export { decodeMask, encodeMask, type RleMask } from "./rle.ts";
export { eventKinds, type EventKind } from "./events.ts";
export { renderLabFolder, type RenderedFolder, type RenderOptions } from "./lab-folder.ts";
export { clipName, clipPaths, labVersion, type ClipMeta } from "./lab-layout.ts";
export { openLabData } from "./lab-clips.ts";
export { openLabLoader, type LabLoader, type LabLoaderOptions } from "./lab-loader.ts";
export { writeLabIndex, writeLabStrips } from "./lab-preview.ts";
export { checkSettings, clipKeys, labDefaults, openLaboratory, seedOf, splits, type ClipKey, type LabClip, type LabOptions, type LabSettings, type Laboratory, type Split } from "./laboratory.ts";
export { colourNames, objectColours, roomColours, type ColourName } from "./palette.ts";
export { scenarioNames, scenarios, type ScenarioName } from "./scenarios/index.ts";
export { cameraMotions, type CameraMotion, type Shape } from "./scene.ts";
export { truthFormat, type LabTruth, type TrackPoint, type TruthCamera, type TruthObject } from "./truth.ts";
