/**
 * Which frames of a video a detector is shown. Faces move little from one frame to the next, so it looks at every n-th frame,
 * at both sides of every cut, and, wherever two frames that it looked at do not agree (a face came, went, jumped or grew), at
 * the one half way between them, and so on. A face that both ends have in nearly the same place is hidden in the frames
 * between them without looking (`tracks.ts`). What can escape is a face that appears and vanishes within n - 1 frames, without
 * a cut.
 */
import type { Picture } from "../../video/index.ts";
import { cutFinder } from "./cuts.ts";
import { areaOf, overlap, type Box, type FaceBox, type FaceDetector } from "./face.ts";
import type { SeenFrame } from "./tracks.ts";

export interface LookOptions {
  /** The detector looks at one of so many frames at least. */
  every: number;
  /** From this score on a face is one. */
  threshold: number;
  /** Least score of the faces that are asked for. */
  keep: number;
}

/** What is known of a frame before anybody looks. */
export interface KnownFrame {
  /** What an earlier run saw in it. */
  faces?: readonly FaceBox[] | undefined;
  /** A checksum: frames that are the same show the same. */
  sum?: number;
}

export interface Looker {
  /** Takes the next frame, whose pixels may change afterwards; gives the frames that are settled now, in order. */
  next(picture: Picture, known?: KnownFrame): Promise<SeenFrame[]>;
  /** No frame follows: gives the rest. */
  end(): Promise<SeenFrame[]>;
}

interface Waiting extends SeenFrame {
  picture: Picture | undefined;
  known: KnownFrame;
}

/** Looks at the frames of one video, which are given in order. */
export function frameLooker(detector: Pick<FaceDetector, "detect">, options: LookOptions): Looker {
  const isCut = cutFinder();
  /** Frames from the last one that was looked at on; only its faces are still needed. */
  let waiting: Waiting[] = [];
  let lastSeen: { sum: number; faces: readonly FaceBox[] } | undefined;

  const look = async (frame: Waiting): Promise<void> => {
    if (frame.looked) return;
    const { faces, sum } = frame.known;
    frame.faces = faces ?? (sum !== undefined && lastSeen?.sum === sum ? lastSeen.faces : await detector.detect(frame.picture!, options.keep));
    frame.looked = true;
    if (sum !== undefined) lastSeen = { sum, faces: frame.faces };
  };
  /** Looks between two frames of `waiting` that were looked at, as far as they disagree. */
  const settle = async (from: number, to: number): Promise<void> => {
    if (to - from < 2 || agree(waiting[from]!.faces, waiting[to]!.faces, options)) return;
    const middle = (from + to) >> 1;
    await look(waiting[middle]!);
    await settle(from, middle);
    await settle(middle, to);
  };
  const close = async (): Promise<SeenFrame[]> => {
    if (waiting.length === 0) return [];
    await look(waiting.at(-1)!);
    await settle(0, waiting.length - 1);
    const settled = waiting.slice(1);
    waiting = waiting.slice(-1);
    waiting[0]!.picture = undefined;
    return settled.map(({ faces, cut, looked }) => ({ faces, cut, looked }));
  };
  return {
    async next(picture, known = {}) {
      const cut = isCut(picture);
      // What was before a cut is settled by itself.
      const before = cut ? await close() : [];
      if (cut) waiting = [];
      const frame: Waiting = { faces: [], cut, looked: false, known, picture };
      const first = waiting.length === 0;
      waiting.push(frame);
      if (first) {
        await look(frame);
        frame.picture = undefined;
        return [...before, { faces: frame.faces, cut, looked: true }];
      }
      if (waiting.length - 1 >= options.every) return close();
      frame.picture = { pixels: Uint8Array.from(picture.pixels), width: picture.width, height: picture.height };
      return before;
    },
    end: close,
  };
}

/** Of a face's size: how far it may have moved, and how much grown, for two frames to agree on it. */
const [nearby, alike] = [0.35, 1.3];

/** Whether every sure face of either has its like in the other, where a doubtful one will do. */
function agree(a: readonly FaceBox[], b: readonly FaceBox[], { threshold }: LookOptions): boolean {
  const covered = (some: readonly FaceBox[], others: readonly FaceBox[]): boolean => {
    const free = new Set(others);
    return some.every((face) => {
      if (face.score < threshold) return true;
      const like = [...free].find((other) => same(face.box, other.box));
      return like !== undefined && free.delete(like);
    });
  };
  return covered(a, b) && covered(b, a);
}

function same(a: Box, b: Box): boolean {
  const [mine, theirs] = [Math.sqrt(areaOf(a)), Math.sqrt(areaOf(b))];
  if (overlap(a, b) === 0 || Math.max(mine, theirs) > alike * Math.min(mine, theirs)) return false;
  return Math.hypot(a[0] + a[2] - b[0] - b[2], a[1] + a[3] - b[1] - b[3]) / 2 <= nearby * Math.min(mine, theirs);
}
