/**
 * Work on a video that was allowed, before anybody gets it: the policy's `postprocess`, step by step, failing closed. The
 * result remembers which checked frames it was made from, and `requireDeliverable` is the last gate: it opens only for the
 * frames that came out of here, made from frames that every required guard allowed.
 */
import { OrreryError } from "../errors.ts";
import { throwIfCancelled } from "../progress.ts";
import type { Clip } from "../video/index.ts";
import type { OpenedProcessor } from "./opened.ts";
import type { Policy } from "./policy.ts";
import { hashClip } from "./hash.ts";
import { said, within } from "./time.ts";
import { requireAllowed, type Verdicts } from "./verdict.ts";

export interface ProcessStep {
  processor: string;
  required: boolean;
  outcome: "done" | "error" | "skipped";
  model: string;
  version: string;
  framesChanged: number;
  notes: readonly string[];
  reason?: string;
  inputSha256: string;
  outputSha256: string;
  durationMs: number;
}

export interface Processed {
  clip: Clip;
  policySha256: string;
  /** Of the frames that the guards allowed, as `hashSubject` makes it. */
  inputSha256: string;
  /** Of the frames as they may be delivered. */
  outputSha256: string;
  steps: readonly ProcessStep[];
}

const genuine = new WeakSet<Processed>();

export async function processClip(policy: Policy, processors: readonly OpenedProcessor[], clip: Clip, verdicts: Verdicts, signal?: AbortSignal): Promise<Processed> {
  throwIfCancelled(signal, "finishing the video");
  // A copy: what was allowed is what is worked on, whoever else holds the caller's frames.
  let current: Clip = { ...clip, frames: clip.frames.slice() };
  const inputSha256 = hashClip(current);
  requireAllowed(verdicts, inputSha256);
  if (verdicts.policy.sha256 !== policy.sha256) throw new OrreryError("blocked", `the video was checked under another policy than "${policy.name}"; check it under this one`);
  const steps: ProcessStep[] = [];
  let outputSha256 = inputSha256;
  for (const opened of processors) {
    const step = await runStep(opened, current, outputSha256, signal);
    throwIfCancelled(signal, "finishing the video");
    steps.push(step.record);
    if (step.clip) [current, outputSha256] = [step.clip, step.record.outputSha256];
    else if (opened.entry.required) throw new OrreryError("blocked", `the video could not be made fit to deliver: ${opened.entry.name} failed (${step.record.reason})`);
  }
  const processed: Processed = Object.freeze({ clip: current, policySha256: policy.sha256, inputSha256, outputSha256, steps: Object.freeze(steps.map((s) => Object.freeze(s))) });
  genuine.add(processed);
  return processed;
}

async function runStep({ entry, processor, is, failure }: OpenedProcessor, clip: Clip, inputSha256: string, signal: AbortSignal | undefined): Promise<{ clip?: Clip; record: ProcessStep }> {
  const begun = performance.now();
  const record = (more: Partial<ProcessStep> & Pick<ProcessStep, "outcome">): ProcessStep => ({
    processor: entry.name, required: entry.required, model: is?.model ?? "none", version: is?.version ?? "none",
    framesChanged: 0, notes: [], inputSha256, outputSha256: inputSha256, durationMs: performance.now() - begun, ...more,
  });
  if (!processor) return { record: record({ outcome: entry.required ? "error" : "skipped", reason: failure ?? "it is missing" }) };
  try {
    const made = await within(entry.timeoutMs, (stop) => processor.process({ ...clip, frames: clip.frames.slice() }, { signal: stop }), signal);
    const { frames, width, height, frameCount, fps } = made?.clip ?? {};
    if (!(frames instanceof Uint8Array) || frames.length !== clip.frames.length || width !== clip.width || height !== clip.height || frameCount !== clip.frameCount || fps !== clip.fps)
      return { record: record({ outcome: "error", reason: `it did not give ${clip.frameCount} frames of ${clip.width} x ${clip.height} back` }) };
    const { framesChanged, notes = [] } = made;
    const honest = Number.isInteger(framesChanged) && framesChanged >= 0 && framesChanged <= frameCount && Array.isArray(notes) && notes.every((n) => typeof n === "string");
    if (!honest) return { record: record({ outcome: "error", reason: "it does not say how many frames it changed" }) };
    // Its own copy again, so that it keeps no hand on what will be delivered.
    const own: Clip = { ...clip, frames: frames.slice() };
    return { clip: own, record: record({ outcome: "done", framesChanged, notes: notes.slice(0, 100).map((n) => n.slice(0, 500)), outputSha256: hashClip(own) }) };
  } catch (error) {
    return { record: record({ outcome: "error", reason: said(error) }) };
  }
}

/** Whether a result comes from `Guards.process` of this process. */
export function isProcessed(processed: Processed): boolean {
  return genuine.has(processed);
}

/**
 * The last gate before frames are encoded for anybody: returns only if exactly these frames came out of `Guards.process`,
 * made from frames that the guards allowed under the same policy.
 * @throws `blocked` for anything else.
 */
export function requireDeliverable(verdicts: Verdicts, processed: Processed, clip: Clip): void {
  if (!genuine.has(processed)) throw new OrreryError("blocked", "this video was not finished by its guards; run it through guards.process first");
  if (verdicts.stage !== "video") throw new OrreryError("blocked", `the verdict is of the ${verdicts.stage}, and a video needs one of its own`);
  requireAllowed(verdicts, processed.inputSha256);
  if (verdicts.policy.sha256 !== processed.policySha256) throw new OrreryError("blocked", "the video was checked under one policy and finished under another");
  if (hashClip(clip) !== processed.outputSha256) throw new OrreryError("blocked", "these are not the frames that the guards allowed and finished");
}
