/** `orrery provenance` as a user meets it, through the door of the command line: mark, attack, verify. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { main } from "../src/cli/main.ts";
import { topLevelBoxes } from "../src/provenance/boxes.ts";
import { makeDemoClip, readImage } from "../src/video/index.ts";

const folder = mkdtempSync(join(tmpdir(), "orrery-provenance-"));
const at = (...names: string[]): string => join(folder, ...names);
const home = process.env["ORRERY_HOME"];

async function orrery(...words: string[]): Promise<{ exit: number; out: string; err: string }> {
  const [out, err]: [string[], string[]] = [[], []];
  const exit = await main(words, { stdout: { write: (text) => out.push(text) }, stderr: { write: (text) => err.push(text) }, env: {}, signal: new AbortController().signal });
  return { exit, out: out.join(""), err: err.join("") };
}

interface Found {
  verdict: string;
  conclusion: string[];
  credential: { state: string; ingredients: string[]; digitalSource?: string };
  watermark: { found: string; id?: string };
  registry: { by: string[]; entry: { name: string } }[];
  changes?: { words: string[]; keptX?: number; left?: number; top?: number };
}

async function verify(name: string): Promise<Found & { exit: number }> {
  const { exit, out } = await orrery("provenance", "verify", at(name), "--json", "--quiet");
  return { exit, ...(JSON.parse(out) as Found) };
}

const ffmpeg = (...words: string[]): void => void execFileSync(process.env["ORRERY_FFMPEG"] ?? "ffmpeg", ["-v", "error", "-nostdin", "-y", ...words]);
const id = "00c0ffee00c0ffee";

beforeAll(async () => {
  process.env["ORRERY_HOME"] = at("home");
  await makeDemoClip(at("plain.mp4"), { width: 480, height: 270, frames: 20, fps: 20, seed: 2 });
  const marked = await orrery("provenance", "mark", at("plain.mp4"), "-o", at("marked.mp4"), "--id", id, "--source", "trainedAlgorithmicMedia", "--model", "orrery-nano", "--json");
  expect([marked.exit, JSON.parse(marked.out)]).toMatchObject([0, { watermarkId: id, frameCount: 20 }]);
});
afterAll(() => {
  if (home === undefined) delete process.env["ORRERY_HOME"];
  else process.env["ORRERY_HOME"] = home;
  rmSync(folder, { recursive: true, force: true });
});

describe("orrery provenance verify", () => {
  test("knows what it marked, and draws what it found", async () => {
    const { exit, out } = await orrery("provenance", "verify", at("marked.mp4"), "--picture", at("found.png"), "--quiet");
    expect([exit, out]).toEqual([0, expect.stringMatching(/intact\n.*byte for byte, "marked\.mp4", made here on .*\n.*AI-generated/)]);
    expect(await readImage(at("found.png"))).toMatchObject({ width: 990 });
    expect(await verify("marked.mp4")).toMatchObject({ verdict: "intact", credential: { state: "trusted", digitalSource: "trainedAlgorithmicMedia" }, watermark: { found: "payload", id } });
    expect(readdirSync(folder).filter((name) => name.includes("marking"))).toEqual([]);
  });

  test("tells a remux from a new encoding, and what was done to the picture", async () => {
    ffmpeg("-i", at("marked.mp4"), "-c", "copy", at("remuxed.mkv"));
    expect(await verify("remuxed.mkv")).toMatchObject({ exit: 1, verdict: "stripped", conclusion: [expect.stringMatching(/bit for bit.*another container/), expect.anything()] });
    ffmpeg("-i", at("marked.mp4"), "-vf", "crop=400:226:40:30", "-crf", "20", at("cropped.mp4"));
    const cropped = await verify("cropped.mp4");
    expect(cropped).toMatchObject({ exit: 1, verdict: "stripped", watermark: { found: "payload", id }, registry: [{ entry: { name: "marked.mp4" } }], changes: { words: [expect.stringMatching(/^cropped to 8[345] % of its width and 8[345] % of its height$/)] } });
    expect([cropped.changes!.left! - 40, cropped.changes!.top! - 30].every((off) => Math.abs(off) <= 2)).toBe(true);
  });

  test("says that a file was altered, also where C2PA does not look", async () => {
    const bytes = readFileSync(at("marked.mp4"));
    const box = topLevelBoxes(bytes)!.find(({ type }) => type === "mdat")!;
    const change = (name: string, position: number): void => writeFileSync(at(name), Buffer.from(bytes.map((value, i) => (i === position ? value ^ 1 : value))));
    change("media.mp4", box.offset + box.size - 9);
    expect(await verify("media.mp4")).toMatchObject({ exit: 1, verdict: "altered", credential: { state: "tampered" } });
    // The padding beside the signature is covered by nothing; the registry knows the file's digest.
    const padding = bytes.lastIndexOf(Buffer.alloc(200), topLevelBoxes(bytes)![2]!.offset);
    expect(padding).toBeGreaterThan(0);
    change("padding.mp4", padding + 100);
    expect(await verify("padding.mp4")).toMatchObject({ exit: 1, verdict: "altered", conclusion: [expect.stringMatching(/bytes that it does not protect have been changed/), expect.anything()] });
  });

  test("claims nothing about videos of others", async () => {
    expect(await verify("plain.mp4")).toMatchObject({ exit: 1, credential: { state: "absent" }, watermark: { found: "nothing" }, verdict: "similar" });
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x240:r=10:d=1", at("other.mp4"));
    const other = await orrery("provenance", "verify", at("other.mp4"));
    expect([other.exit, other.out]).toEqual([1, expect.stringContaining("That proves nothing")]);
    expect(other.err).toMatch(/\[not_verified\]/);
    writeFileSync(at("text.mp4"), "not a video");
    expect((await orrery("provenance", "verify", at("text.mp4"))).err).toMatch(/\[bad_video\]/);
  });
});

test("mark keeps the credential that a video came with; list and export show what is there", async () => {
  expect((await orrery("provenance", "mark", at("marked.mp4"), "-o", at("again.mp4"))).exit).toBe(0);
  expect((await verify("again.mp4")).credential.ingredients).toEqual(["marked.mp4"]);
  const list = JSON.parse((await orrery("provenance", "list", "--json")).out) as { total: number; entries: { name: string; genuine: boolean }[] };
  expect(list).toMatchObject({ total: 2, entries: [{ name: "marked.mp4", genuine: true }, { name: "again.mp4", genuine: true }] });
  expect((await orrery("provenance", "list", "--id", id)).out).toMatch(/^\S+ +00c0ffee00c0ffee +480x270 .*marked\.mp4\n$/);
  expect((await orrery("provenance", "export", "-o", at("public"), "--registry")).exit).toBe(0);
  expect(readdirSync(at("public"))).toEqual(["anchor.pem", "record.pub.pem", "registry.jsonl"]);
  expect(readFileSync(at("public/anchor.pem"), "utf8")).not.toContain("PRIVATE");
});

test.each([
  [["mark", at("plain.mp4"), "-o", at("x.mp4"), "--model", "m"], 2, /--source is needed/],
  [["mark", at("plain.mp4"), "-o", at("x.webm")], 2, /must end in \.mp4/],
  [["mark", at("plain.mp4"), "-o", at("x.mp4"), "--id", "12"], 2, /16 hexadecimal digits/],
  [["mark", at("nowhere.mp4"), "-o", at("x.mp4")], 1, /no such file/],
])("%j is answered", async (words, exit, message) => {
  const outcome = await orrery("provenance", ...words);
  expect([outcome.exit, outcome.err]).toEqual([exit, expect.stringMatching(message)]);
  expect(readdirSync(folder).filter((name) => name.startsWith("x.") || name.includes("marking"))).toEqual([]);
});
