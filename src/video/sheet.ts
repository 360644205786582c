/**
 * Looking at clips: contact sheets (a row for each clip, a column for each time) and clips side by side. Pictures are shown
 * pixel for pixel, or each pixel as a square of `zoom` pixels: a sheet must not hide what a scaler would smooth away.
 */
import { OrreryError } from "../errors.ts";
import { frameAt, makeClip, type Clip, type Picture } from "./clip.ts";
import { drawText, fillRect, fitText, textHeight, type Rgb } from "./font.ts";

export interface SheetRow {
  label: string;
  clip: Clip;
}

export interface SheetOptions {
  /** Most columns; the frames are spread evenly from the first to the last. Default 8. */
  columns?: number;
  /** Size of a pixel, a whole number. Default: the largest that keeps a cell within 192 pixels, at least 1. */
  zoom?: number;
}

const background: Rgb = [20, 22, 26];
const ink: Rgb = [236, 238, 242];
const faintInk: Rgb = [150, 156, 166];
const gap = 4;

/**
 * A labelled grid: for each clip its name, below it frames with the seconds at which they show. Clips may differ in size
 * and length.
 * @throws `bad_argument` with no clip, or a zoom or column count that is not a whole number above 0.
 */
export function contactSheet(rows: SheetRow[], options: SheetOptions = {}): Picture {
  if (rows.length === 0) throw new OrreryError("bad_argument", "a contact sheet of no clips was asked for; give at least one");
  const widest = Math.max(...rows.map(({ clip }) => clip.width));
  const { columns: mostColumns = 8, zoom = Math.max(1, Math.floor(192 / widest)) } = options;
  checkWhole("columns", mostColumns);
  checkWhole("zoom", zoom);
  const columns = Math.min(mostColumns, Math.max(...rows.map(({ clip }) => clip.frameCount)));
  const cellWidth = widest * zoom;
  const scale = cellWidth >= 160 ? 2 : 1;
  const line = textHeight(scale) + gap;
  const heights = rows.map(({ clip }) => line + clip.height * zoom + textHeight(1) + 3 * gap);
  const width = gap + columns * (cellWidth + gap);
  const sheet = blank(width, gap + heights.reduce((sum, height) => sum + height, 0));
  let y = gap;
  rows.forEach(({ label, clip }, row) => {
    drawText(sheet, fitText(label, width - 2 * gap, scale), gap, y, ink, scale);
    const shown = Math.min(columns, clip.frameCount);
    for (let column = 0; column < shown; column++) {
      const index = shown === 1 ? 0 : Math.round((column * (clip.frameCount - 1)) / (shown - 1));
      const x = gap + column * (cellWidth + gap);
      drawPicture(sheet, frameAt(clip, index), x, y + line, zoom);
      const time = fitText(`${(index / clip.fps).toFixed(2)}s #${index}`, cellWidth);
      drawText(sheet, time, x, y + line + clip.height * zoom + 2, faintInk);
    }
    y += heights[row]!;
  });
  return sheet;
}

/**
 * One clip that shows several next to each other under their labels, for comparing by eye. It lasts as long as the longest;
 * a shorter one holds its last frame. Sizes come out even, ready for `writeClip`.
 * @throws `bad_argument` with no clip, another number of labels than clips, or unequal frame rates.
 */
export function sideBySide(clips: Clip[], labels: string[], options: { zoom?: number } = {}): Clip {
  const { zoom = 1 } = options;
  checkWhole("zoom", zoom);
  const fps = clips[0]?.fps;
  if (fps === undefined || labels.length !== clips.length)
    throw new OrreryError("bad_argument", `${clips.length} clips and ${labels.length} labels were given; expected at least one clip and a label for each`);
  if (clips.some((clip) => Math.abs(clip.fps - fps) > 1e-3))
    throw new OrreryError("bad_argument", `clips at ${clips.map((clip) => clip.fps).join(", ")} frames per second cannot run side by side; read them with one \`fps\``);
  const line = textHeight() + 2 * gap;
  const even = (side: number) => side + (side % 2);
  const width = even(clips.reduce((sum, clip) => sum + clip.width * zoom + gap, gap));
  const height = even(line + Math.max(...clips.map((clip) => clip.height)) * zoom + gap);
  const page = blank(width, height);
  const lefts: number[] = [];
  clips.forEach((clip, i) => {
    const left = i === 0 ? gap : lefts[i - 1]! + clips[i - 1]!.width * zoom + gap;
    lefts.push(left);
    drawText(page, fitText(labels[i]!, clip.width * zoom), left, gap, ink);
  });
  const frameCount = Math.max(...clips.map((clip) => clip.frameCount));
  const frames = new Uint8Array(frameCount * page.pixels.length);
  for (let t = 0; t < frameCount; t++) {
    clips.forEach((clip, i) => drawPicture(page, frameAt(clip, Math.min(t, clip.frameCount - 1)), lefts[i]!, line, zoom));
    frames.set(page.pixels, t * page.pixels.length);
  }
  return makeClip(frames, width, height, fps);
}

function checkWhole(name: string, value: number): void {
  if (!(Number.isInteger(value) && value >= 1)) throw new OrreryError("bad_argument", `${name} ${value} was given; expected a whole number from 1`);
}

function blank(width: number, height: number): Picture {
  const picture = { pixels: new Uint8Array(width * height * 3), width, height };
  fillRect(picture, 0, 0, width, height, background);
  return picture;
}

function drawPicture(page: Picture, picture: Picture, left: number, top: number, zoom: number): void {
  const row = new Uint8Array(picture.width * zoom * 3);
  for (let y = 0; y < picture.height; y++) {
    const source = picture.pixels.subarray(y * picture.width * 3, (y + 1) * picture.width * 3);
    for (let x = 0; x < picture.width * zoom; x++) {
      const from = Math.floor(x / zoom) * 3;
      row[x * 3] = source[from]!;
      row[x * 3 + 1] = source[from + 1]!;
      row[x * 3 + 2] = source[from + 2]!;
    }
    for (let copy = 0; copy < zoom; copy++) page.pixels.set(row, ((top + y * zoom + copy) * page.width + left) * 3);
  }
}
