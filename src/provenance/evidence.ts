/**
 * A picture of what was found where: a frame with the borders of the watermark's tiles drawn in, a map of how well each
 * place agrees with the pattern, and the findings in words. For people who would rather look than read.
 */
import { fillRect, drawText, fitText, textHeight, type Rgb } from "../video/font.ts";
import type { Picture } from "../video/index.ts";
import type { Verification } from "./verify.ts";
import { layoutOf, tileChips, tileOf } from "./watermark/pattern.ts";
import { payloadOf, type WatermarkReport } from "./watermark/watermark.ts";

const ground: Rgb = [20, 22, 26];
const ink: Rgb = [236, 238, 242];
const faint: Rgb = [150, 156, 166];
const good: Rgb = [72, 196, 120];
const bad: Rgb = [222, 84, 74];
const line: Rgb = [255, 200, 60];
const gap = 10;

/** Draws the evidence. The key is needed to compare with the pattern; the picture does not show the pattern. */
export function evidencePicture(verification: Verification, key: Uint8Array): Picture {
  const { frame, watermark } = verification;
  const zoom = Math.max(1, Math.floor(420 / frame.width));
  const [panelWidth, panelHeight] = [frame.width * zoom, frame.height * zoom];
  const words = findings(verification);
  const width = Math.max(3 * gap + 2 * panelWidth, 880);
  const lineHeight = textHeight(2) + 5;
  const wrapped = words.flatMap(({ text, colour }) => wrap(text, width - 2 * gap, 2).map((one) => ({ text: one, colour })));
  const top = 2 * gap + textHeight(2);
  const found = watermark.found !== "nothing" && watermark.model === undefined;
  const sheet: Picture = { pixels: new Uint8Array(0), width, height: top + panelHeight + 2 * gap + wrapped.length * lineHeight + gap };
  sheet.pixels = new Uint8Array(sheet.width * sheet.height * 3);
  fillRect(sheet, 0, 0, sheet.width, sheet.height, ground);
  drawText(sheet, fitText("frame, with the borders of the tiles", panelWidth, 2), gap, gap, faint, 2);
  const second = 2 * gap + panelWidth;
  drawText(sheet, fitText(!found ? "no agreement with the pattern" : "where it agrees: green; where not: red", panelWidth, 2), second, gap, faint, 2);
  paste(sheet, frame, gap, top, zoom);
  if (found) drawTiles(sheet, watermark, gap, top, zoom);
  const agreement = found ? agreementMap(watermark, key) : undefined;
  paste(sheet, agreement === undefined ? dimmed(frame) : shade(frame, agreement), second, top, zoom);
  wrapped.forEach(({ text, colour }, i) => drawText(sheet, text, gap, top + panelHeight + 2 * gap + i * lineHeight, colour, 2));
  return sheet;
}

function findings({ verdict, conclusion, credential, watermark, registry }: Verification): { text: string; colour: Rgb }[] {
  const colour = verdict === "intact" ? good : verdict === "altered" ? bad : ink;
  const [match] = registry;
  return [
    { text: verdict.toUpperCase(), colour },
    ...conclusion.map((text) => ({ text, colour: ink })),
    { text: `credential: ${credential.state}${credential.failures.length === 0 ? "" : ` (${credential.failures.join(", ")})`}`, colour: faint },
    { text: `watermark: ${watermarkWords(watermark)}`, colour: faint },
    { text: `registry: ${match === undefined ? "nothing" : `"${match.entry.name}" by ${match.by.join(", ")}${match.distance === undefined ? "" : `, ${match.distance.toFixed(1)} of 64 bits apart`}`}`, colour: faint },
  ];
}

/** The watermark's part of a report, in one line. */
export function watermarkWords({ found, id, z, falseAlarm, framesUsed, model }: Pick<WatermarkReport, "found" | "id" | "z" | "falseAlarm" | "framesUsed" | "model">): string {
  const chance = falseAlarm === 0 ? "0" : falseAlarm.toExponential(0).replace("+", "");
  if (model !== undefined) return `${id} read by ${model} from ${framesUsed} frames (by chance in fewer than ${chance} of unmarked videos)`;
  if (found === "payload") return `${id} read from ${framesUsed} frames (z ${z.toFixed(1)}; by chance in fewer than ${chance} of unmarked videos)`;
  if (found === "presence") return `present, number unreadable (z ${z.toFixed(1)} in ${framesUsed} frames; by chance in fewer than ${chance} of unmarked videos)`;
  return `none of this installation's key (${framesUsed} frames looked at)`;
}

/** Where a pixel of the looked-at frames lies on the tile, in chips. */
function tilePlace({ geometry }: WatermarkReport): { u: (x: number) => number; v: (y: number) => number } {
  const { chipX, chipY, shiftX, shiftY, mirrored } = geometry;
  const wrapped = (value: number) => ((value % tileChips) + tileChips) % tileChips;
  return {
    u: (x) => wrapped(mirrored ? shiftX - (x + 0.5) / chipX : (x + 0.5) / chipX - shiftX),
    v: (y) => wrapped((y + 0.5) / chipY - shiftY),
  };
}

const blockSide = 12;

