/**
 * The door of the command line. It knows the table of commands and nothing heavier, so `orrery --help` costs little more
 * than starting Node; the command that is called, and the parser, are loaded then.
 */
import { readFileSync } from "node:fs";
import type { CommandEntry } from "./commands.ts";
import { commandTable, groupSummaries } from "./commands.ts";
import type { Host } from "./run.ts";

/** Runs what the words ask for and gives the exit status. */
export async function main(words: readonly string[], host: Host): Promise<number> {
  const [first, ...others] = words;
  if (first === "--version" || first === "-V") {
    host.stdout.write(`${readVersion()}\n`);
    return 0;
  }
  if (first === "help") return main(others[0] === "help" ? [] : [...others, "--help"], host);
  if (first === undefined || isHelp(first)) {
    host.stdout.write(topHelp());
    return 0;
  }
  // The longer name wins: `curate plan` is not `curate` of a file named plan, which is `curate ./plan`.
  const members = commandTable.filter(({ name }) => name.startsWith(`${first} `));
  const member = members.find(({ name }) => name.split(" ").every((word, i) => words[i] === word));
  if (member) return call(member, words.slice(member.name.split(" ").length), host);
  const single = commandTable.find(({ name }) => name === first);
  if (single) return call(single, others, host);
  if (members.length > 0 && isHelp(others[0])) {
    host.stdout.write(groupHelp(first, members));
    return 0;
  }
  return refuse(words, members, host);
}

async function call(entry: CommandEntry, words: readonly string[], host: Host): Promise<number> {
  const { reportFailure, runCommand, wantsJson } = await import("./run.ts");
  try {
    return await runCommand((await entry.load()).command, words, host);
  } catch (error) {
    // Only a module that cannot be loaded ends up here.
    return reportFailure(error, wantsJson(words), host);
  }
}

/** No such command: says which one was probably meant. */
async function refuse(words: readonly string[], members: readonly CommandEntry[], host: Host): Promise<number> {
  const [{ reportFailure, wantsJson }, { OrreryError }, { didYouMean }] = await Promise.all([
    import("./run.ts"),
    import("../errors.ts"),
    import("./suggest.ts"),
  ]);
  const [first = "", second] = words;
  let message: string;
  if (first.startsWith("-")) message = `unknown option ${first}; see orrery --help`;
  else if (members.length > 0) {
    const names = members.map(({ name }) => name.slice(first.length + 1));
    const given = second === undefined || second.startsWith("-") ? "" : `"${second}" is not one of its commands${didYouMean(second, names)}; `;
    message = `orrery ${first}: ${given}expected ${names.join(" or ")}; see orrery ${first} --help`;
  } else {
    const names = new Set(commandTable.flatMap(({ name }) => [name.split(" ")[0]!]));
    message = `"${first}" is not a command${didYouMean(first, names)}; see orrery --help`;
  }
  return reportFailure(new OrreryError("bad_argument", message), wantsJson(words), host);
}

const isHelp = (word: string | undefined): boolean => word === "--help" || word === "-h";

function readVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string };
  return manifest.version;
}

function listing(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, summary]) => `  ${name.padEnd(width)}  ${summary}`).join("\n");
}

export function topHelp(): string {
  const rows = new Map<string, string>();
  for (const { name, summary } of commandTable) {
    const [first, second] = name.split(" ") as [string, string?];
    if (second === undefined) rows.set(first, summary);
    else if (!rows.has(first)) rows.set(first, groupSummaries[first] ?? `see orrery ${first} --help`);
  }
  return `Usage: orrery COMMAND [options]

A world-foundation-model platform: curate video, tokenize it, train and run world models.

Commands:
${listing([...rows])}

Every command takes --help (with examples), --json and --quiet. Also: --version.
Exit status: 0 done, 1 failure, 2 usage, 3 blocked by a guard, 130 cancelled.
`;
}

function groupHelp(group: string, members: readonly CommandEntry[]): string {
  return `Usage: orrery ${group} COMMAND [options]

Commands:
${listing(members.map(({ name, summary }) => [name, summary] as const))}

See orrery ${members[0]!.name} --help for its options and examples.
`;
}

/** What `bin/orrery.mjs` calls: `main` on the real process. */
export async function start(): Promise<never> {
  const [{ listenForInterruption }, { tolerateLostReaders, settled }] = await Promise.all([import("./signals.ts"), import("./streams.ts")]);
  tolerateLostReaders();
  const { signal } = listenForInterruption((line) => process.stderr.write(`\norrery: ${line}\n`));
  const host: Host = { stdout: process.stdout, stderr: process.stderr, env: process.env, signal };
  const words = process.argv.slice(2);
  const onStray = (error: unknown): void => {
    void import("./run.ts").then(async ({ reportFailure, wantsJson }) => {
      const code = reportFailure(error, wantsJson(words), host);
      await settled();
      process.exit(code);
    });
  };
  process.on("uncaughtException", onStray);
  process.on("unhandledRejection", onStray);
  const code = await main(words, host);
  await settled();
  process.exit(code);
}
