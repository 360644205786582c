/**
 * What a command can be given, declared once: the same declaration parses, checks the range, fills the default, writes the
 * help and types the value that `run` receives. An option's key is its flag: `batchSize` is `--batch-size`.
 */
import { OrreryError } from "../errors.ts";

/** One option. `T` is the type `run` receives. Make one with `integer`, `number`, `text`, `choice`, `toggle`, `size` or `list`. */
export interface OptionSpec<T> {
  readonly help: string;
  /** One letter, for `-o`. */
  readonly short?: string | undefined;
  /** How the value is written in the help, `N` or `FILE`; an option without one is a switch. */
  readonly metavar?: string | undefined;
  /** What is accepted, for the help and for error messages: "a whole number from 1 to 64". */
  readonly expects: string;
  readonly many: boolean;
  readonly required: boolean;
  readonly default: T | undefined;
  /** One raw word to one value; throws `bad_argument`, naming the option by `label`. */
  parse(raw: string, label: string): unknown;
}

/** What every option may say about itself. */
export interface Declaration<T> {
  help: string;
  short?: string;
  metavar?: string;
  required?: true;
  default?: T;
}

/** The value is certain when the option is required or has a default. */
type Settled<T, D> = D extends { required: true } ? T : D extends { default: NonNullable<unknown> } ? T : T | undefined;

type Parsed<T> = { value: T } | undefined;

function option<T, V>(declared: Declaration<V>, expects: string, metavar: string | undefined, read: (raw: string) => Parsed<T>, many = false): OptionSpec<never> {
  const spec: OptionSpec<V> = {
    help: declared.help,
    short: declared.short,
    metavar: metavar === undefined ? undefined : (declared.metavar ?? metavar),
    expects,
    many,
    required: declared.required === true,
    default: declared.default,
    parse(raw, label) {
      const parsed = read(raw);
      if (parsed === undefined) throw new OrreryError("bad_argument", `${label} is "${raw}"; expected ${expects}`);
      return parsed.value;
    },
  };
  return spec as OptionSpec<never>;
}

interface Range {
  min?: number;
  max?: number;
}

function within(range: Range): string {
  if (range.min !== undefined && range.max !== undefined) return ` from ${range.min} to ${range.max}`;
  if (range.min !== undefined) return `, at least ${range.min}`;
  return range.max === undefined ? "" : `, at most ${range.max}`;
}

function inRange(value: number, { min = -Infinity, max = Infinity }: Range): Parsed<number> {
  return value >= min && value <= max ? { value } : undefined;
}

/** A whole number, `--steps 1000`. */
export function integer<const D extends Declaration<number> & Range>(declared: D): OptionSpec<Settled<number, D>> {
  return option(declared, `a whole number${within(declared)}`, "N", (raw) =>
    /^[+-]?\d{1,15}$/.test(raw) ? inRange(Number(raw), declared) : undefined,
  );
}

/** A number, `--guidance 7.5` or `--rate 1e-4`. */
export function number<const D extends Declaration<number> & Range>(declared: D): OptionSpec<Settled<number, D>> {
  return option(declared, `a number${within(declared)}`, "X", (raw) =>
    /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(raw) && Number.isFinite(Number(raw)) ? inRange(Number(raw), declared) : undefined,
  );
}

/** Any words, also the path of a file (`metavar: "FILE"`). Empty text is refused: it is nearly always an unset shell variable. */
export function text<const D extends Declaration<string>>(declared: D): OptionSpec<Settled<string, D>> {
  return option(declared, "some text", "TEXT", (raw) => (raw.trim() === "" ? undefined : { value: raw }));
}

/** One word of a fixed list, `--device cpu`. */
export function choice<const V extends readonly string[], const D extends Declaration<V[number]>>(
  values: V,
  declared: D,
): OptionSpec<Settled<V[number], D>> {
  return option(declared, `one of ${values.join(", ")}`, values.join("|"), (raw) =>
    values.includes(raw) ? { value: raw } : undefined,
  );
}

/** A switch, `--overwrite`; with `default: true` it is switched off by `--no-…`. */
export function toggle(declared: { help: string; short?: string; default?: boolean }): OptionSpec<boolean> {
  return option({ default: false, ...declared }, "no value", undefined, () => ({ value: true }));
}

/** A picture size, `--size 320x192`, width first. */
export interface Size {
  width: number;
  height: number;
}

export function size<const D extends Declaration<Size> & Range>(declared: D): OptionSpec<Settled<Size, D>> {
  return option(declared, `WIDTHxHEIGHT in pixels, such as 320x192${declared.min || declared.max ? `, each side${within(declared)}` : ""}`, "WxH", (raw) => {
    const match = /^(\d{1,6})x(\d{1,6})$/.exec(raw);
    const [width, height] = [Number(match?.[1]), Number(match?.[2])];
    const fits = match && width > 0 && height > 0 && inRange(width, declared) && inRange(height, declared);
    return fits ? { value: { width, height } } : undefined;
  });
}

/** Several values, `--data a.mp4 b.mp4` or `--data a.mp4 --data b.mp4`. Not given at all, it is an empty list. */
export function list(declared: { help: string; short?: string; metavar?: string; required?: true }): OptionSpec<string[]> {
  return option({ default: [], ...declared } as Declaration<string[]>, "one or more values", "ITEM", (raw) => (raw.trim() === "" ? undefined : { value: raw }), true);
}

/** One word given by its place rather than by a flag. */
export interface ArgSpec<T> {
  readonly help: string;
  readonly metavar?: string | undefined;
  readonly arity: "one" | "optional" | "any" | "some";
  /** Carries the type only. */
  readonly value?: T;
}

/** A word that must be given. */
export const one = (help: string, metavar?: string): ArgSpec<string> => ({ help, metavar, arity: "one" });
/** A word that may be left out. */
export const optional = (help: string, metavar?: string): ArgSpec<string | undefined> => ({ help, metavar, arity: "optional" });
/** Any number of words, none included; only as the last argument. */
export const any = (help: string, metavar?: string): ArgSpec<string[]> => ({ help, metavar, arity: "any" });
/** One word or more; only as the last argument. */
export const some = (help: string, metavar?: string): ArgSpec<string[]> => ({ help, metavar, arity: "some" });

/** `batchSize` to `batch-size`. */
export function flagName(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Options that mean the same in every command that has them. */
export const shared = {
  device: choice(["cpu", "webgpu", "cuda"], { default: "cpu", help: "where the arithmetic runs" }),
  threads: integer({ min: 1, max: 1024, help: "threads for arithmetic (default: one per physical core)" }),
  seed: integer({ min: 0, max: 4_294_967_295, default: 0, help: "where randomness starts; the same seed gives the same result" }),
  output: text({ short: "o", required: true, metavar: "FILE", help: "file to write" }),
} as const;
