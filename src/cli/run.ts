/**
 * Runs one command and turns however it ends into words and an exit status: 0 done, 1 failure, 2 usage, 3 blocked by a guard,
 * 130 cancelled. A user never meets a raw stack trace; ORRERY_DEBUG=1 shows it.
 */
import { inspect } from "node:util";
import { fromSystemError, OrreryError } from "../errors.ts";
import type { Command } from "./command.ts";
import { makeOutput, printable, type Sink } from "./output.ts";
import { parseCommand } from "./parse.ts";
import { ProgressBar } from "./progress-bar.ts";

/** The world around a command; tests pass their own. */
export interface Host {
  stdout: Sink;
  stderr: Sink;
  env: Record<string, string | undefined>;
  signal: AbortSignal;
}

export async function runCommand(command: Command, words: readonly string[], host: Host): Promise<number> {
  let bar: ProgressBar | undefined;
  try {
    const parsed = parseCommand(command, words, host.stdout.columns);
    if (parsed.kind === "help") {
      host.stdout.write(parsed.text);
      return 0;
    }
    bar = new ProgressBar({ stream: host.stderr, quiet: parsed.quiet });
    const output = makeOutput(host.stdout, parsed.json, host.env, bar.clear);
    const { args, options, overrides } = parsed;
    await command.run({ args, options, overrides, output, progress: bar.update, signal: host.signal });
    bar.finish();
    // Work that noticed Ctrl-C and returned quietly has still been cancelled.
    return host.signal.aborted ? 130 : 0;
  } catch (error) {
    bar?.finish();
    return reportFailure(error, wantsJson(words), host);
  }
}

export function wantsJson(words: readonly string[]): boolean {
  return words.includes("--json");
}

/** Says on stderr what went wrong and returns the exit status. */
export function reportFailure(thrown: unknown, json: boolean, { stderr, env, signal }: Pick<Host, "stderr" | "env" | "signal">): number {
  const error = asOrreryError(thrown, signal);
  const debug = Boolean(env["ORRERY_DEBUG"]) && env["ORRERY_DEBUG"] !== "0";
  if (json) {
    stderr.write(`${JSON.stringify({ error: { code: error.code, message: error.message, exit: error.exitCode } })}\n`);
  } else {
    stderr.write(`${printable(`orrery: ${error.message}`)} [${error.code}]\n`);
  }
  if (debug) stderr.write(`${printable(inspect(thrown, { depth: 4 }))}\n`);
  return error.exitCode;
}

function asOrreryError(thrown: unknown, signal: AbortSignal): OrreryError {
  if (thrown instanceof OrreryError) return thrown;
  if (thrown instanceof Error && thrown.name === "AbortError" && signal.aborted)
    return new OrreryError("cancelled", "stopped; run the same command again to continue", { cause: thrown });
  const path = (thrown as NodeJS.ErrnoException | undefined)?.path;
  const known = fromSystemError(thrown, path ?? "a file");
  if (known instanceof OrreryError) return known;
  const said = (thrown instanceof Error ? thrown.message : String(thrown)).split("\n")[0]!.slice(0, 300);
  return new OrreryError("internal", `a defect in Orrery: ${said}; run it again with ORRERY_DEBUG=1 to see where, and please report it`, { cause: thrown });
}
