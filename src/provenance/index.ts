/** Where a video comes from: keys, signed content credentials (C2PA), an invisible watermark, and a registry of what was made. */
export {
  keyIdOf, openContentCredential, openRecordKey, openWatermarkKey, orreryHome, trustAnchors, verifySignature,
  type ContentCredential, type HomeOptions, type RecordKey, type SigningAlgorithm,
} from "./keys.ts";
