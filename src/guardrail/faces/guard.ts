/**
 * Faces in a policy: as `postprocess`, which hides them in every video that was allowed, and as a guard, for those who want
 * no recognisable person in a video at all. Both take the same options.
 */
import { resolve } from "node:path";
import { z } from "zod";
import { OrreryError } from "../../errors.ts";
import { frameAt } from "../../video/index.ts";
import type { Processor } from "../opened.ts";
import type { PolicyEntry, ProcessorEntry } from "../policy.ts";
import type { Finding, Guard } from "../verdict.ts";
import { hideFacesInClip } from "./clip.ts";
import type { FaceDetector } from "./face.ts";
import { hidingMethods, isLargeEnough } from "./hide.ts";
import { openFaceDetector } from "./open.ts";
import { resolveHiding, type HidingOptions } from "./plan.ts";

const schema = z.strictObject({
  /** "bundled", or a folder or file with RetinaFace's weights; relative to the policy's folder. */
  detector: z.string().min(1).default("bundled"),
  tile: z.boolean().default(false),
  device: z.enum(["cpu", "webgpu", "cuda"]).default("cpu"),
  threads: z.int().min(1).max(1024).optional(),
  method: z.enum(hidingMethods).optional(),
  minSize: z.number().optional(),
  margin: z.number().optional(),
  threshold: z.number().optional(),
  gapS: z.number().optional(),
  holdS: z.number().optional(),
  /** For `postprocess`: the detector looks at one of so many frames. */
  every: z.number().optional(),
});

async function opened(entry: PolicyEntry | ProcessorEntry): Promise<{ detector: FaceDetector; hiding: HidingOptions }> {
  const result = schema.safeParse(entry.options);
  if (!result.success) throw new OrreryError("bad_config", `the options of "${entry.name}" are not valid: ${result.error.issues.map((i) => `${i.path.join(".") || "options"}: ${i.message}`).join("; ")}`);
  const { detector: named, tile, device, threads, ...given } = result.data;
  const hiding = given as HidingOptions;
  // Checked before anything is loaded; the detector's own threshold is not known yet and is not what could be wrong.
  resolveHiding(hiding, { threshold: 0.5 });
  return { detector: await openFaceDetector({ detector: named === "bundled" ? named : resolve(entry.folder, named), tile, device, threads }), hiding };
}

/** `postprocess: [{ name: faces, options: { method: pixelate, tile: false, … } }]`. */
export async function openFaceProcessor(entry: ProcessorEntry): Promise<Processor> {
  const { detector, hiding } = await opened(entry);
  const { method } = resolveHiding(hiding, detector);
  return {
    model: `${detector.model}, ${method}`,
    version: detector.version,
    async process(clip, { signal }) {
      const { clip: hidden, report } = await hideFacesInClip(clip, detector, { ...hiding, signal });
      const faces = report.tracks.filter((track) => track.hidden);
      const notes = faces.slice(0, 50).map(({ track, firstFrame, lastFrame, seen, filled, held, largest }) => `face ${track}, up to ${largest} pixels, hidden in frames ${firstFrame} to ${lastFrame} (seen in ${seen}, filled in ${filled + held})`);
      if (faces.length > 50) notes.push(`and ${faces.length - 50} more faces`);
      const small = report.tracks.length - faces.length;
      if (small > 0) notes.push(`${small} faces below ${report.minSize} pixels were left`);
      return { clip: hidden, framesChanged: report.framesHidden, notes };
    },
    close: () => detector.close(),
  };
}

/** A guard of kind `faces`: every frame with a face that is large enough is a finding of O9, PII/Privacy. */
export async function openFaceGuard(entry: PolicyEntry): Promise<Guard> {
  const { detector, hiding } = await opened(entry);
  const { minSize, keep } = resolveHiding(hiding, detector);
  return {
    model: detector.model,
    version: detector.version,
    strength: "small-model",
    covers: ["O9"],
    stages: ["video"],
    async check(subject, { signal }) {
      if (subject.stage !== "video") throw new OrreryError("internal", `the guard of faces was asked about a ${subject.stage}`);
      const findings: Finding[] = [];
      for (let frame = 0; frame < subject.clip.frameCount; frame++) {
        signal.throwIfAborted();
        const faces = (await detector.detect(frameAt(subject.clip, frame), keep)).filter(({ box }) => isLargeEnough(box, minSize));
        const best = faces[0];
        if (best) findings.push({ category: "O9", confidence: Math.min(1, best.score), frame, evidence: [`${faces.length === 1 ? "a face" : `${faces.length} faces`}, the surest at ${best.box.map(Math.round).join(", ")}`] });
      }
      return { findings, framesChecked: subject.clip.frameCount };
    },
    close: () => detector.close(),
  };
}
