/** Faces of a clip in memory: what a generation does with its frames before they are marked and encoded. */
import { silent, throwIfCancelled, type Progress } from "../../progress.ts";
import { frameAt, makeClip, type Clip } from "../../video/index.ts";
import type { FaceDetector } from "./face.ts";
import { frameLooker } from "./look.ts";
import { hideFrame, planHiding, resolveHiding, type FaceReport, type HidingOptions } from "./plan.ts";
import type { SeenFrame } from "./tracks.ts";

export interface HideClipOptions extends HidingOptions {
  progress?: Progress;
  signal?: AbortSignal | undefined;
}

/**
 * A copy of the clip without recognisable faces, and what was done. The clip itself stays as it is.
 * @throws `bad_argument`, `cancelled`, and whatever the detector throws: there is no clip then.
 */
export async function hideFacesInClip(clip: Clip, detector: FaceDetector, { progress = silent, signal, ...given }: HideClipOptions = {}): Promise<{ clip: Clip; report: FaceReport }> {
  const options = resolveHiding(given, detector);
  const looker = frameLooker(detector, options);
  const seen: SeenFrame[] = [];
  for (let i = 0; i < clip.frameCount; i++) {
    throwIfCancelled(signal, "looking for faces");
    seen.push(...(await looker.next(frameAt(clip, i))));
    progress({ stage: "looking for faces", done: i + 1, total: clip.frameCount, unit: "frames" });
  }
  seen.push(...(await looker.end()));
  const plan = planHiding(seen, clip, detector, options);
  const out = { ...makeClip(Uint8Array.from(clip.frames), clip.width, clip.height, clip.fps), ...(clip.truncated ? { truncated: true } : {}) };
  plan.boxes.forEach((boxes, i) => hideFrame(frameAt(out, i), boxes, options));
  return { clip: out, report: plan.report };
}
