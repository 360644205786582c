/**
 * Defects that only a film shows, from the small pictures: frames that repeat, black bars, and text or logos that stay where
 * they are while the picture moves. Frames are summed up over windows of a few seconds, so that any clip can be judged by the
 * windows that it covers, and memory does not grow with the frames.
 */
import { lumaOf, smallSize } from "../small.ts";
import type { Defects } from "./score.ts";

const { width, height } = smallSize;
const windowS = 4;
/** Pictures a second that the overlay test looks at. */
const looksPerS = 2;

export interface SmallWindow {
  firstFrame: number;
  lastFrame: number;
  /** Frames that repeat the one before. */
  repeated: number;
  /** Share of the picture, from each side inwards, that was black all the time. */
  bars: { top: number; bottom: number; left: number; right: number };
  /** Share of the picture that is sharp and still; meaningful where `moved` is large. */
  still: number;
  /** Share of the picture that changed. */
  moved: number;
}

/** Mean absolute difference of luma below which a frame repeats the one before (an encoder's rounding, not a scene's). */
const same = 0.25;
const black = 26;

interface Open extends Omit<SmallWindow, "bars" | "still" | "moved"> {
  startS: number;
  rows: Uint8Array;
  columns: Uint8Array;
  least: Uint8Array;
  most: Uint8Array;
  edges: Uint16Array;
  looks: number;
}

/** A meter for one video: takes every frame, and gives the windows at the end. */
export function smallMeter(): { push(small: Uint8Array, index: number, timeS: number): void; finish(): SmallWindow[] } {
  const windows: SmallWindow[] = [];
  let open: Open | undefined;
  let before: Uint8Array | undefined;
  let lastLookS = -Infinity;
  return {
    push(small, index, timeS) {
      const luma = lumaOf(small);
      if (!open || timeS - open.startS >= windowS) {
        if (open) windows.push(close(open));
        open = { firstFrame: index, lastFrame: index, startS: timeS, repeated: 0, rows: new Uint8Array(height), columns: new Uint8Array(width), least: luma.slice(), most: luma.slice(), edges: new Uint16Array(luma.length), looks: 0 };
        lastLookS = -Infinity;
      }
      open.lastFrame = index;
      if (before && meanDifference(before, luma) < same) open.repeated++;
      before = luma;
      if (timeS - lastLookS < 1 / looksPerS - 0.01) return;
      lastLookS = timeS;
      look(open, luma);
    },
    finish() {
      if (open) windows.push(close(open));
      return windows;
    },
  };
}

function meanDifference(a: Uint8Array, b: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i]! - b[i]!);
  return sum / a.length;
}

function look(open: Open, luma: Uint8Array): void {
  open.looks++;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      const v = luma[i]!;
      // A row or column with one lit pixel is no bar.
      if (v > open.rows[y]!) open.rows[y] = v;
      if (v > open.columns[x]!) open.columns[x] = v;
      if (v < open.least[i]!) open.least[i] = v;
      if (v > open.most[i]!) open.most[i] = v;
      if (x > 0 && y > 0 && Math.abs(v - luma[i - 1]!) + Math.abs(v - luma[i - width]!) > 50) open.edges[i]!++;
    }
}

function close({ firstFrame, lastFrame, repeated, rows, columns, least, most, edges, looks }: Open): SmallWindow {
  const dark = (values: Uint8Array): number => {
    const lit = values.findIndex((v) => v > black);
    return lit < 0 ? 0 : lit / values.length;
  };
  let [still, moved] = [0, 0];
  for (let i = 0; i < least.length; i++) {
    const range = most[i]! - least[i]!;
    if (range > 24) moved++;
    if (range < 18 && looks >= 4 && edges[i]! >= 0.9 * looks) still++;
  }
  return {
    firstFrame, lastFrame, repeated,
    bars: { top: dark(rows), bottom: dark(rows.toReversed()), left: dark(columns), right: dark(columns.toReversed()) },
    still: still / least.length,
    moved: moved / least.length,
  };
}

/** The defects of a range of frames, from the windows that it covers. */
export function smallDefects(windows: readonly SmallWindow[], firstFrame: number, lastFrame: number): Pick<Defects, "freeze" | "letterbox" | "overlay"> {
  const covered = windows.filter((w) => w.firstFrame <= lastFrame && w.lastFrame >= firstFrame);
  if (covered.length === 0) return { freeze: 0, letterbox: 0, overlay: 0 };
  const frames = covered.reduce((sum, w) => sum + w.lastFrame - w.firstFrame + 1, 0);
  const repeated = covered.reduce((sum, w) => sum + w.repeated, 0);
  const least = (side: keyof SmallWindow["bars"]): number => Math.min(...covered.map((w) => w.bars[side]));
  const lit = (1 - least("top") - least("bottom")) * (1 - least("left") - least("right"));
  // Where the scene itself stands still, an overlay cannot be told from it.
  const telling = covered.filter((w) => w.moved > 0.4);
  const overlay = telling.length > 0 ? Math.min(...telling.map((w) => w.still)) : 0;
  return { freeze: Math.max(0, repeated / frames), letterbox: Math.min(1, Math.max(0, 1 - lit)), overlay };
}
