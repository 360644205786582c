/** For tests: small clips made on the spot by ffmpeg's own generators, in a folder that the test removes. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Scratch {
  folder: string;
  path(name: string): string;
  /** Names in the folder, hidden ones included. */
  names(): string[];
  remove(): void;
}

export function makeScratch(): Scratch {
  const folder = mkdtempSync(join(tmpdir(), "orrery-video-"));
  return {
    folder,
    path: (name) => join(folder, name),
    names: () => readdirSync(folder).toSorted(),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Runs ffmpeg with plain arguments (the code under test has no part in it). */
export function ffmpeg(...args: string[]): void {
  execFileSync(process.env["ORRERY_FFMPEG"] ?? "ffmpeg", ["-v", "error", "-nostdin", "-y", ...args], { stdio: ["ignore", "ignore", "inherit"] });
}

/** A test pattern that changes every frame: `source("testsrc2=s=64x48:r=25:d=1")`. */
export const source = (graph: string) => ["-f", "lavfi", "-i", graph];

/** Marks an mp4 as a phone held upright does: "turn me 90 degrees clockwise", in the matrix of the track header (ISO 14496-12). */
export function turnClockwise(from: string, to: string): void {
  const bytes = readFileSync(from);
  const matrix = bytes.indexOf("tkhd") + 44;
  [0, 0x10000, 0, -0x10000, 0, 0].forEach((value, i) => bytes.writeInt32BE(value, matrix + i * 4));
  writeFileSync(to, bytes);
}
