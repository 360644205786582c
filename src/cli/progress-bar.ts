/**
 * Draws progress on stderr. On a terminal one line is redrawn, with a bar, the rate and the time left; anywhere else (a log
 * file, CI) plain lines appear when a stage begins, every few seconds, and when it ends. There is no timer: an idle bar
 * costs nothing and cannot keep the process alive.
 */
import type { Progress, ProgressEvent } from "../progress.ts";
import { printable, type Sink } from "./output.ts";

const redrawEveryMs = 100;
const plainEveryMs = 5_000;
/** The rate is taken over this much of the recent past, so that a slow start (compiling) is soon forgotten. */
const rateWindowMs = 30_000;
const barCells = 24;
const eighths = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

export interface ProgressBarOptions {
  stream: Sink;
  quiet?: boolean;
  /** The clock in milliseconds; tests pass their own. */
  now?: () => number;
}

/** `7`, `1:05`, `2:03:09`. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n: number): string => String(n).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** A count in its unit: `1,234 frames`, `12.3 MB`. */
export function quantity(value: number, unit: string | undefined): string {
  if (unit === "bytes") {
    const scale = Math.min(4, Math.max(0, Math.floor(Math.log10(Math.max(1, value)) / 3)));
    return `${scale === 0 ? Math.round(value) : (value / 1000 ** scale).toFixed(1)} ${["B", "kB", "MB", "GB", "TB"][scale]}`;
  }
  const digits = value >= 100 || Number.isInteger(value) ? 0 : value >= 10 ? 1 : 2;
  const figure = value.toLocaleString("en-US", { maximumFractionDigits: digits, minimumFractionDigits: digits });
  return unit === undefined ? figure : `${figure} ${unit}`;
}

export class ProgressBar {
  readonly #stream: Sink;
  readonly #quiet: boolean;
  readonly #live: boolean;
  readonly #now: () => number;
  #event: ProgressEvent | undefined;
  #samples: { at: number; done: number }[] = [];
  #startedAt = 0;
  #drawnAt = -Infinity;
  #drawnDone = -1;
  #onScreen = false;

  constructor({ stream, quiet = false, now = () => performance.now() }: ProgressBarOptions) {
    this.#stream = stream;
    this.#quiet = quiet;
    this.#live = stream.isTTY === true;
    this.#now = now;
  }

  readonly update: Progress = (event) => {
    if (this.#quiet) return;
    const now = this.#now();
    const began = event.stage !== this.#event?.stage;
    if (began) {
      this.finish();
      this.#samples = [];
      this.#startedAt = now;
      this.#drawnAt = -Infinity;
      this.#drawnDone = -1;
    }
    this.#event = event;
    this.#sample(now, event.done);
    const ended = event.total !== undefined && event.done >= event.total;
    if (began || ended || now - this.#drawnAt >= (this.#live ? redrawEveryMs : plainEveryMs)) this.#draw(now, ended);
  };

  /** Takes the bar off the screen, so that something else can be written there; the next event draws it again. */
  readonly clear = (): void => {
    if (this.#onScreen) this.#stream.write("\r\u001b[K");
    this.#onScreen = false;
    this.#drawnAt = -Infinity;
  };

  /** Leaves the last state of the stage standing and goes to a new line. */
  readonly finish = (): void => {
    if (this.#event && this.#event.done !== this.#drawnDone) this.#draw(this.#now(), true);
    if (this.#onScreen) this.#stream.write("\n");
    this.#onScreen = false;
    this.#event = undefined;
  };

  #sample(at: number, done: number): void {
    const last = this.#samples.at(-1);
    // Work that goes back (a second pass of the same stage) starts a new measurement.
    if (last && done < last.done) this.#samples = [];
    if (this.#samples.length > 1 && last && at - last.at < 250) Object.assign(last, { at, done });
    else this.#samples.push({ at, done });
    while (this.#samples.length > 2 && at - this.#samples[1]!.at > rateWindowMs) this.#samples.shift();
  }

  #rate(): number | undefined {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (!first || !last || last.at - first.at < 200 || last.done <= first.done) return undefined;
    return ((last.done - first.done) / (last.at - first.at)) * 1000;
  }

  #figures(now: number, ended: boolean): string[] {
    const { done, total, unit, note } = this.#event!;
    const rate = this.#rate();
    const parts: string[] = [];
    if (total === undefined) parts.push(quantity(done, unit));
    else if (unit === "bytes") parts.push(`${quantity(done, unit)} of ${quantity(total, unit)}`);
    else parts.push(`${quantity(done, undefined)}/${quantity(total, unit)}`);
    if (rate !== undefined) parts.push(`${quantity(rate, unit)}/s`);
    if (ended) parts.push(`${clock((now - this.#startedAt) / 1000)} in all`);
    else if (rate !== undefined && total !== undefined) parts.push(`${clock((total - done) / rate)} left`);
    if (note) parts.push(note);
    return parts;
  }

  #draw(now: number, ended: boolean): void {
    const { stage, done, total } = this.#event!;
    this.#drawnAt = now;
    this.#drawnDone = done;
    const share = total === undefined ? undefined : total > 0 ? Math.min(1, Math.max(0, done / total)) : 1;
    const percent = share === undefined ? "" : `${String(Math.floor(share * 100)).padStart(3)}%`;
    const figures = this.#figures(now, ended).join("  ");
    if (!this.#live) {
      this.#stream.write(`${printable(`${stage}: ${share === undefined ? "" : `${percent.trim()}, `}${figures.replaceAll("  ", ", ")}`)}\n`);
      return;
    }
    const full = share === undefined ? "" : ` ${drawBar(share)} ${percent}`;
    const line = printable(`${stage}${full}  ${figures}`).replaceAll("\n", " ");
    const columns = this.#stream.columns ?? 80;
    // A line that wraps could not be redrawn in place, so it is cut one short of the edge.
    this.#stream.write(`\r${line.length < columns ? line : line.slice(0, columns - 1)}\u001b[K`);
    this.#onScreen = true;
  }
}

function drawBar(share: number): string {
  const filled = Math.floor(share * barCells * 8);
  const whole = Math.floor(filled / 8);
  return `▕${("█".repeat(whole) + eighths[filled % 8]).padEnd(barCells, " ")}▏`;
}