/** Correlation of the residual with the pattern, -1..1, for blocks of 12 x 12 pixels averaged with their neighbours. */
export function agreementMap(report: WatermarkReport, key: Uint8Array): { columns: number; rows: number; values: Float32Array } {
  const { width, height, sum } = report.residual;
  const layout = layoutOf(key);
  const tile = report.id === undefined ? new Int8Array(tileChips * tileChips) : tileOf(layout, payloadOf(report.id));
  if (report.id === undefined) layout.syncAt.forEach((at, i) => (tile[at] = layout.syncSign[i]!));
  const { u, v } = tilePlace(report);
  const [columns, rows] = [Math.ceil(width / blockSide), Math.ceil(height / blockSide)];
  const [both, left, right] = [new Float64Array(columns * rows), new Float64Array(columns * rows), new Float64Array(columns * rows)];
  const across = Float64Array.from({ length: width }, (_, x) => u(x) - 0.5);
  for (let y = 0; y < height; y++) {
    const down = v(y) - 0.5;
    const upper = Math.floor(down);
    const part = down - upper;
    const [first, second] = [((upper + tileChips) % tileChips) * tileChips, ((upper + 1) % tileChips) * tileChips];
    for (let x = 0; x < width; x++) {
      const near = Math.floor(across[x]!);
      const rest = across[x]! - near;
      const [a, b] = [(near + tileChips) % tileChips, (near + 1) % tileChips];
      const pattern = (tile[first + a]! * (1 - rest) + tile[first + b]! * rest) * (1 - part) + (tile[second + a]! * (1 - rest) + tile[second + b]! * rest) * part;
      const value = sum[y * width + x]!;
      const at = Math.floor(y / blockSide) * columns + Math.floor(x / blockSide);
      both[at]! += value * pattern;
      left[at]! += value * value;
      right[at]! += pattern * pattern;
    }
  }
  const values = new Float32Array(columns * rows);
  for (let by = 0; by < rows; by++) {
    for (let bx = 0; bx < columns; bx++) {
      let [top, a, b] = [0, 0, 0];
      for (let y = Math.max(0, by - 1); y <= Math.min(rows - 1, by + 1); y++) {
        for (let x = Math.max(0, bx - 1); x <= Math.min(columns - 1, bx + 1); x++) {
          top += both[y * columns + x]!;
          a += left[y * columns + x]!;
          b += right[y * columns + x]!;
        }
      }
      values[by * columns + bx] = a > 0 && b > 0 ? top / Math.sqrt(a * b) : 0;
    }
  }
  return { columns, rows, values };
}

function drawTiles(sheet: Picture, report: WatermarkReport, left: number, top: number, zoom: number): void {
  const { u, v } = tilePlace(report);
  const jump = (a: number, b: number) => Math.abs(a - b) > tileChips / 2;
  for (let x = 1; x < report.width; x++) if (jump(u(x - 1), u(x))) fillRect(sheet, left + x * zoom, top, 1, report.height * zoom, line);
  for (let y = 1; y < report.height; y++) if (jump(v(y - 1), v(y))) fillRect(sheet, left, top + y * zoom, report.width * zoom, 1, line);
}

function shade(frame: Picture, { columns, values }: { columns: number; values: Float32Array }): Picture {
  const pixels = new Uint8Array(frame.pixels.length);
  for (let y = 0, at = 0; y < frame.height; y++) {
    for (let x = 0; x < frame.width; x++, at += 3) {
      const value = values[Math.floor(y / blockSide) * columns + Math.floor(x / blockSide)]!;
      // A correlation of 0.4 is as good as it gets after a codec.
      const strength = Math.min(1, Math.abs(value) / 0.4);
      const grey = (frame.pixels[at]! * 0.3 + frame.pixels[at + 1]! * 0.59 + frame.pixels[at + 2]! * 0.11) * 0.35;
      const colour = value > 0 ? good : bad;
      for (let channel = 0; channel < 3; channel++) pixels[at + channel] = grey * (1 - strength * 0.6) + colour[channel]! * strength * 0.75;
    }
  }
  return { ...frame, pixels };
}

const dimmed = (frame: Picture): Picture => ({ ...frame, pixels: frame.pixels.map((value) => value * 0.35) });

function paste(sheet: Picture, picture: Picture, left: number, top: number, zoom: number): void {
  for (let y = 0; y < picture.height * zoom; y++) {
    const from = Math.floor(y / zoom) * picture.width;
    for (let x = 0; x < picture.width * zoom; x++) {
      const source = (from + Math.floor(x / zoom)) * 3;
      const to = ((top + y) * sheet.width + left + x) * 3;
      sheet.pixels[to] = picture.pixels[source]!;
      sheet.pixels[to + 1] = picture.pixels[source + 1]!;
      sheet.pixels[to + 2] = picture.pixels[source + 2]!;
    }
  }
}

/** Breaks a text between words into lines that fit. */
function wrap(text: string, width: number, scale: number): string[] {
  const most = Math.max(8, Math.floor(width / (6 * scale)));
  const lines: string[] = [];
  let current = "";
  for (const word of text.split(" ")) {
    if (current !== "" && current.length + 1 + word.length > most) {
      lines.push(current);
      current = "";
    }
    current = current === "" ? word : `${current} ${word}`;
  }
  return [...lines, current];
}
