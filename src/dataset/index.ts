/** Clips on disk as training material. */
export { findVideos, openClips, type ClipEntry, type ClipSet, type ClipSetOptions, type Rejected } from "./clip-set.ts";
export { createLoader, randomAt, type Loader, type LoaderOptions } from "./loader.ts";
