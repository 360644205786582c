/** Whole or not at all, on real files. */
import { mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { fromSystemError } from "./errors.ts";
import { PartialFile, writeFileAtomic } from "./partial-file.ts";

const folder = mkdtempSync(join(tmpdir(), "orrery-partial-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the old content stands until the new is complete", async () => {
  const path = join(folder, "kept.txt");
  writeFileSync(path, "old");
  const file = await PartialFile.open(path);
  await writeFile(file.temporary, "half");
  expect(readFileSync(path, "utf8")).toBe("old");
  await file.discard();
  expect([readFileSync(path, "utf8"), readdirSync(folder)]).toEqual(["old", ["kept.txt"]]);
  await writeFileAtomic(path, "new");
  expect([readFileSync(path, "utf8"), readdirSync(folder)]).toEqual(["new", ["kept.txt"]]);
});

test.skipIf(process.platform !== "linux")("a full disk is said to be one, and the old content stands", async () => {
  const path = join(folder, "kept.txt");
  writeFileSync(path, "old");
  // Every byte written to this device is refused with ENOSPC, for any user.
  const full = join(folder, "full");
  symlinkSync("/dev/full", full);
  const file = await PartialFile.open(path, full);
  const error = await writeFile(file.temporary, "new").then(() => undefined, (e: unknown) => fromSystemError(e, path));
  expect(error).toMatchObject({ code: "disk_full", message: expect.stringContaining("kept.txt") as string });
  await file.discard();
  expect([readFileSync(path, "utf8"), readdirSync(folder)]).toEqual(["old", ["kept.txt"]]);
});

test("places that cannot take a file are named", async () => {
  await expect(writeFileAtomic(join(folder, "none", "x"), "")).rejects.toMatchObject({ code: "file_not_found" });
  await expect(writeFileAtomic(folder, "")).rejects.toMatchObject({ code: "io_failed", message: expect.stringContaining("is a folder") as string });
  writeFileSync(join(folder, "kept.txt"), "");
  await expect(writeFileAtomic(join(folder, "kept.txt", "x"), "")).rejects.toMatchObject({ code: "io_failed", message: expect.stringContaining("not a folder") as string });
});
