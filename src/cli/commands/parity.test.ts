/** `orrery parity` as a user meets it. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { runCommand } from "../run.ts";
import { command, scientific } from "./parity.ts";

const good = fileURLToPath(new URL("../../world/testdata/autoregressive-llama3d", import.meta.url));
const bad = mkdtempSync(join(tmpdir(), "orrery-parity-"));
cpSync(good, bad, { recursive: true });
{
  // The last weights of the file, all set to one number.
  const bytes = readFileSync(join(bad, "model.safetensors"));
  for (let i = bytes.length - 400; i < bytes.length; i += 4) bytes.writeFloatLE(0.5, i);
  writeFileSync(join(bad, "model.safetensors"), bytes);
}
afterAll(() => rmSync(bad, { recursive: true, force: true }));

async function orrery(...words: string[]): Promise<{ exit: number; out: string; err: string }> {
  const [out, err]: [string[], string[]] = [[], []];
  const exit = await runCommand(command, [...words, "--threads", "2"], {
    stdout: { write: (text) => out.push(text) },
    stderr: { write: (text) => err.push(text) },
    env: {},
    signal: new AbortController().signal,
  });
  return { exit, out: out.join(""), err: err.join("") };
}

test("a line per golden tensor, then the verdict", async () => {
  const { exit, out } = await orrery(good);
  const lines = out.trimEnd().split("\n");
  expect(exit).toBe(0);
  expect(lines.at(-1)).toBe("parity ok");
  expect(new Set(lines.slice(0, -1).map((l) => l.split(" ")[0]))).toEqual(new Set(["greedy_tokens", "prefill_logits", "step_logits"]));
  for (const line of lines.slice(0, -1)) expect(line).toMatch(/^\w+ \d\.\d\de[+-]\d\d$/);
});

test("a difference fails, with what differs and by how much", async () => {
  const { exit, out, err } = await orrery(bad);
  expect(exit).toBe(1);
  expect(out.trimEnd().split("\n").at(-1)).toBe("parity FAILED");
  expect(err).toMatch(/prefill_logits differs by \d\.\d\de[+-]\d\d, allowed is 1\.00e-04.*\[parity_failed\]/s);
});

test("as JSON, whole in either case", async () => {
  for (const [folder, ok] of [[good, true], [bad, false]] as const) {
    const { exit, out } = await orrery(folder, "--json");
    expect(exit).toBe(ok ? 0 : 1);
    const report = JSON.parse(out) as { ok: boolean; lines: { name: string; difference: number; tolerance: number }[] };
    expect(report.ok).toBe(ok);
    expect(report.lines.find((l) => l.name === "prefill_logits")).toMatchObject({ tolerance: 1e-4 });
  }
});

test("a folder that is not there", async () => {
  const { exit, err } = await orrery(join(bad, "nowhere"));
  expect(exit).toBe(1);
  expect(err).toContain("[file_not_found]");
});

test("numbers as Python and C write them", () => {
  expect([1.2345e-6, 0, 1, 2.5e-100, NaN, Infinity].map(scientific)).toEqual(["1.23e-06", "0.00e+00", "1.00e+00", "2.50e-100", "nan", "inf"]);
});
