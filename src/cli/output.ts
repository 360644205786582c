/**
 * What a command says on stdout: text for people, or with `--json` one JSON document and nothing else. A command calls both
 * `text` and `data`; which of them is heard is the user's choice.
 */

/** The part of a stream that is used here, so that a test can pass an array. */
export interface Sink {
  write(text: string): unknown;
  isTTY?: boolean | undefined;
  columns?: number | undefined;
}

export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  good(text: string): string;
  bad(text: string): string;
  warn(text: string): string;
}

export interface Output {
  readonly json: boolean;
  readonly style: Style;
  /** One line, or several, for people. Silent under `--json`. */
  text(lines?: string): void;
  /** Rows in aligned columns, for people; numbers to the right. Silent under `--json`. */
  table(rows: readonly (readonly (string | number)[])[]): void;
  /** The result, for programs. Silent without `--json`; to be called once. */
  data(value: unknown): void;
}

const sgr = (code: number, on: boolean) => (text: string) => (on ? `\u001b[${code}m${text}\u001b[0m` : text);

/** Colours when the stream is a terminal, NO_COLOR is unset and TERM is not "dumb"; FORCE_COLOR turns them on anywhere. */
export function makeStyle(stream: Sink, env: Record<string, string | undefined>): Style {
  const forced = env["FORCE_COLOR"] !== undefined && env["FORCE_COLOR"] !== "0";
  const on = !env["NO_COLOR"] && (forced || (stream.isTTY === true && env["TERM"] !== "dumb"));
  return { bold: sgr(1, on), dim: sgr(2, on), good: sgr(32, on), bad: sgr(31, on), warn: sgr(33, on) };
}

/**
 * Names of tensors, files and metadata come from strangers. Whatever is printed may colour itself, but can neither move the
 * cursor nor retitle the terminal.
 */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- removing them is the point
  return text.replace(/\u001b\[[0-9;]*m|[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, (found) =>
    found.length > 1 ? found : "\ufffd",
  );
}

// oxlint-disable-next-line no-control-regex -- colours take no columns
const width = (cell: string): number => cell.replace(/\u001b\[[0-9;]*m/g, "").length;

function align(rows: readonly (readonly (string | number)[])[]): string[] {
  const columns: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (columns[i] = Math.max(columns[i] ?? 0, width(String(cell)))));
  return rows.map((row) =>
    row
      .map((cell, i) => {
        const space = " ".repeat(columns[i]! - width(String(cell)));
        return typeof cell === "number" ? space + cell : cell + space;
      })
      .join("  ")
      .trimEnd(),
  );
}

/** JSON has no bigint, typed array, map, Infinity or NaN; each becomes the nearest thing that it has. */
function plain(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (typeof value === "number" && !Number.isFinite(value)) return null;
  if (value instanceof Map) return Object.fromEntries(value);
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return Array.from(value as unknown as ArrayLike<number>);
  return value;
}

/** `beforeWrite` lets the progress bar leave the line before text arrives on the same terminal. */
export function makeOutput(stream: Sink, json: boolean, env: Record<string, string | undefined>, beforeWrite: () => void = () => {}): Output {
  const write = (text: string): void => {
    beforeWrite();
    stream.write(text);
  };
  return {
    json,
    style: makeStyle(stream, env),
    text(lines = "") {
      if (!json) write(`${printable(lines)}\n`);
    },
    table(rows) {
      if (!json && rows.length > 0) write(`${printable(align(rows).join("\n"))}\n`);
    },
    data(value) {
      if (json) write(`${JSON.stringify(value, plain, 2)}\n`);
    },
  };
}
