/** The one guarded door from a request to a file for a user. Nothing else in the house makes one. */
export { generateVideo, type Door, type Generated, type GenerateOptions } from "./generate.ts";
export { generateBatch, type BatchOptions, type SampleResult } from "./batch.ts";
export { openKeys, writeMarked, type Keys, type MarkedFile, type Marks } from "./marks.ts";
export { openWorldModel, type WorldModel } from "./model.ts";
export { absolute, parseRequest, readBatch, type BatchRequest, type GenerationRequest } from "./request.ts";
export { chunksOf, planRequest, readStoredRequest, requireSame, type Machine, type Plan, type StoredRequest } from "./plan.ts";
export { besides, type GenerationRecord, type Output, type Place, type SafetySummary } from "./publish.ts";
export { previewFolder, type Preview, type PreviewOptions } from "./previews.ts";
export type { ClearedText, ClearedVideo } from "./clearance.ts";
