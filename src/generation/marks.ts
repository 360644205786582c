/**
 * The marks of a generated video: an invisible number in its pixels, a content credential (C2PA) in its file, and a line in
 * this installation's registry, so that it can be told later where a video came from, also when its metadata is gone. What
 * they can and cannot do is `provenance/`'s to say. The number follows from the request and the frames, so a result made again
 * has the same pixels; the credential holds the time, so its file has other bytes.
 */
import { createHash, type KeyObject } from "node:crypto";
import { rm } from "node:fs/promises";
import { basename, resolve } from "node:path";
import type { HomeOptions } from "../home.ts";
import { fingerprintMeter } from "../provenance/fingerprint.ts";
import {
  detectWatermarkInFile, markClip, openContentCredential, openRecordKey, openWatermarkKey, register, signC2pa, type ContentCredential, type ContentStatement,
} from "../provenance/index.ts";
import { writeClip, type Clip } from "../video/index.ts";

/** What an installation signs and marks with. */
export interface Keys {
  /** Ed25519, private: signs safety records. */
  record: KeyObject;
  watermark: Uint8Array;
  content: ContentCredential;
  /** Where the registry is. */
  home: HomeOptions;
}

/** The keys of this installation, made on first use. @throws as `openRecordKey` and its sisters. */
export async function openKeys(home: HomeOptions = {}): Promise<Keys> {
  const [{ privateKey: record }, watermark, content] = await Promise.all([openRecordKey(home), openWatermarkKey(home), openContentCredential(home)]);
  return { record, watermark, content, home };
}

export interface Marks {
  watermark: {
    /** 16 hexadecimal digits. */
    id: string;
    /** Whether it could be read from the finished file; small or short videos have too few pixels to carry it. */
    read_back: boolean;
  };
  c2pa: {
    manifest_id: string;
    /** Signed with a certificate that this installation made for itself, which nobody else knows. */
    self_issued: boolean;
  };
}

export interface MarkedFile {
  /** The frames that are in the file. */
  clip: Clip;
  marks: Marks;
  sha256: string;
  bytes: number;
  /** By which the registry finds it again after it was changed. */
  fingerprint: string;
}

/** Marks a clip, writes it and signs the file. `statement` is what the credential says beside that. */
export async function writeMarked(path: string, clip: Clip, keys: Keys, origin: { requestSha256: string; framesSha256: string; name: string }, statement: ContentStatement, signal?: AbortSignal): Promise<MarkedFile> {
  const id = createHash("sha256").update(`orrery watermark\n${origin.requestSha256}\n${origin.framesSha256}`).digest("hex").slice(0, 16);
  const marked = markClip(clip, { key: keys.watermark, id });
  const unsigned = path.replace(/\.mp4$/, ".unsigned.mp4");
  try {
    await writeClip(unsigned, marked, { signal });
    const { manifestId, sha256, sizeBytes } = await signC2pa(unsigned, path, { title: origin.name, requestSha256: origin.requestSha256, watermarkId: id, ...statement }, { credential: keys.content, ...keys.home, signal });
    const meter = fingerprintMeter(marked.frameCount / marked.fps);
    const { id: found } = await detectWatermarkInFile(path, keys.watermark, { onFrame: (frame, timeS) => meter.add(frame, timeS), signal });
    return { clip: marked, fingerprint: meter.result().plain, marks: { watermark: { id, read_back: found === id }, c2pa: { manifest_id: manifestId, self_issued: keys.content.selfIssued } }, sha256, bytes: sizeBytes };
  } finally {
    await rm(unsigned, { force: true });
  }
}

/** Notes a finished file in the registry. */
export async function noteInRegistry({ clip, marks, sha256, fingerprint }: MarkedFile, keys: Keys, origin: { requestSha256: string; video: string; record: string }): Promise<void> {
  await register(
    {
      fingerprint, sha256, watermarkId: marks.watermark.id, manifestId: marks.c2pa.manifest_id, requestSha256: origin.requestSha256,
      recordPath: resolve(origin.record), name: basename(origin.video), width: clip.width, height: clip.height, durationS: clip.frameCount / clip.fps, at: new Date().toISOString(),
    },
    keys.home,
  );
}
