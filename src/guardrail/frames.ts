/**
 * Which frames of a video a guard is shown, and how many of them it must find guilty. One place for both, so that no guard
 * can quietly look at fewer frames or count differently: the runner samples, copies, and counts. The reference either blocks
 * on one frame or passes up to 10 % of bad ones, and skips frames whose check fails.
 */
import type { Clip } from "../video/index.ts";
import type { FrameRule, PolicyEntry } from "./policy.ts";
import type { CategoryId } from "./taxonomy.ts";
import type { Finding } from "./verdict.ts";

/** Numbers of the frames that a guard is shown: evenly spread, first and last included, ascending. */
export function sampledFrames(rule: FrameRule, frameCount: number, fps: number): number[] {
  const wanted = rule.sampleFps === undefined ? frameCount : Math.ceil((frameCount / fps) * rule.sampleFps) + 1;
  const count = Math.min(frameCount, wanted, rule.maxFrames ?? frameCount);
  if (count === 1) return [Math.floor((frameCount - 1) / 2)];
  return Array.from({ length: count }, (_, i) => Math.round((i * (frameCount - 1)) / (count - 1)));
}

/** A copy of those frames, so that what one guard does to them no other guard sees. */
export function copyFrames(clip: Clip, numbers: readonly number[]): Clip {
  const size = clip.width * clip.height * 3;
  const frames = new Uint8Array(numbers.length * size);
  numbers.forEach((number, i) => frames.set(clip.frames.subarray(number * size, (number + 1) * size), i * size));
  return { frames, width: clip.width, height: clip.height, frameCount: numbers.length, fps: (clip.fps * numbers.length) / clip.frameCount };
}

/** What the findings of one guard come to under its entry of the policy. */
export interface Weighed {
  blocks: boolean;
  /** Findings that count towards a block, highest confidence first, then the others. */
  findings: readonly Finding[];
  hits: Partial<Record<CategoryId, number>>;
  /** Frames with a hit that a category needs to block. */
  needed: number;
}

/** Weighs findings; `framesChecked` is 0 for text. */
export function weigh(entry: PolicyEntry, findings: readonly Finding[], framesChecked: number): Weighed {
  const { oneFrame, oneFrameThreshold, minFraction } = entry.frames;
  const needed = Math.max(1, Math.ceil(minFraction * framesChecked - 1e-9));
  const counts = (f: Finding): boolean => (entry.block?.includes(f.category) ?? true) && f.confidence >= (entry.thresholds[f.category] ?? entry.threshold);
  const hitFrames = new Map<CategoryId, Set<number>>();
  for (const f of findings) if (f.frame !== undefined && counts(f)) hitFrames.set(f.category, (hitFrames.get(f.category) ?? new Set()).add(f.frame));
  const blocks = (f: Finding): boolean =>
    counts(f) && (f.frame === undefined || hitFrames.get(f.category)!.size >= needed || oneFrame.includes(f.category) || f.confidence >= oneFrameThreshold);
  const rank = (f: Finding): number => (blocks(f) ? 2 : 0) + f.confidence;
  return {
    blocks: findings.some(blocks),
    findings: [...findings].sort((a, b) => rank(b) - rank(a)),
    hits: Object.fromEntries([...hitFrames].map(([id, frames]) => [id, frames.size])),
    needed,
  };
}
