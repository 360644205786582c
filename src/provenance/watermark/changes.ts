/** What the place of the watermark tells about what was done to a picture: scaled, cropped, mirrored. */
import { chipSize, tileChips } from "./pattern.ts";
import type { WatermarkReport } from "./watermark.ts";

interface Size {
  width: number;
  height: number;
}

export interface PictureChanges {
  /** Size of the picture now over its size when it was marked, across and down. */
  scaleX: number;
  scaleY: number;
  /** Part of the original's width and height that is left, 0 to 1; known where the original's size is. */
  keptX?: number;
  keptY?: number;
  /** Pixels of the original that were cut off at the left and at the top, where only one answer fits. */
  left?: number;
  top?: number;
  mirrored: boolean;
  /** The same for people: "mirrored", "scaled to 50 %". */
  words: string[];
}

/** Scales are known to about one per cent; less than two is none. */
const isScaled = (scale: number): boolean => Math.abs(scale - 1) > 0.02;

/** `original` is the size at which it was marked, from the registry; without it the smallest change that fits is taken. */
export function changesOf(report: Pick<WatermarkReport, "geometry" | "width" | "height">, now: Size, original?: Size): PictureChanges {
  const { chipX, chipY, mirrored } = report.geometry;
  const chip = { x: (chipX * now.width) / report.width, y: (chipY * now.height) / report.height };
  const before = chipSize(original?.width ?? now.width, original?.height ?? now.height);
  const [scaleX, scaleY] = [chip.x / before, chip.y / before];
  const words: string[] = [];
  if (mirrored) words.push("mirrored");
  if (original === undefined) {
    if (isScaled(scaleX) || isScaled(scaleY)) words.push("cropped or scaled");
    return { scaleX, scaleY, mirrored, words };
  }
  const percent = (part: number) => `${Math.round(part * 100)} %`;
  const even = Math.abs(scaleX / scaleY - 1) < 0.01;
  if (isScaled(scaleX) || isScaled(scaleY)) words.push(even ? `scaled to ${percent((scaleX + scaleY) / 2)}` : `scaled to ${percent(scaleX)} across and ${percent(scaleY)} down`);
  const kept = { x: now.width / scaleX / original.width, y: now.height / scaleY / original.height };
  const [left, top] = [offset(report.geometry.shiftX, before, original.width * (1 - kept.x), mirrored, now.width / scaleX), offset(report.geometry.shiftY, before, original.height * (1 - kept.y), false, 0)];
  if (kept.x < 0.985 || kept.y < 0.985) words.push(`cropped to ${percent(Math.min(1, kept.x))} of its width and ${percent(Math.min(1, kept.y))} of its height`);
  if (kept.x > 1.015 || kept.y > 1.015) words.push("put into a larger frame");
  return { scaleX, scaleY, keptX: kept.x, keptY: kept.y, mirrored, words, ...(left === undefined ? {} : { left }), ...(top === undefined ? {} : { top }) };
}

/** Pixels cut off before the picture begins; undefined where the tile's repetitions allow several answers or none. */
function offset(shift: number, chip: number, room: number, mirrored: boolean, visible: number): number | undefined {
  const tile = tileChips * chip;
  // In a mirror the tile is counted from the other edge of what is visible.
  const start = mirrored ? shift * chip - visible : -shift * chip;
  const slack = chip;
  const answers: number[] = [];
  for (let at = (((start % tile) + tile) % tile) - tile; at <= room + slack; at += tile) if (at >= -slack) answers.push(Math.max(0, at));
  return answers.length === 1 ? Math.round(answers[0]!) : undefined;
}
