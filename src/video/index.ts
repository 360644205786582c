/** Frames in and out: video files to RGB clips and back, through ffmpeg; pictures, contact sheets, demo footage. */
export { frameAt, fromTensor, makeClip, sliceClip, toTensor, type Clip, type Picture } from "./clip.ts";
export { locateTool, type Tool } from "./ffmpeg.ts";
export { type Fit, type Size, type SizeOptions } from "./filters.ts";
export { encodePng, readImage, writePng } from "./image.ts";
export { readAnalysis, type AnalysisFrame, type AnalysisOptions, type Detail } from "./analysis.ts";
export { hashPackets } from "./packets.ts";
export { probeVideo, type ProbeOptions, type VideoInfo } from "./probe.ts";
export { readClip, readFrames, type Frame, type ReadClipOptions, type ReadOptions, type ReadWarning } from "./reader.ts";
export { resample, type Filter, type Region } from "./resample.ts";
export { contactSheet, sideBySide, type SheetOptions, type SheetRow } from "./sheet.ts";
export { makeDemoClip, renderDemoClip, type DemoClipOptions } from "./synthetic.ts";
export { writeClips, type BatchEntry } from "./clip-batch.ts";
export { copiesSound, openVideoWriter, writeClip, type SoundSource, type VideoEncoder, type VideoWriter, type VideoWriterOptions, type WriteOptions } from "./writer.ts";
export { transcode, transcodedSize, type TranscodeOptions, type Transcoded } from "./transcode.ts";
