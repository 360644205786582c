import { chmodSync, writeFileSync } from "node:fs";
import { afterEach, expect, it, vi } from "vitest";
import { locateTool } from "./index.ts";
import { runTool } from "./ffmpeg.ts";
import { makeScratch } from "./test-clips.cases.ts";

afterEach(() => vi.unstubAllEnvs());

it("names the command to install when a program is missing", async () => {
  vi.stubEnv("ORRERY_FFMPEG", "/nowhere/ffmpeg");
  await expect(locateTool("ffmpeg")).rejects.toMatchObject({ code: "missing_dependency", message: expect.stringMatching(/ORRERY_FFMPEG.*apt-get install ffmpeg.*npm run setup/) });
  vi.stubEnv("PATH", "/nowhere");
  vi.stubEnv("ORRERY_FFPROBE", "");
  await expect(locateTool("ffprobe")).rejects.toMatchObject({ code: "missing_dependency", message: expect.stringMatching(/not found on PATH/) });
});

it("stops a program that hangs, and one that was cancelled", async () => {
  const scratch = makeScratch();
  try {
    writeFileSync(scratch.path("sleeper"), "#!/bin/sh\nexec sleep 60\n");
    chmodSync(scratch.path("sleeper"), 0o755);
    vi.stubEnv("ORRERY_FFPROBE", scratch.path("sleeper"));
    const began = performance.now();
    await expect(runTool("ffprobe", [], { what: "sleeping", timeoutS: 0.3 })).rejects.toMatchObject({ code: "bad_video", message: expect.stringMatching(/no progress in 0.3 s/) });
    await expect(runTool("ffprobe", [], { what: "sleeping", signal: AbortSignal.timeout(200) })).rejects.toMatchObject({ code: "cancelled" });
    expect(performance.now() - began).toBeLessThan(10_000);
  } finally {
    scratch.remove();
  }
});
