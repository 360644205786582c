/** Guards of what goes in and comes out: the policy, the runner that decides by it, the signed record, faces and their hiding. */
export { canonicalJson } from "./canonical-json.ts";
export { hashClip, hashSubject } from "./hash.ts";
export { openGuards, type OpenGuardsOptions } from "./open.ts";
export { type GuardFactory, type Processor, type ProcessorFactory } from "./opened.ts";
export { readPolicy, parsePolicy, standardPolicyPath, type FrameRule, type Policy, type PolicyEntry, type ProcessorEntry } from "./policy.ts";
export { requireDeliverable, type Processed, type ProcessStep } from "./postprocess.ts";
export {
  buildSafetyRecord, keyIdOf, signRecord, verifyRecord,
  type RecordedModel, type RecordedUpsampling, type RecordVerification, type SafetyRecord, type SafetyRecordInput, type SignedSafetyRecord,
} from "./record.ts";
export { runGuards, type GuardDescription, type Guards } from "./runner.ts";
export { growPrompt, openGrammarUpsampler } from "./upsampler/grammar.ts";
export { openUpsampler, parseUpsampler, publishedSampling, type OpenedUpsampler } from "./upsampler/language-model.ts";
export { standardRules, upsamplePrompt, type PromptUpsampler, type Upsampled, type UpsampleRules } from "./upsampler/upsample.ts";
export { categories, categoriesOf, categoryIds, fromVocabulary, isCategoryId, type CategoryId, type Vocabulary } from "./taxonomy.ts";
export {
  isGenuine, requireAllowed, stages,
  type Answer, type Coverage, type Finding, type Guard, type Stage, type Strength, type Subject, type TextSubject, type Verdict, type VerdictKind, type Verdicts, type VideoSubject,
} from "./verdict.ts";
export {
  decodeBoxes, decodeLandmarks, detectFaces, nonMaximumSuppression, parseRetinaFaceConfig, priorBoxes, retinaFace, retinaFaceClassName,
  type Backbone, type DetectionOptions, type Face, type FaceAnswers, type RetinaFaceConfig,
} from "./retinaface/index.ts";
export {
  hideFacesInClip, hideFacesInVideo, openFaceDetector,
  type DetectorOptions, type FaceBox, type FaceDetector, type FaceReport, type HiddenVideo, type HideClipOptions, type HideVideoOptions, type HidingMethod, type HidingOptions,
} from "./faces/index.ts";
