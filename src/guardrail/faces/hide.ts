/**
 * Making faces unrecognisable in RGB bytes. "pixelate" is the published rule (`blur_utils.py` of Cosmos' face_blur_filter): the
 * box shrunk to 5 x 5 pixels and enlarged again, as OpenCV 4 does it, bit for bit. Five by five has been shown to be
 * recognisable where the faces in question are known and few; "solid" leaves nothing.
 */
import { OrreryError } from "../../errors.ts";
import type { Picture } from "../../video/index.ts";
import type { Box } from "./face.ts";

export const hidingMethods = ["pixelate", "blur", "solid"] as const;
export type HidingMethod = (typeof hidingMethods)[number];

/** Blocks along each side of a face. */
const blocks = 5;

/** Whether a face is large enough to be hidden: the reference leaves out what is, in whole pixels, narrower or lower than `minSize`. */
export const isLargeEnough = ([left, top, right, bottom]: Box, minSize: number): boolean => Math.trunc(right) - Math.trunc(left) >= minSize && Math.trunc(bottom) - Math.trunc(top) >= minSize;

/** A box with `margin` of its size more on every side. */
export function widen([left, top, right, bottom]: Box, margin: number): Box {
  const [x, y] = [(right - left) * margin, (bottom - top) * margin];
  return [left - x, top - y, right + x, bottom + y];
}

/** Writes over the part of the picture in the box; one that lies outside changes nothing. */
export function hideBox(picture: Picture, box: Box, method: HidingMethod): void {
  // Truncated, then cut to the picture, as in the reference; a margin box never loses a pixel that way.
  const [left, top, right, bottom] = [
    Math.max(0, Math.trunc(box[0])), Math.max(0, Math.trunc(box[1])),
    Math.min(picture.width, Math.trunc(box[2])), Math.min(picture.height, Math.trunc(box[3])),
  ];
  if (right <= left || bottom <= top) return;
  const area: Area = { left, top, width: right - left, height: bottom - top };
  if (method === "pixelate") pixelate(picture, area);
  else if (method === "blur") blur(picture, area);
  else if (method === "solid") fill(picture, area);
  else throw new OrreryError("bad_argument", `method "${method satisfies never as string}" was given; expected one of ${hidingMethods.join(", ")}`);
}

interface Area {
  left: number;
  top: number;
  width: number;
  height: number;
}

function pixelate(picture: Picture, area: Area): void {
  const small = shrink(picture, area, blocks, blocks);
  const { pixels, width: stride } = picture;
  const column = nearest(area.width);
  const row = nearest(area.height);
  for (let y = 0; y < area.height; y++)
    for (let x = 0; x < area.width; x++) {
      const from = (row[y]! * blocks + column[x]!) * 3;
      const to = ((area.top + y) * stride + area.left + x) * 3;
      pixels[to] = small[from]!;
      pixels[to + 1] = small[from + 1]!;
      pixels[to + 2] = small[from + 2]!;
    }
}

/** Which block each of `length` pixels takes. */
function nearest(length: number): Int32Array {
  const step = 1 / (length / blocks);
  return Int32Array.from({ length }, (_, i) => Math.min(blocks - 1, Math.floor(i * step)));
}

/** Two neighbours and their weights times 2^11, for each of `out` pixels of a stretch of `size` (half-pixel centres). */
function neighbours(size: number, out: number, keepPart: boolean): { first: Int32Array; second: Int32Array; a: Int32Array; b: Int32Array } {
  const table = { first: new Int32Array(out), second: new Int32Array(out), a: new Int32Array(out), b: new Int32Array(out) };
  for (let i = 0; i < out; i++) {
    const at = Math.fround((i + 0.5) * (1 / (out / size)) - 0.5);
    const low = Math.floor(at);
    // Beyond the edge OpenCV takes columns as they are, and mixes a row with itself.
    const part = !keepPart && (low < 0 || low >= size - 1) ? 0 : Math.fround(at - low);
    table.first[i] = Math.min(Math.max(low, 0), size - 1);
    table.second[i] = Math.min(Math.max(low + 1, 0), size - 1);
    table.a[i] = roundEven(Math.fround(1 - part) * 2048);
    table.b[i] = roundEven(part * 2048);
  }
  return table;
}

