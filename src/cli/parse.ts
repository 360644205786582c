/**
 * From words to values: builds a commander program out of a command's declaration, lets it split the words and write the
 * help, then checks and converts each value by its own declaration. Commander never prints or exits here; whatever it
 * dislikes becomes a `bad_argument`.
 */
import { Argument, Command as Program, CommanderError, Option } from "commander";
import { OrreryError } from "../errors.ts";
import type { Command, Invocation } from "./command.ts";
import { type ArgSpec, flagName, type OptionSpec } from "./options.ts";

export type Parsed =
  | { kind: "help"; text: string }
  | { kind: "run"; json: boolean; quiet: boolean; args: Invocation["args"]; options: Invocation["options"]; overrides: readonly string[] };

const everyCommand = "Options of every command:";

/** `lr=1e-4`, `optimizer.betas=[0.9, 0.95]`: a dotted key, then an equals sign. */
const overridePattern = /^[A-Za-z_][\w-]*(\.[\w-]+)*=/;

export function parseCommand(command: Command, words: readonly string[], columns = 80): Parsed {
  const { program, written } = buildProgram(command, columns);
  const { rest, overrides } = command.overrides ? takeOverrides(command, words) : { rest: [...words], overrides: [] };
  try {
    program.parse(rest, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === "commander.helpDisplayed") return { kind: "help", text: written.join("") };
    throw new OrreryError("bad_argument", explain(command, error), { cause: error });
  }
  const raw = program.opts<Record<string, string | string[] | boolean | undefined>>();
  const args: Record<string, unknown> = {};
  Object.keys(command.args ?? {}).forEach((key, i) => (args[key] = checkArg(key, command.args![key]!, program.processedArgs[i])));
  const options: Record<string, unknown> = {};
  for (const [key, spec] of Object.entries(command.options ?? {})) options[key] = checkOption(command, key, spec, raw[key]);
  return { kind: "run", json: raw["json"] === true, quiet: raw["quiet"] === true, args, options, overrides };
}

function buildProgram(command: Command, columns: number): { program: Program; written: string[] } {
  const written: string[] = [];
  const program = new Program(`orrery ${command.name}`)
    .exitOverride()
    .configureOutput({ writeOut: (text) => written.push(text), writeErr: () => {}, getOutHelpWidth: () => Math.min(columns, 110) })
    .description(`${sentence(command.summary)}${command.description ? `\n\n${command.description}` : ""}`)
    .helpOption(false)
    .allowExcessArguments(false);
  for (const [key, spec] of Object.entries(command.args ?? {})) program.addArgument(declareArg(key, spec));
  for (const [key, spec] of Object.entries(command.options ?? {})) program.addOption(declareOption(key, spec));
  program.addOption(new Option("--json", "write the result to stdout as JSON").helpGroup(everyCommand));
  program.addOption(new Option("-q, --quiet", "no progress on stderr").helpGroup(everyCommand));
  program.addHelpOption(new Option("-h, --help", "show this help").helpGroup(everyCommand));
  if (command.overrides) program.usage(`${usageOf(command)} [key=value...]`);
  program.addHelpText("after", () => `\nExamples:\n${command.examples.map(({ type, does }) => `  # ${does}\n  $ ${type}`).join("\n\n")}`);
  return { program, written };
}

function usageOf(command: Command): string {
  const words = Object.entries(command.args ?? {}).map(([key, { arity, metavar = key.toUpperCase() }]) => {
    if (arity === "one") return `<${metavar}>`;
    return arity === "optional" ? `[${metavar}]` : arity === "some" ? `<${metavar}...>` : `[${metavar}...]`;
  });
  return ["[options]", ...words].join(" ");
}

function declareArg(key: string, { arity, metavar = key.toUpperCase(), help }: ArgSpec<unknown>): Argument {
  const name = arity === "any" || arity === "some" ? `${metavar}...` : metavar;
  return new Argument(arity === "one" || arity === "some" ? `<${name}>` : `[${name}]`, help);
}

function declareOption(key: string, spec: OptionSpec<unknown>): Option {
  const inverted = spec.metavar === undefined && spec.default === true;
  const long = `--${inverted ? "no-" : ""}${flagName(key)}`;
  const value = spec.metavar === undefined ? "" : ` <${spec.metavar}${spec.many ? "..." : ""}>`;
  return new Option(`${spec.short ? `-${spec.short}, ` : ""}${long}${value}`, describe(spec));
}

/** The help of an option, with its range and what happens when it is not given. */
function describe(spec: OptionSpec<unknown>): string {
  const notes: string[] = [];
  if (/ from | at (least|most) /.test(spec.expects)) notes.push(spec.expects);
  if (spec.required) notes.push("required");
  else if (spec.metavar !== undefined && !spec.many && spec.default !== undefined) notes.push(`default: ${show(spec.default)}`);
  return notes.length > 0 ? `${spec.help} (${notes.join("; ")})` : spec.help;
}

function show(value: unknown): string {
  if (typeof value === "object" && value !== null && "width" in value && "height" in value) return `${String(value.width)}x${String(value.height)}`;
  return String(value);
}

function checkOption(command: Command, key: string, spec: OptionSpec<unknown>, raw: string | string[] | boolean | undefined): unknown {
  const label = `--${flagName(key)}`;
  if (raw === undefined) {
    if (spec.required) throw new OrreryError("bad_argument", `${label} is missing (${spec.help}); see orrery ${command.name} --help`);
    return spec.default;
  }
  if (typeof raw === "boolean") return raw;
  return Array.isArray(raw) ? raw.map((word) => spec.parse(word, label)) : spec.parse(raw, label);
}

function checkArg(key: string, spec: ArgSpec<unknown>, raw: unknown): unknown {
  const words = (Array.isArray(raw) ? raw : raw === undefined ? [] : [raw]) as string[];
  if (words.some((word) => word.trim() === ""))
    throw new OrreryError("bad_argument", `${spec.metavar ?? key.toUpperCase()} is empty; expected ${spec.help} (an unset shell variable?)`);
  return spec.arity === "any" || spec.arity === "some" ? words : words[0];
}

/** Takes the `key=value` words out, except where a word must be the value of the option before it (`--out a=b`). */
function takeOverrides(command: Command, words: readonly string[]): { rest: string[]; overrides: string[] } {
  const takesValue = new Set<string>();
  for (const [key, spec] of Object.entries(command.options ?? {})) {
    if (spec.metavar === undefined) continue;
    takesValue.add(`--${flagName(key)}`);
    if (spec.short) takesValue.add(`-${spec.short}`);
  }
  const rest: string[] = [];
  const overrides: string[] = [];
  words.forEach((word, i) => {
    const isValue = i > 0 && takesValue.has(words[i - 1]!);
    (!isValue && overridePattern.test(word) ? overrides : rest).push(word);
  });
  return { rest, overrides };
}

/** Commander's complaint in the house's manner: what is wrong, what to do. */
function explain(command: Command, error: CommanderError): string {
  const [first = "", hint = ""] = error.message.replace(/^error: /, "").split("\n");
  const guess = /\(Did you mean (.+)\?\)/.exec(hint)?.[1];
  return `${first}${guess ? `; did you mean ${guess}?` : ""}; see orrery ${command.name} --help`;
}

function sentence(summary: string): string {
  return `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`;
}
