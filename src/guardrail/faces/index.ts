/** Faces in pictures and videos: finding them, following them, making them unrecognisable. */
export { hideFacesInClip, type HideClipOptions } from "./clip.ts";
export { type Box, type FaceBox, type FaceDetector } from "./face.ts";
export { hideBox, hidingMethods, type HidingMethod } from "./hide.ts";
export { openFaceDetector, type DetectorOptions } from "./open.ts";
export { planHiding, resolveHiding, type FacePlan, type FaceReport, type HidingOptions, type TrackSummary } from "./plan.ts";
export { trackFaces, type SeenFrame, type TrackedBox, type TrackOptions } from "./tracks.ts";
export { hideFacesInVideo, type HideVideoOptions, type HiddenVideo } from "./video.ts";
