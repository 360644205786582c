/** Guards of what goes in and comes out: the policy, the runner that decides by it, and the face detector's network. */
export { readPolicy, parsePolicy, type Policy, type PolicyEntry } from "./policy.ts";
export { hashSubject, runGuards, type GuardFactory, type Guards } from "./runner.ts";
export { categories, categoriesOf, categoryIds, fromVocabulary, isCategoryId, type CategoryId, type Vocabulary } from "./taxonomy.ts";
export {
  isGenuine, requireAllowed, stages,
  type Coverage, type Finding, type Guard, type Stage, type Strength, type Subject, type TextSubject, type Verdict, type VerdictKind, type Verdicts, type VideoSubject,
} from "./verdict.ts";
export {
  decodeBoxes, decodeLandmarks, detectFaces, nonMaximumSuppression, parseRetinaFaceConfig, priorBoxes, retinaFace, retinaFaceClassName,
  type Backbone, type DetectionOptions, type Face, type FaceAnswers, type RetinaFaceConfig,
} from "./retinaface/index.ts";
