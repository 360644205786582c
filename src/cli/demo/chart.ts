/**
 * Line charts as SVG, drawn here because the page must work offline and be one file. Colours come from the page's custom
 * properties, so a chart follows light and dark; sizes are in the chart's own units and scale with the page.
 */
import { escapeHtml } from "../../html.ts";

export interface Line {
  label: string;
  /** Which of the page's series colours, from 1. */
  colour: number;
  points: readonly (readonly [x: number, y: number])[];
  dashed?: boolean;
}

export interface ChartOptions {
  /** What is shown, for those who cannot see it. */
  title: string;
  x: string;
  y: string;
  /** Begin the vertical axis at zero. */
  fromZero?: boolean;
  /** Whole numbers on the horizontal axis only. */
  wholeX?: boolean;
  /** A part of the horizontal axis that is set apart, with its name. */
  band?: { from: number; to: number; label: string };
}

const view = { width: 640, height: 300, left: 56, right: 16, top: 16, bottom: 44 };

/** Round numbers, about `count` of them, that span from `low` to `high`. */
export function ticks(low: number, high: number, count: number, whole = false): number[] {
  const span = high - low || Math.abs(high) || 1;
  const rough = span / count;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * unit).find((s) => s >= rough) ?? 10 * unit;
  const size = whole ? Math.max(1, Math.round(step)) : step;
  const first = Math.ceil(low / size - 1e-9);
  const last = Math.floor(high / size + 1e-9);
  return Array.from({ length: Math.max(0, last - first) + 1 }, (_, i) => Number(((first + i) * size).toPrecision(12)));
}

/** A mean over neighbours, so that a curve that jumps from step to step can be read. */
export function smoothed(points: readonly (readonly [number, number])[], window: number): [number, number][] {
  return points.map(([x], i) => {
    const part = points.slice(Math.max(0, i - window), i + window + 1);
    return [x, part.reduce((sum, [, y]) => sum + y, 0) / part.length];
  });
}

export function lineChart(lines: readonly Line[], { title, x: xLabel, y: yLabel, fromZero = false, wholeX = false, band }: ChartOptions): string {
  const points = lines.flatMap(({ points: all }) => all).filter(([, y]) => Number.isFinite(y));
  if (points.length === 0) return "";
  const [xs, ys] = [points.map(([v]) => v), points.map(([, v]) => v)];
  const [xLow, xHigh] = [Math.min(...xs), Math.max(...xs)];
  const margin = (Math.max(...ys) - Math.min(...ys)) * 0.08 || 1;
  const [yLow, yHigh] = [fromZero ? 0 : Math.min(...ys) - margin, Math.max(...ys) + margin];
  const toX = (v: number): number => view.left + ((v - xLow) / (xHigh - xLow || 1)) * (view.width - view.left - view.right);
  const toY = (v: number): number => view.height - view.bottom - ((v - yLow) / (yHigh - yLow)) * (view.height - view.top - view.bottom);
  const at = (n: number): string => n.toFixed(1);
  const floor = view.height - view.bottom;
  const grid = ticks(yLow, yHigh, 5).map((v) => `<line class="grid" x1="${view.left}" x2="${view.width - view.right}" y1="${at(toY(v))}" y2="${at(toY(v))}"/><text x="${view.left - 8}" y="${at(toY(v) + 4)}" text-anchor="end">${v}</text>`);
  const marks = ticks(xLow, xHigh, 6, wholeX).map((v) => `<text x="${at(toX(v))}" y="${floor + 18}" text-anchor="middle">${v}</text>`);
  const set = band && `<rect class="band" x="${at(toX(band.from))}" y="${view.top}" width="${at(toX(band.to) - toX(band.from))}" height="${floor - view.top}"/><text x="${at(toX(band.from) + 6)}" y="${view.top + 16}">${escapeHtml(band.label)}</text>`;
  const drawn = lines.map(({ points: given, colour, dashed }) => {
    const all = given.filter(([, y]) => Number.isFinite(y));
    const path = all.map(([px, py], i) => `${i === 0 ? "M" : "L"}${at(toX(px))} ${at(toY(py))}`).join("");
    const dots = all.length <= 40 ? all.map(([px, py]) => `<circle class="s${colour} dot" cx="${at(toX(px))}" cy="${at(toY(py))}" r="3"/>`).join("") : "";
    return `<path class="s${colour} line${dashed ? " dashed" : ""}" d="${path}"/>${dots}`;
  });
  const legend = lines.map(({ label, colour, dashed }) => `<span><i class="s${colour}${dashed ? " dashed" : ""}"></i>${escapeHtml(label)}</span>`).join("");
  return `<figure class="chart"><svg viewBox="0 0 ${view.width} ${view.height}" role="img" aria-label="${escapeHtml(title)}">${set ?? ""}${grid.join("")}<line class="axis" x1="${view.left}" x2="${view.width - view.right}" y1="${floor}" y2="${floor}"/>${marks.join("")}<text x="${(view.left + view.width - view.right) / 2}" y="${view.height - 6}" text-anchor="middle">${escapeHtml(xLabel)}</text><text class="y" transform="translate(14 ${(view.top + floor) / 2}) rotate(-90)" text-anchor="middle">${escapeHtml(yLabel)}</text>${drawn.join("")}</svg><figcaption class="legend">${legend}</figcaption></figure>`;
}
