/** What a face detector finds, and what one is. Detectors differ in network and decoding; whoever uses them does not see it. */
import type { Picture } from "../../video/index.ts";

/** Left, top, right, bottom in pixels of the picture; not whole numbers, and may reach beyond it. */
export type Box = readonly [left: number, top: number, right: number, bottom: number];

export interface FaceBox {
  box: Box;
  /** 0..1, how sure the detector is. */
  score: number;
}

export interface FaceDetector {
  /** What looks: "SSD MobileNetV1 (bundled)", "RetinaFace resnet50". */
  readonly model: string;
  /** SHA-256 of the weights. */
  readonly version: string;
  /** The score from which its authors, or our measurements, call something a face. */
  readonly threshold: number;
  /** Faces of one picture with at least this score, most certain first. */
  detect(picture: Picture, threshold: number): Promise<FaceBox[]>;
  close(): Promise<void>;
}

export const areaOf = ([left, top, right, bottom]: Box): number => Math.max(0, right - left) * Math.max(0, bottom - top);

/** Area that two boxes share. */
export function sharedArea(a: Box, b: Box): number {
  return Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0])) * Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
}

/** Intersection over union; 0 where either box is empty. */
export function overlap(a: Box, b: Box): number {
  const shared = sharedArea(a, b);
  return shared === 0 ? 0 : shared / (areaOf(a) + areaOf(b) - shared);
}
