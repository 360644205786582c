/** Where a video comes from: keys, signed content credentials (C2PA), an invisible watermark, and a registry of what was made. */
export {
  digitalSources, signC2pa, verifyC2pa,
  type ContentStatement, type CredentialReport, type CredentialState, type DigitalSource, type SignOptions, type SignedFile,
} from "./c2pa.ts";
export { pemOf } from "./certificate.ts";
export {
  keyIdOf, openContentCredential, openRecordKey, openWatermarkKey, trustAnchors, verifySignature,
  type ContentCredential, type RecordKey, type SigningAlgorithm,
} from "./keys.ts";
export { searchRegistry, readRegistry, register, registryPath, type MatchKind, type RegistryEntry, type RegistryMatch, type RegistryQuery, type SignedEntry } from "./registry.ts";
export { openWatermarkModel, type WatermarkModel } from "./watermark/onnx-model.ts";
export { strengthNames, strengths, type Strength } from "./watermark/embed.ts";
export {
  carriesWatermark, detectWatermark, detectWatermarkInFile, embedWatermark, markClip, newWatermarkId, workingSize,
  type DetectOptions, type MarkOptions, type WatermarkReport,
} from "./watermark/watermark.ts";
export { evidencePicture, watermarkWords } from "./evidence.ts";
export { markFile, sealFile, type MarkFileOptions, type MarkedFile, type SealOptions } from "./mark.ts";
export { verdicts, verifyFile, type ProvenanceVerdict, type Verification, type VerifyOptions } from "./verify.ts";
