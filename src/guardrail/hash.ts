/** SHA-256 by which verdicts and records name what they are about. */
import { createHash } from "node:crypto";
import type { Clip } from "../video/index.ts";
import type { Subject } from "./verdict.ts";

/** Of a text as UTF-8, or of a clip as `hashClip` makes it. */
export function hashSubject(subject: Subject): string {
  return subject.stage === "video" ? hashClip(subject.clip) : createHash("sha256").update(subject.text, "utf8").digest("hex");
}

/** Of `WIDTHxHEIGHTxFRAMES@FPS\n` and the RGB bytes. */
export function hashClip({ frames, width, height, frameCount, fps }: Clip): string {
  return createHash("sha256").update(`${width}x${height}x${frameCount}@${fps}\n`).update(frames).digest("hex");
}
