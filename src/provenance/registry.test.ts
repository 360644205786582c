import { execFile } from "node:child_process";
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { RandomState } from "../tensor/random.ts";
import { renderDemoClip, frameAt, type Picture } from "../video/index.ts";
import { seededRandom } from "../video/synthetic.ts";
import { bitCount, fingerprintDistance, fingerprintMeter, frameHash, wordsOf } from "./fingerprint.ts";
import { readRegistry, register, registryPath, searchRegistry, type RegistryEntry } from "./registry.ts";

const folder = mkdtempSync(join(tmpdir(), "orrery-registry-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const home = (name: string) => ({ home: join(folder, name), env: {} });

const random = seededRandom(1);
const randomHex = (length: number): string => Array.from({ length }, () => Math.floor(random() * 16).toString(16)).join("");
const entry = (name: string, more: Partial<RegistryEntry> = {}): RegistryEntry => ({
  fingerprint: randomHex(128), sha256: randomHex(64), packetsSha256: randomHex(64), watermarkId: randomHex(16), manifestId: `urn:c2pa:${name}`,
  name, width: 64, height: 48, durationS: 2, at: "2026-01-02T03:04:05.000Z", ...more,
});
const names = async (where: ReturnType<typeof home>): Promise<string[]> => {
  const found: string[] = [];
  for await (const one of readRegistry(where)) found.push(one.name);
  return found;
};

describe("the registry", () => {
  test("finds a video by each of its marks", async () => {
    const [a, b] = [entry("a"), entry("b")];
    for (const one of [a, b]) await register(one, home("finds"));
    for (const kind of ["sha256", "packetsSha256", "watermarkId", "manifestId"] as const) {
      const found = await searchRegistry({ [kind]: b[kind] }, home("finds"));
      expect(found.map((match) => [match.entry.name, match.by, match.entry.genuine])).toEqual([["b", [kind], true]]);
    }
    expect(await searchRegistry({ sha256: "0".repeat(64) }, home("finds"))).toEqual([]);
    expect((await searchRegistry({ sha256: a.sha256, watermarkId: b.watermarkId }, home("finds"))).map((match) => match.entry.name)).toEqual(["a", "b"]);
    expect(statSync(registryPath(home("finds"))).mode & 0o777).toBe(0o600);
    expect(await searchRegistry({ sha256: a.sha256 }, home("nothing yet"))).toEqual([]);
  });

  test("finds neighbours by fingerprint, nearest first", async () => {
    const base = entry("base");
    const flipped = (count: number): string => {
      const words = wordsOf(base.fingerprint);
      for (let i = 0; i < 8; i++) for (let bit = 0; bit < count; bit++) words[2 * i]! ^= 1 << bit;
      return [...words].map((word) => word.toString(16).padStart(8, "0")).join("");
    };
    for (const one of [entry("far"), entry("six", { fingerprint: flipped(6) }), base]) await register(one, home("near"));
    const found = await searchRegistry({ fingerprints: [base.fingerprint] }, home("near"));
    expect(found.map((match) => [match.entry.name, match.distance])).toEqual([["base", 0], ["six", 6]]);
  });

  test("a line that a crash cut off costs nothing else", async () => {
    for (const name of ["one", "two"]) await register(entry(name), home("crash"));
    const path = registryPath(home("crash"));
    truncateSync(path, statSync(path).size - 100);
    await register(entry("three"), home("crash"));
    appendFileSync(path, `\n\u0000garbage\n${"x".repeat(50_000)}\n`);
    await register(entry("four"), home("crash"));
    expect(await names(home("crash"))).toEqual(["one", "three", "four"]);
  });

  test("a line that somebody else wrote or changed is not genuine", async () => {
    await register(entry("mine"), home("forge"));
    await register(entry("theirs"), home("other"));
    const path = registryPath(home("forge"));
    appendFileSync(path, readFileSync(registryPath(home("other"))));
    appendFileSync(path, readFileSync(path, "utf8").split("\n")[0]!.replace('"width":64', '"width":65').concat("\n"));
    const found: [string, boolean][] = [];
    for await (const one of readRegistry(home("forge"))) found.push([one.name, one.genuine]);
    expect(found).toEqual([["mine", true], ["theirs", false], ["mine", false]]);
  });

  test("four processes at once lose nothing", async () => {
    const script = `import { register } from ${JSON.stringify(join(import.meta.dirname, "../../dist/provenance/registry.js"))};
      const where = { home: ${JSON.stringify(home("race").home)}, env: {} };
      for (let i = 0; i < 25; i++) await register({ fingerprint: "0".repeat(128), sha256: "1".repeat(64), name: process.argv[1] + i, width: 1, height: 1, durationS: 1, at: "now" }, where);`;
    await Promise.all(["a", "b", "c", "d"].map((name) => promisify(execFile)(process.execPath, ["--input-type=module", "-e", script, name])));
    expect(new Set(await names(home("race"))).size).toBe(100);
  });

  test("twenty thousand lines are searched quickly", async () => {
    const where = home("many");
    await register(entry("wanted"), where);
    const [line] = readFileSync(registryPath(where), "utf8").split("\n");
    mkdirSync(join(folder, "many/provenance"), { recursive: true });
    const wanted = JSON.parse(line!) as RegistryEntry;
    writeFileSync(registryPath(where), `${Array.from({ length: 20_000 }, () => line!.replace(wanted.fingerprint, randomHex(128)).replace(wanted.sha256, "e".repeat(64)).replace(wanted.watermarkId!, "f".repeat(16))).join("\n")}\n${line}\n`);
    const began = performance.now();
    const found = await searchRegistry({ sha256: wanted.sha256, watermarkId: wanted.watermarkId, fingerprints: [wanted.fingerprint, randomHex(128)] }, where);
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(found.map((match) => [match.entry.name, match.by, match.distance])).toEqual([["wanted", ["sha256", "watermarkId", "fingerprint"], 0]]);
  });
});

describe("a fingerprint", () => {
  const clip = renderDemoClip({ width: 96, height: 64, frames: 16, fps: 8 });
  const mirror = ({ pixels, width, height }: Picture): Picture => {
    const turned = new Uint8Array(pixels.length);
    for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) for (let c = 0; c < 3; c++) turned[(y * width + x) * 3 + c] = pixels[(y * width + width - 1 - x) * 3 + c]!;
    return { pixels: turned, width, height };
  };
  const distance = (a: string, b: string): number => fingerprintDistance(wordsOf(a), wordsOf(b));

  test("counts bits", () => {
    expect([0, 1, 0xffffffff, 0x80000001].map(bitCount)).toEqual([0, 1, 32, 2]);
  });

  test("hardly changes with brightness, contrast and noise, and knows a mirrored frame", () => {
    const frame = frameAt(clip, 3);
    const noise = new RandomState(2).standardNormalFloat32(frame.pixels.length);
    const changed = { ...frame, pixels: frame.pixels.map((value, i) => Math.max(0, Math.min(255, value * 0.8 + 20 + 3 * noise[i]!))) };
    expect(distance(frameHash(frame), frameHash(changed))).toBeLessThan(5);
    expect(frameHash(mirror(frame))).toBe(frameHash(frame, true));
    expect(distance(frameHash(frame), frameHash(mirror(frame)))).toBeGreaterThan(12);
  });

  test("takes eight frames at even distances, however many there are", () => {
    const collect = (step: number): string => {
      const meter = fingerprintMeter(2);
      for (let i = 0; i < clip.frameCount; i += step) meter.add(frameAt(clip, i), i / clip.fps);
      return meter.result().plain;
    };
    expect(collect(1)).toHaveLength(128);
    expect(distance(collect(1), collect(2))).toBeLessThan(12);
    const one = fingerprintMeter(1);
    one.add(frameAt(clip, 0), 0);
    expect(one.result().plain).toBe(frameHash(frameAt(clip, 0)).repeat(8));
    const black = { pixels: new Uint8Array(96 * 64 * 3), width: 96, height: 64 };
    expect(frameHash(black)).toBe("0".repeat(16));
    expect(distance("0".repeat(128), "0".repeat(128))).toBe(64);
  });
});
