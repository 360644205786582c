/** Checkpoint formats: safetensors read and written, PyTorch's files read without running what is in them, and names. */
export { type Checkpoint, type TensorInfo, type TensorLocation } from "./checkpoint.ts";
export { isStoredDType, storedBytes, storedLength, toBFloat16, toBigInt64, toFloat16, toFloat32, toInt32, type StoredDType } from "./dtype.ts";
export { joinCheckpoints, renameCheckpoint } from "./joined.ts";
export { detectNaming, translateKeys, withNaming, type KeyNaming } from "./keys.ts";
export { openCheckpoint } from "./open.ts";
export { openSafetensors } from "./safetensors.ts";
export { writeSafetensors, writeSharded, type SafetensorsEntry } from "./safetensors-writer.ts";
