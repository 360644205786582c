/** The face detector behind face blur. */
export { parseRetinaFaceConfig, retinaFaceClassName, type Backbone, type RetinaFaceConfig } from "./config.ts";
export { retinaFace, type FaceAnswers } from "./network.ts";
export { priorBoxes } from "./priors.ts";
export { decodeBoxes, decodeLandmarks, detectFaces, nonMaximumSuppression, type DetectionOptions, type Face } from "./decode.ts";
