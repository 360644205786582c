/**
 * What a command is. A file in `commands/` exports one `command` made by `defineCommand`; the table in `commands.ts` loads
 * it only when it is called. The command declares what it takes and does its work; parsing, help, progress, Ctrl-C, `--json`
 * and exit codes are done around it by `parse.ts` and `run.ts`.
 */
import type { Progress } from "../progress.ts";
import type { ArgSpec, OptionSpec } from "./options.ts";
import type { Output } from "./output.ts";

export type Args = Record<string, ArgSpec<unknown>>;
export type Options = Record<string, OptionSpec<unknown>>;

type ArgValues<A extends Args> = { [K in keyof A]: A[K] extends ArgSpec<infer T> ? T : never };
type OptionValues<O extends Options> = { [K in keyof O]: O[K] extends OptionSpec<infer T> ? T : never };

/** What `run` is given. */
export interface Invocation<A extends Args = Args, O extends Options = Options> {
  args: ArgValues<A>;
  options: OptionValues<O>;
  /** The raw `key=value` words, for `resolveConfig`; empty unless the command sets `overrides: true`. */
  overrides: readonly string[];
  /** Text and data for stdout. Nothing else may write there. */
  output: Output;
  /** How far the work is; drawn on stderr. Hand it down to the room that works. */
  progress: Progress;
  /** Aborted by the first Ctrl-C. Hand it down as well; the room throws `cancelled` once its state is safe. */
  signal: AbortSignal;
}

/** A line of a command's help: what to type, and what it does. */
export interface Example {
  type: string;
  does: string;
}

export interface Command<A extends Args = Args, O extends Options = Options> {
  /** The words that call it: "doctor", "train tokenizer". */
  readonly name: string;
  /** What it does, in one line without a full stop. */
  readonly summary: string;
  /** What a user should know before the first use; a short paragraph. */
  readonly description?: string;
  /** At least one. */
  readonly examples: readonly [Example, ...Example[]];
  /** Words by place, in this order. */
  readonly args?: A;
  readonly options?: O;
  /** Accept `key=value` words anywhere after the command. */
  readonly overrides?: true;
  /** Does the work. Failure is an `OrreryError`; returning means success. */
  run(invocation: Invocation<A, O>): Promise<void>;
}

/** Checks a command's declaration against its `run` and forgets the exact types, so that the table can hold it. */
export function defineCommand<A extends Args = Record<never, never>, O extends Options = Record<never, never>>(command: Command<A, O>): Command {
  return command as unknown as Command;
}
