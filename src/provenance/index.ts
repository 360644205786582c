/** Where a video comes from: keys, signed content credentials (C2PA), an invisible watermark, and a registry of what was made. */
export {
  digitalSources, signC2pa, verifyC2pa,
  type ContentStatement, type CredentialReport, type CredentialState, type DigitalSource, type SignOptions, type SignedFile,
} from "./c2pa.ts";
export {
  keyIdOf, openContentCredential, openRecordKey, openWatermarkKey, orreryHome, trustAnchors, verifySignature,
  type ContentCredential, type HomeOptions, type RecordKey, type SigningAlgorithm,
} from "./keys.ts";