function roundEven(value: number): number {
  const low = Math.floor(value);
  const rest = value - low;
  if (rest !== 0.5) return Math.round(value);
  return low % 2 === 0 ? low : low + 1;
}

/** OpenCV's `resize(INTER_LINEAR)` of 8-bit RGB, in its fixed-point steps. */
function shrink({ pixels, width: stride }: Picture, { left, top, width, height }: Area, outWidth: number, outHeight: number): Uint8Array {
  const across = neighbours(width, outWidth, false);
  const down = neighbours(height, outHeight, true);
  const out = new Uint8Array(outWidth * outHeight * 3);
  const at = (y: number, x: number, channel: number): number => pixels[((top + y) * stride + left + x) * 3 + channel]!;
  // At exactly half the size OpenCV averages instead.
  const halves = width === 2 * outWidth && height === 2 * outHeight;
  for (let y = 0; y < outHeight; y++)
    for (let x = 0; x < outWidth; x++)
      for (let channel = 0; channel < 3; channel++) {
        if (halves) {
          out[(y * outWidth + x) * 3 + channel] = (at(2 * y, 2 * x, channel) + at(2 * y, 2 * x + 1, channel) + at(2 * y + 1, 2 * x, channel) + at(2 * y + 1, 2 * x + 1, channel) + 2) >> 2;
          continue;
        }
        const line = (row: number): number => at(row, across.first[x]!, channel) * across.a[x]! + at(row, across.second[x]!, channel) * across.b[x]!;
        const [upper, lower] = [line(down.first[y]!), line(down.second[y]!)];
        out[(y * outWidth + x) * 3 + channel] = (((down.a[y]! * (upper >> 4)) >> 16) + ((down.b[y]! * (lower >> 4)) >> 16) + 2) >> 2;
      }
  return out;
}

/** Three passes of a box filter, close to a Gaussian, as wide as a third of the face. */
function blur(picture: Picture, area: Area): void {
  const radius = Math.max(2, Math.round(Math.max(area.width, area.height) / 6));
  let copy: Uint8Array = new Uint8Array(area.width * area.height * 3);
  for (let y = 0; y < area.height; y++) copy.set(rowOf(picture, area, y), y * area.width * 3);
  for (let pass = 0; pass < 3; pass++) {
    copy = boxPass(copy, area.width, area.height, radius, 3, area.width * 3);
    copy = boxPass(copy, area.height, area.width, radius, area.width * 3, 3);
  }
  for (let y = 0; y < area.height; y++) rowOf(picture, area, y).set(copy.subarray(y * area.width * 3, (y + 1) * area.width * 3));
}

const rowOf = ({ pixels, width }: Picture, area: Area, y: number): Uint8Array => pixels.subarray(((area.top + y) * width + area.left) * 3, ((area.top + y) * width + area.left + area.width) * 3);

/** The mean over `radius` on both sides along one axis of `length` steps of `step` bytes, for `lines` lines `across` apart; edges repeat. */
function boxPass(from: Uint8Array, length: number, lines: number, radius: number, step: number, across: number): Uint8Array {
  const out = new Uint8Array(from.length);
  const size = 2 * radius + 1;
  for (let line = 0; line < lines; line++)
    for (let channel = 0; channel < 3; channel++) {
      const start = line * across + channel;
      const value = (i: number): number => from[start + Math.min(Math.max(i, 0), length - 1) * step]!;
      let sum = 0;
      for (let i = -radius; i <= radius; i++) sum += value(i);
      for (let i = 0; i < length; i++) {
        out[start + i * step] = Math.round(sum / size);
        sum += value(i + radius + 1) - value(i - radius);
      }
    }
  return out;
}

function fill(picture: Picture, area: Area): void {
  for (let y = 0; y < area.height; y++) rowOf(picture, area, y).fill(16);
}
