/** Raw video to a training set. So far: shots. */
export { findShots, type Shots } from "./shots/find-shots.ts";
export { pictureOfShots } from "./shots/picture.ts";
export { clipId, clipRanges, defaultSpanRules, shotsOf, strideOf, uuid5, type FrameRange, type SpanRules } from "./shots/spans.ts";
export type { Transition, TransitionType } from "./shots/detector.ts";
