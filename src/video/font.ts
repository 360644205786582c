/**
 * Letters for labels on sheets: the common 5 x 7 dot-matrix shapes, so that a label needs no font file on the machine.
 */
import type { Picture } from "./clip.ts";

export type Rgb = readonly [red: number, green: number, blue: number];

/** Characters 32 to 126, five columns each as two hex digits, lowest bit on top; descenders use the eighth row. */
const glyphs = [
  "000000000000005F00000007000700147F147F14242A7F2A12231308646236495620500008070300001C2241000041221C00",
  "2A1C7F1C2A08083E080800807030000808080808000060600020100804023E5149453E00427F400072494949462141494D33",
  "1814127F1027454545393C4A49493141211109073649494936464949291E0000140000004034000000081422411414141414",
  "004122140802015909063E415D594E7C1211127C7F494949363E414141227F4141413E7F494949417F090909013E41415173",
  "7F0808087F00417F41002040413F017F081422417F404040407F021C027F7F0408107F3E4141413E7F090909063E4151215E",
  "7F09192946264949493203017F01033F4040403F1F2040201F3F4038403F631408146303047804036159494D43007F414141",
  "0204081020004141417F04020102044040404040000307080020545478407F284444383844444428384444287F3854545418",
  "00087E090218A4A49C787F0804047800447D40002040403D007F1028440000417F40007C047804787C080404783844444438",
  "FC1824241818242418FC7C08040408485454542404043F44243C4040207C1C2040201C3C4030403C44281028444C9090907C",
  "4464544C440008364100000077000000413608000201020402",
].join("");

const columns = 5;
const rows = 8;
/** One column of space after each letter. */
const advance = columns + 1;

/** Height of a line of text in pixels. */
export const textHeight = (scale = 1) => rows * scale;

/** Width of a text in pixels. */
export const textWidth = (text: string, scale = 1) => Math.max(0, [...text].length * advance - 1) * scale;

/** Shortens a text with ".." until it fits a width in pixels. */
export function fitText(text: string, width: number, scale = 1): string {
  if (textWidth(text, scale) <= width) return text;
  const letters = Math.floor((width / scale + 1) / advance) - 2;
  return letters > 0 ? `${[...text].slice(0, letters).join("")}..` : "";
}

/** Draws a text with its top left corner at `x`, `y`; what falls outside is cut. Characters beyond ASCII show as "?". */
export function drawText(picture: Picture, text: string, x: number, y: number, colour: Rgb, scale = 1): void {
  [...text].forEach((letter, at) => {
    const code = letter.codePointAt(0)!;
    const glyph = (code >= 32 && code <= 126 ? code : 63) - 32;
    for (let column = 0; column < columns; column++) {
      const bits = Number.parseInt(glyphs.slice((glyph * columns + column) * 2, (glyph * columns + column + 1) * 2), 16);
      for (let row = 0; row < rows; row++) {
        if (bits & (1 << row)) fillRect(picture, x + (at * advance + column) * scale, y + row * scale, scale, scale, colour);
      }
    }
  });
}

/** Fills a rectangle, cut to the picture. */
export function fillRect(picture: Picture, x: number, y: number, width: number, height: number, colour: Rgb): void {
  const right = Math.min(x + width, picture.width);
  const bottom = Math.min(y + height, picture.height);
  for (let row = Math.max(y, 0); row < bottom; row++) {
    for (let column = Math.max(x, 0); column < right; column++) picture.pixels.set(colour, (row * picture.width + column) * 3);
  }
}
