/** Faces of a clip in memory: what a generation does with its frames before they are marked and encoded. */
import { silent, throwIfCancelled, type Progress } from "../../progress.ts";
import { frameAt, makeClip, type Clip, type Picture } from "../../video/index.ts";
import { cutFinder } from "./cuts.ts";
import type { FaceBox, FaceDetector } from "./face.ts";
import { hideFrame, planHiding, resolveHiding, type FaceReport, type HidingOptions, type ResolvedHiding } from "./plan.ts";
import type { SeenFrame } from "./tracks.ts";

/** Looks at one frame after another; what it needs to know of earlier ones it remembers. */
export function frameWatcher(detector: FaceDetector, { keep }: Pick<ResolvedHiding, "keep">): (picture: Picture, known?: readonly FaceBox[]) => Promise<SeenFrame> {
  const isCut = cutFinder();
  return async (picture, known) => ({ cut: isCut(picture), faces: known ?? (await detector.detect(picture, keep)) });
}

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
  const watch = frameWatcher(detector, options);
  const seen: SeenFrame[] = [];
  for (let i = 0; i < clip.frameCount; i++) {
    throwIfCancelled(signal, "looking for faces");
    seen.push(await watch(frameAt(clip, i)));
    progress({ stage: "looking for faces", done: i + 1, total: clip.frameCount, unit: "frames" });
  }
  const plan = planHiding(seen, clip, detector, options);
  const out = { ...makeClip(Uint8Array.from(clip.frames), clip.width, clip.height, clip.fps), ...(clip.truncated ? { truncated: true } : {}) };
  plan.boxes.forEach((boxes, i) => hideFrame(frameAt(out, i), boxes, options));
  return { clip: out, report: plan.report };
}
