/** What training of a world model shows on its way: windows that are continued, beside what really came and beside standing still. */
import { randomAt, type ClipSet, type TrainingData } from "../dataset/index.ts";
import { makeClip, sliceClip, type Clip, type SheetRow } from "../video/index.ts";

export interface Shown {
  name: string;
  truth: Clip;
  /** What is written about the clip, where something is. */
  caption?: string | undefined;
}

export interface Continued extends Shown {
  made: Clip;
  /** Pixel frames that were given. */
  given: number;
}

/** Figures of a continuation beside the truth. */
export type Measure = (truth: Clip, made: Clip) => Record<string, number>;

const shownWindows = 3;

/** The first window of clips of the held-back part; where that is shorter than a window, of the training part. */
export async function shownWindowsOf(data: TrainingData, frames: number, seed: number): Promise<Shown[]> {
  const long = (set: ClipSet): number[] => set.entries.map((e, i) => (e.frameCount >= frames ? i : -1)).filter((i) => i >= 0);
  const held = long(data.held);
  const [set, usable] = held.length > 0 ? [data.held, held] : [data.training, long(data.training)];
  const random = randomAt(seed, 0, 1);
  const chosen = random.permutation(usable.length).slice(0, shownWindows).sort((a, b) => a - b).map((i) => usable[i]!);
  return Promise.all(chosen.map(async (index) => ({ name: set.entries[index]!.path.split(/[\\/]/).at(-1)!, truth: await set.window(index, 0, frames), caption: await set.caption?.(index) })));
}

/** The last given frame, for as long as the truth. */
export function repeatLast(truth: Clip, given: number): Clip {
  const frame = truth.width * truth.height * 3;
  const frames = truth.frames.slice();
  if (given > 0) for (let i = given; i < truth.frameCount; i++) frames.copyWithin(i * frame, (given - 1) * frame, given * frame);
  return makeClip(frames, truth.width, truth.height, truth.fps);
}

/** Mean figures over the frames that were predicted; `NAME_repeat` are those of repeating the last given frame. */
export function figuresOf(continued: readonly Continued[], measure: Measure | undefined): Record<string, number> {
  const sums: Record<string, number> = {};
  const add = (figures: Record<string, number>, suffix: string): void => {
    for (const [name, value] of Object.entries(figures)) sums[name + suffix] = (sums[name + suffix] ?? 0) + value / continued.length;
  };
  for (const { truth, made, given } of continued) {
    const predicted = (clip: Clip): Clip => sliceClip(clip, given, clip.frameCount - 1);
    add(measure?.(predicted(truth), predicted(made)) ?? {}, "");
    if (given > 0) add(measure?.(predicted(truth), predicted(repeatLast(truth, given))) ?? {}, "_repeat");
  }
  return sums;
}

/** Rows of a contact sheet. */
export const rowsOf = (continued: readonly Continued[], isHeld: boolean): SheetRow[] =>
  continued.flatMap(({ name, truth, made, given }) => [
    { label: `${name}${isHeld ? " (held back)" : ""}`, clip: truth },
    { label: `continued from ${given} frame(s)`, clip: made },
  ]);
