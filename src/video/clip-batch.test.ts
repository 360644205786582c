import { readFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { makeClip, readClip, renderDemoClip, writeClips } from "./index.ts";
import { makeScratch } from "./test-clips.cases.ts";

const scratch = makeScratch();
afterAll(() => scratch.remove());

const clips = [0, 1, 2].map((seed) => renderDemoClip({ width: 48, height: 33, frames: 5, fps: 10, seed }));

describe("many clips through one encoder", () => {
  it("writes each as it is, and the same bytes in whatever company", async () => {
    await writeClips(clips.map((clip, i) => ({ clip, path: scratch.path(`together-${i}.mp4`) })));
    await writeClips([{ clip: clips[1]!, path: scratch.path("alone.mp4") }]);
    expect(readFileSync(scratch.path("alone.mp4"))).toEqual(readFileSync(scratch.path("together-1.mp4")));
    for (const [i, clip] of clips.entries()) {
      const read = await readClip(scratch.path(`together-${i}.mp4`));
      expect([read.width, read.height, read.frameCount, read.fps]).toEqual([48, 34, 5, 10]);
      let worst = 0;
      for (let t = 0; t < 5; t++) {
        let sum = 0;
        const [wide, tall] = [48 * 34 * 3, 48 * 33 * 3];
        for (let k = 0; k < tall; k++) sum += Math.abs(read.frames[t * wide + k]! - clip.frames[t * tall + k]!);
        worst = Math.max(worst, sum / tall);
      }
      expect(worst).toBeLessThan(4);
    }
    expect(scratch.names()).toEqual(["alone.mp4", "together-0.mp4", "together-1.mp4", "together-2.mp4"]);
  });

  it("a folder with a percent sign is a folder", async () => {
    const other = makeScratch();
    const { mkdirSync } = await import("node:fs");
    mkdirSync(other.path("100%d"));
    await writeClips([{ clip: clips[0]!, path: other.path("100%d/a.mp4") }]);
    expect((await readClip(other.path("100%d/a.mp4"))).frameCount).toBe(5);
    other.remove();
  });

  it("refuses clips that differ, and a folder that is not there", async () => {
    const longer = makeClip(new Uint8Array(48 * 33 * 3 * 6), 48, 33, 10);
    await expect(writeClips([{ clip: clips[0]!, path: scratch.path("a.mp4") }, { clip: longer, path: scratch.path("b.mp4") }])).rejects.toMatchObject({ code: "bad_argument" });
    await expect(writeClips([{ clip: clips[0]!, path: scratch.path("no/a.mp4") }])).rejects.toMatchObject({ code: "file_not_found" });
    const controller = new AbortController();
    controller.abort();
    await expect(writeClips([{ clip: clips[0]!, path: scratch.path("c.mp4") }], { signal: controller.signal })).rejects.toMatchObject({ code: "cancelled" });
    expect(scratch.names()).toHaveLength(4);
  });
});
