/** Raw video to a training set. */
export { curate, type CurateOptions } from "./curate.ts";
export { exportPredict, type Exported } from "./export.ts";
export { planCuration, type CurationPlan } from "./plan.ts";
export { curationStatus, type CurationStatus, type StageStatus } from "./status.ts";
export { redecide, rewriteReport, settingsFile, type Redecided } from "./redecide.ts";
export { curateSchema, type CurateSettings } from "./settings.ts";
export { type Summary } from "./summary.ts";
export { findShots, type Shots } from "./shots/find-shots.ts";
export { pictureOfShots } from "./shots/picture.ts";
export { clipRanges, defaultSpanRules, shotsOf, strideOf, type FrameRange, type SpanRules } from "./shots/spans.ts";
export type { Transition, TransitionType } from "./shots/detector.ts";
export { findMotion, type Motion, type ShotMotion } from "./motion/find-motion.ts";
export { defaultMotionRules, describeMotion, type CameraDirection, type CameraTag, type ClipMotion, type MotionRules } from "./motion/tags.ts";
export { findQuality, type Quality, type ShotQuality } from "./quality/find-quality.ts";
export { rankQuality, resolutionClass, type Rank, type Ranked } from "./quality/rank.ts";
export { scoreQuality, type ClipQuality, type Defects } from "./quality/score.ts";
