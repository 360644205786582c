import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ffmpeg, source } from "../video/test-clips.cases.ts";
import { topLevelBoxes } from "./boxes.ts";
import { signC2pa, verifyC2pa } from "./c2pa.ts";

const folder = mkdtempSync(join(tmpdir(), "orrery-c2pa-"));
const at = (name: string): string => join(folder, name);
const here = { home: at("home"), env: {} };
const statement = {
  source: "trainedAlgorithmicMedia", model: { name: "orrery-nano", sha256: "ab".repeat(32) }, requestSha256: "cd".repeat(32),
  safety: { decision: "allow", guards: [{ name: "words", verdict: "allow" }] }, watermarkId: "0123456789abcdef",
  actions: [{ action: "c2pa.edited", description: "faces were made unrecognisable" }],
} as const;

beforeAll(async () => {
  ffmpeg(...source("testsrc2=s=96x64:r=24:d=0.7"), "-pix_fmt", "yuv420p", "-movflags", "+faststart", at("plain.mp4"));
  await signC2pa(at("plain.mp4"), at("signed.mp4"), statement, here);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A copy with one byte changed. */
function changed(from: string, position: number, to: string, by = 1): string {
  const bytes = readFileSync(from);
  bytes[position] = bytes[position]! ^ by;
  writeFileSync(to, bytes);
  return to;
}

describe("content credentials", () => {
  test("say what was signed, and that the signer is this installation", async () => {
    expect(await verifyC2pa(at("signed.mp4"), here)).toMatchObject({
      state: "trusted", failures: [], generator: "Orrery 0.1.0", digitalSource: "trainedAlgorithmicMedia",
      actions: ["c2pa.created", "c2pa.edited", "c2pa.watermarked.bound"], signer: { organisation: "Orrery self-issued", algorithm: "Es256" },
      model: statement.model, requestSha256: statement.requestSha256, safety: statement.safety, watermarkId: statement.watermarkId,
    });
    // The pictures are the same.
    const frames = (name: string) => execFileSync("ffmpeg", ["-v", "error", "-i", at(name), "-f", "md5", "-"], { encoding: "utf8" });
    expect(frames("signed.mp4")).toBe(frames("plain.mp4"));
  });

  test("of another installation hold, but their signer is unknown here", async () => {
    const elsewhere = { home: at("elsewhere"), env: {} };
    expect(await verifyC2pa(at("signed.mp4"), elsewhere)).toMatchObject({ state: "valid", failures: [] });
    await signC2pa(at("plain.mp4"), at("other.mp4"), statement, elsewhere);
    expect((await verifyC2pa(at("other.mp4"), here)).state).toBe("valid");
    // Its root among our anchors makes it trusted.
    for (const name of ["own"]) execFileSync("sh", ["-c", `cp ${at("elsewhere")}/anchors/${name}-*.pem ${at("home")}/anchors/colleague.pem`]);
    expect((await verifyC2pa(at("other.mp4"), here)).state).toBe("trusted");
    rmSync(at("home/anchors/colleague.pem"));
  });

  test("are absent where there are none, and after a remux", async () => {
    expect((await verifyC2pa(at("plain.mp4"), here)).state).toBe("absent");
    ffmpeg("-i", at("signed.mp4"), "-c", "copy", at("remuxed.mp4"));
    expect((await verifyC2pa(at("remuxed.mp4"), here)).state).toBe("absent");
    ffmpeg("-i", at("plain.mp4"), at("other.webm"));
    expect((await verifyC2pa(at("other.webm"), here)).state).toBe("absent");
    writeFileSync(at("text.mp4"), "not a video at all");
    expect(["absent", "unreadable"]).toContain((await verifyC2pa(at("text.mp4"), here)).state);
    await expect(verifyC2pa(at("nowhere.mp4"), here)).rejects.toThrow(/no such file/);
    await expect(signC2pa(at("text.mp4"), at("x.mp4"), statement, here)).rejects.toThrow(/not an mp4/);
  });

  test("any byte of the media that changes is noticed", async () => {
    const boxes = topLevelBoxes(readFileSync(at("signed.mp4")))!;
    expect(boxes.map(({ type }) => type)).toEqual(["ftyp", "uuid", "moov", "free", "mdat"]);
    const media = boxes.filter((box) => !box.isCredential);
    const position = fc.constantFrom(...media).chain(({ offset, size }) => fc.nat(size - 1).map((inside) => offset + inside));
    await fc.assert(fc.asyncProperty(position, fc.integer({ min: 1, max: 255 }), async (where, by) => {
      const { state } = await verifyC2pa(changed(at("signed.mp4"), where, at("changed.mp4"), by), here);
      expect(["tampered", "unreadable", "absent"], `byte ${where} ^ ${by}`).toContain(state);
    }), { numRuns: 60, seed: 5 });
    // First and last byte of every box.
    for (const { offset, size } of media) {
      for (const where of [offset, offset + 4, offset + size - 1]) expect(["trusted", "valid"]).not.toContain((await verifyC2pa(changed(at("signed.mp4"), where, at("changed.mp4")), here)).state);
    }
  });

  test("a changed statement does not hold", async () => {
    const bytes = readFileSync(at("signed.mp4"));
    const words = bytes.indexOf("trainedAlgorithmicMedia");
    expect(words).toBeGreaterThan(0);
    expect(["tampered", "unreadable"]).toContain((await verifyC2pa(changed(at("signed.mp4"), words, at("changed.mp4")), here)).state);
  });

  test("a video that was opened keeps the credential it came with", async () => {
    await signC2pa(at("plain.mp4"), at("second.mp4"), { parent: at("signed.mp4"), watermarkId: "00000000000000ff" }, here);
    expect(await verifyC2pa(at("second.mp4"), here)).toMatchObject({ state: "trusted", ingredients: ["signed.mp4"], actions: ["c2pa.opened", "c2pa.watermarked.bound"], watermarkId: "00000000000000ff" });
    expect(readFileSync(at("second.mp4")).includes("orrery-nano")).toBe(true);
  });
});
