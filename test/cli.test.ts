/** The command line as a whole: its table, parsing, help, output, progress, cancellation and exit codes. */
import { spawn, spawnSync } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { type Command, defineCommand, type Options } from "../src/cli/command.ts";
import { commandTable } from "../src/cli/commands.ts";
import { main, topHelp } from "../src/cli/main.ts";
import { choice, integer, list, number, one, optional, size, some, text, toggle } from "../src/cli/options.ts";
import { makeOutput, printable } from "../src/cli/output.ts";
import { parseCommand } from "../src/cli/parse.ts";
import { clock, ProgressBar, quantity } from "../src/cli/progress-bar.ts";
import { runCommand, type Host } from "../src/cli/run.ts";
import { listenForInterruption } from "../src/cli/signals.ts";
import { OrreryError } from "../src/errors.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const bin = join(root, "bin/orrery.mjs");

function makeHost(signal = new AbortController().signal): Host & { out: () => string; err: () => string } {
  const [out, err]: [string[], string[]] = [[], []];
  return {
    stdout: { write: (chunk) => out.push(chunk) },
    stderr: { write: (chunk) => err.push(chunk) },
    env: {},
    signal,
    out: () => out.join(""),
    err: () => err.join(""),
  };
}

const examples = [{ type: "orrery probe x", does: "try it" }] as const;

const probe = defineCommand({
  name: "probe",
  summary: "a command for this test",
  examples,
  args: { path: one("file to read", "FILE"), other: optional("another file") },
  options: {
    steps: integer({ min: 1, max: 10, default: 5, help: "how many" }),
    rate: number({ min: 0, help: "how fast" }),
    device: choice(["cpu", "webgpu"], { default: "cpu", help: "where" }),
    batchSize: integer({ short: "b", help: "how many at once" }),
    size: size({ min: 16, help: "picture" }),
    out: text({ short: "o", metavar: "FILE", help: "where to" }),
    data: list({ metavar: "CLIP", help: "clips" }),
    guard: toggle({ default: true, help: "do not guard" }),
    overwrite: toggle({ help: "write over what is there" }),
  },
  overrides: true,
  async run({ args, options, overrides, output }) {
    output.text(`${args.path} ${options.steps.toFixed(0)}`);
    output.data({ args, options, overrides });
  },
});

function values(...words: string[]): { args: Record<string, unknown>; options: Record<string, unknown>; overrides: readonly string[] } {
  const parsed = parseCommand(probe, words);
  if (parsed.kind === "help") throw new Error("help");
  return parsed;
}

describe("the table", () => {
  test("every file of commands/ has its line, and lines and files agree", async () => {
    const files = readdirSync(join(root, "src/cli/commands")).filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"));
    expect(commandTable.map(({ name }) => `${name.replaceAll(" ", "-")}.ts`).sort()).toEqual(files.sort());
    for (const entry of commandTable) {
      const { command } = await entry.load();
      expect([command.name, command.summary]).toEqual([entry.name, entry.summary]);
      expect(command.summary).not.toMatch(/\.$/);
      for (const { type } of command.examples) expect(type).toContain(`orrery ${command.name}`);
    }
  });

  test("every command's help has its examples", async () => {
    for (const entry of commandTable) {
      const host = makeHost();
      expect(await main([...entry.name.split(" "), "--help"], host)).toBe(0);
      expect(host.out()).toContain("Examples:");
      expect(host.out()).toContain(`$ orrery ${entry.name}`);
      expect(host.err()).toBe("");
    }
  });
});

