/** Guards of what goes in and comes out. So far: the face detector's network. */
export {
  decodeBoxes, decodeLandmarks, detectFaces, nonMaximumSuppression, parseRetinaFaceConfig, priorBoxes, retinaFace, retinaFaceClassName,
  type Backbone, type DetectionOptions, type Face, type FaceAnswers, type RetinaFaceConfig,
} from "./retinaface/index.ts";