describe("main", () => {
  test.each([[[]], [["--help"]], [["-h"]], [["help"]]])("%j shows every command", async (words) => {
    const host = makeHost();
    expect(await main(words, host)).toBe(0);
    expect(host.out()).toBe(topHelp());
  });

  test("an unknown command is a usage error with the nearest one", async () => {
    const host = makeHost();
    expect(await main(["docter"], host)).toBe(2);
    expect(host.err()).toBe(`orrery: "docter" is not a command; did you mean "doctor"?; see orrery --help [bad_argument]\n`);
    expect(await main(["--verbose"], makeHost())).toBe(2);
  });

  test("a command and its members: the longer name wins, a path is a path", async () => {
    const [member, path] = [makeHost(), makeHost()];
    await main(["curate", "plan", "--help"], member);
    expect(member.out()).toContain("orrery curate plan");
    expect(await main(["curate", "./plan", "-o", "/nonexistent/out"], path)).not.toBe(0);
    expect(path.err()).toMatch(/plan/);
    expect(path.err()).not.toMatch(/missing|usage/i);
    expect(topHelp()).toContain("turn raw video into a training set");
  });

  test("--version", async () => {
    const host = makeHost();
    expect(await main(["--version"], host)).toBe(0);
    expect(host.out()).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe("parsing", () => {
  test("defaults, conversions and names", () => {
    expect(values("a.mp4")).toMatchObject({
      args: { path: "a.mp4", other: undefined },
      options: { steps: 5, rate: undefined, device: "cpu", data: [], guard: true, overwrite: false },
      overrides: [],
    });
    expect(values("a", "b", "--steps", "7", "--rate=1e-4", "-b", "3", "--size", "64x32", "--no-guard", "--overwrite")).toMatchObject({
      args: { path: "a", other: "b" },
      options: { steps: 7, rate: 1e-4, batchSize: 3, size: { width: 64, height: 32 }, guard: false, overwrite: true },
    });
  });

  test("key=value words are found anywhere, except as an option's value", () => {
    const { args, options, overrides } = values("a", "x.y=1", "--data", "p.mp4", "q.mp4", "lr=[1, 2]", "--out", "o=1");
    expect([args["path"], options["data"], options["out"]]).toEqual(["a", ["p.mp4", "q.mp4"], "o=1"]);
    expect(overrides).toEqual(["x.y=1", "lr=[1, 2]"]);
  });

  test.each([
    [["a", "--steps", "0"], `--steps is "0"; expected a whole number from 1 to 10`],
    [["a", "--steps", "1.5"], `--steps is "1.5"; expected a whole number`],
    [["a", "--steps", ""], `--steps is ""`],
    [["a", "--rate", "-1"], `--rate is "-1"; expected a number, at least 0`],
    [["a", "--rate", "NaN"], `--rate is "NaN"`],
    [["a", "--rate", "Infinity"], `--rate is "Infinity"`],
    [["a", "--device", "gpu"], `--device is "gpu"; expected one of cpu, webgpu`],
    [["a", "--size", "8x64"], `--size is "8x64"; expected WIDTHxHEIGHT`],
    [["a", "--out", ""], `--out is ""; expected some text`],
    [["a", "--stesp", "3"], `unknown option '--stesp'; did you mean --steps?`],
    [["a", "b", "c"], "too many arguments"],
    [["a", "--steps"], "argument missing"],
    [[], "missing required argument 'FILE'"],
    [[""], "FILE is empty"],
  ])("%j is refused", (words, message) => {
    expect(() => parseCommand(probe, words)).toThrow(message);
    expect(() => parseCommand(probe, words)).toThrow(OrreryError);
  });

  test("a required option is named with its purpose", () => {
    const command = defineCommand({ name: "x", summary: "x", examples, args: { clips: some("clips") }, options: { out: text({ required: true, help: "file to write" }) }, run: async () => {} });
    expect(() => parseCommand(command, ["a"])).toThrow("--out is missing (file to write)");
  });

  test("help shows ranges, defaults, overrides and examples", () => {
    const parsed = parseCommand(probe, ["--help"]);
    const help = parsed.kind === "help" ? parsed.text : "";
    for (const piece of ["orrery probe [options] <FILE> [OTHER] [key=value...]", "how many (a whole number from 1 to 10; default: 5)", "--no-guard", "--data <CLIP...>", "$ orrery probe x", "--json"]) {
      expect(help.replace(/\s+/g, " ")).toContain(piece);
    }
  });
});

describe("running", () => {
  const failing = (thrown: unknown): Command => defineCommand<Record<never, never>, Options>({ name: "fail", summary: "x", examples, run: () => Promise.reject(thrown) });

  test("text for people, JSON for programs, never both", async () => {
    const human = makeHost();
    expect(await runCommand(probe, ["a"], human)).toBe(0);
    expect(human.out()).toBe("a 5\n");
    const machine = makeHost();
    expect(await runCommand(probe, ["a", "--json"], machine)).toBe(0);
    expect(JSON.parse(machine.out())).toMatchObject({ args: { path: "a" }, options: { steps: 5 } });
  });

  test.each([
    ["bad_argument", 2],
    ["bad_video", 1],
    ["blocked", 3],
    ["cancelled", 130],
  ] as const)("%s ends with %i", async (code, exit) => {
    const host = makeHost();
    expect(await runCommand(failing(new OrreryError(code, "what happened")), [], host)).toBe(exit);
    expect(host.err()).toBe(`orrery: what happened [${code}]\n`);
    const machine = makeHost();
    expect(await runCommand(failing(new OrreryError(code, "what happened")), ["--json"], machine)).toBe(exit);
    expect(JSON.parse(machine.err())).toEqual({ error: { code, message: "what happened", exit } });
    expect(machine.out()).toBe("");
  });

  test("a defect shows no stack, unless asked", async () => {
    const host = makeHost();
    expect(await runCommand(failing(new TypeError("x is not a function\nmore")), [], host)).toBe(1);
    expect(host.err()).toMatch(/^orrery: a defect in Orrery: x is not a function; .*ORRERY_DEBUG=1.* \[internal\]\n$/);
    const debugging = { ...makeHost(), env: { ORRERY_DEBUG: "1" } };
    await runCommand(failing(new TypeError("x")), [], debugging);
    expect(debugging.err()).toContain("cli.test.ts");
  });

  test("errors of the operating system are explained", async () => {
    const host = makeHost();
    const full = Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC", path: "/runs/a" });
    expect(await runCommand(failing(full), [], host)).toBe(1);
    expect(host.err()).toContain("no space left while writing /runs/a");
  });

  test("a command that returns after Ctrl-C still ends with 130", async () => {
    const controller = new AbortController();
    const command = defineCommand({ name: "x", summary: "x", examples, run: async () => controller.abort() });
    expect(await runCommand(command, [], makeHost(controller.signal))).toBe(130);
  });
});

describe("output", () => {
  test("names from strangers cannot drive the terminal", () => {
    expect(printable("a\u001b]0;title\u0007b\u001b[2Jc\u001b[31mred\u001b[0m\r\u202e")).toBe("a\ufffd]0;title\ufffdb\ufffd[2Jc\u001b[31mred\u001b[0m\ufffd\ufffd");
  });

  test("colour only on a terminal, and never with NO_COLOR", () => {
    const styled = (isTTY: boolean, env: Record<string, string>): string => makeOutput({ write: () => {}, isTTY }, false, env).style.bold("x");
    expect(styled(true, {})).toBe("\u001b[1mx\u001b[0m");
    expect([styled(false, {}), styled(true, { NO_COLOR: "1" }), styled(true, { TERM: "dumb" })]).toEqual(["x", "x", "x"]);
  });

  test("JSON has no Infinity, bigint or typed array", () => {
    const host = makeHost();
    makeOutput(host.stdout, true, {}).data({ a: Infinity, b: 3n, c: new Float32Array([1, 2]), d: new Map([["k", 1]]) });
    expect(JSON.parse(host.out())).toEqual({ a: null, b: 3, c: [1, 2], d: { k: 1 } });
  });
});

describe("progress", () => {
  function record(isTTY: boolean, quiet = false): { bar: ProgressBar; at: (ms: number) => void; lines: string[] } {
    let now = 0;
    const lines: string[] = [];
    const bar = new ProgressBar({ stream: { write: (chunk) => lines.push(chunk), isTTY, columns: 100 }, quiet, now: () => now });
    return { bar, lines, at: (ms) => (now = ms) };
  }

  test("plain lines at the beginning, every five seconds and at the end", () => {
    const { bar, lines, at } = record(false);
    for (let done = 0; done <= 120; done++) {
      at(done * 100);
      bar.update({ stage: "training", done, total: 120, unit: "steps", note: `loss ${(1 / (done + 1)).toFixed(2)}` });
    }
    bar.finish();
    expect(lines).toEqual([
      "training: 0%, 0/120 steps, loss 1.00\n",
      "training: 41%, 50/120 steps, 10 steps/s, 0:07 left, loss 0.02\n",
      "training: 83%, 100/120 steps, 10 steps/s, 0:02 left, loss 0.01\n",
      "training: 100%, 120/120 steps, 10 steps/s, 0:12 in all, loss 0.01\n",
    ]);
  });

  test("a terminal gets one line, redrawn, cut at its edge", () => {
    const { bar, lines, at } = record(true);
    for (let done = 0; done <= 10; done++) {
      at(done * 500);
      bar.update({ stage: "decoding", done, total: 10, unit: "frames", note: "n".repeat(200) });
    }
    bar.finish();
    expect(lines.at(-1)).toBe("\n");
    expect(lines.filter((line) => line.includes("\n"))).toHaveLength(1);
    expect(lines[5]).toContain("▕████████████            ▏  50%  5/10 frames  2 frames/s  0:03 left");
    for (const line of lines.slice(0, -1)) expect(line.length).toBeLessThanOrEqual(99 + "\r\u001b[K".length);
  });

  test("quiet is quiet; an unknown total has no bar", () => {
    const { bar, lines } = record(false, true);
    bar.update({ stage: "x", done: 1 });
    bar.finish();
    expect(lines).toEqual([]);
    const open = record(false);
    open.bar.update({ stage: "x", done: 3, unit: "frames" });
    open.bar.finish();
    expect(open.lines).toEqual(["x: 3 frames\n"]);
  });

  test("figures", () => {
    expect([clock(7), clock(65), clock(7389)]).toEqual(["0:07", "1:05", "2:03:09"]);
    expect([quantity(1234, "frames"), quantity(12_345_678, "bytes"), quantity(999, "bytes"), quantity(2.345, "steps")]).toEqual(["1,234 frames", "12.3 MB", "999 B", "2.35 steps"]);
  });
});

describe("Ctrl-C", () => {
  test("the first asks, the second insists", async () => {
    const target = new EventEmitter() as unknown as NodeJS.Process;
    const [said, exits]: [string[], number[]] = [[], []];
    const { signal, dispose } = listenForInterruption((line) => said.push(line), target, (code) => exits.push(code), 20);
    target.emit("SIGTERM");
    // What `timeout` does: the process, then its group.
    target.emit("SIGTERM");
    expect([signal.aborted, said.length, exits]).toEqual([true, 1, []]);
    await new Promise((resolve) => setTimeout(resolve, 30));
    target.emit("SIGINT");
    expect(exits).toEqual([130]);
    dispose();
    expect(target.listenerCount("SIGINT")).toBe(0);
  });
});

describe("the program", () => {
  const built = existsSync(join(root, "dist/cli/main.js"));

  test.runIf(built)("orrery --help is quick", () => {
    const time = (...args: string[]): number => {
      const begin = performance.now();
      expect(spawnSync(process.execPath, args).status).toBe(0);
      return performance.now() - begin;
    };
    // The promise is 150 ms on a quiet machine. Tests share theirs, so what is held here is the cost beyond Node's own start.
    const beyond = Array.from({ length: 5 }, () => time(bin, "--help") - time("-e", "0")).sort((a, b) => a - b);
    expect(beyond[1]).toBeLessThan(75);
  });

  test.runIf(built)("exit codes, and stdout and stderr kept apart", () => {
    const unknown = spawnSync(process.execPath, [bin, "nothing"], { encoding: "utf8" });
    expect([unknown.status, unknown.stdout]).toEqual([2, ""]);
    const doctor = spawnSync(process.execPath, [bin, "doctor", "--json"], { encoding: "utf8" });
    expect((JSON.parse(doctor.stdout) as { findings: unknown[] }).findings.length).toBeGreaterThan(8);
  });

  test.runIf(built)("a reader that leaves is no failure", async () => {
    const child = spawn(process.execPath, [bin, "doctor"], { stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.destroy();
    const errors: Buffer[] = [];
    child.stderr.on("data", (chunk: Buffer) => errors.push(chunk));
    const [status] = (await once(child, "close")) as [number];
    expect([status, Buffer.concat(errors).toString()]).toEqual([0, ""]);
  });

  test("setup refuses what it does not know, and names a wrong ORRERY_FFMPEG", async () => {
    const folder = await mkdtemp(join(tmpdir(), "orrery-setup-"));
    await writeFile(join(folder, "ffmpeg"), "not a program");
    expect(spawnSync(process.execPath, [join(root, "scripts/setup.mjs"), "--for", "nothing"]).status).toBe(2);
    // Only the step in question: the whole setup might rebuild dist/ under the tests that are using it.
    const step = `import("./scripts/programs.mjs").then((programs) => programs.ensureFfmpeg())`;
    const wrong = spawnSync(process.execPath, ["-e", step], { cwd: root, encoding: "utf8", env: { ...process.env, ORRERY_FFMPEG: join(folder, "ffmpeg") } });
    expect(wrong.status).toBe(1);
    expect(wrong.stderr).toContain("ORRERY_FFMPEG is");
  });
});
