/** The laboratory as training material: which clips a source names, and that they come with pictures, captions and no file. */
import { describe, expect, test } from "vitest";
import { dataSettings } from "../dataset/index.ts";
import { openLabData, parseLabSource } from "./lab-clips.ts";
import { openLaboratory } from "./laboratory.ts";
import { scenarioNames } from "./scenarios/index.ts";

const settings = dataSettings({ width: 32, height: 32, frames: 5 }).parse({ fps: 10 });

describe("lab: as a source of clips", () => {
  test("names scenarios, a number and a camera", () => {
    expect(parseLabSource("lab:all?count=6000")).toEqual({ scenarios: scenarioNames, count: 6000, camera: "static" });
    expect(parseLabSource("lab:fall,ramp?count=3&camera=any")).toEqual({ scenarios: ["fall", "ramp"], count: 3, camera: "any" });
  });

  test.each(["lab:flight?count=2", "lab:all?count=0", "lab:all?camera=upside-down", "lab:all?colour=red"])("refuses %s and says what is expected", (source) => {
    expect(() => parseLabSource(source)).toThrow(/expected such as lab:all\?count=6000/);
  });

  test("gives the pixels and the caption that the laboratory renders, held-back clips of another split", async () => {
    const data = openLabData("lab:fall,ramp?count=4", settings);
    try {
      expect(data.isHeld).toBe(true);
      expect(data.training.entries).toHaveLength(4);
      expect(data.held.entries.every(({ path }) => path.includes("/val/"))).toBe(true);
      const truth = (await openLaboratory()).render({ scenario: "ramp", split: "train", index: 1 }, { width: 32, height: 32, frames: 5, fps: 10 });
      expect((await data.training.window(3, 0, 5)).frames).toEqual(truth.frames);
      expect(await data.training.caption!(3)).toBe(truth.caption);
      await expect(data.training.window(3, 1, 4)).rejects.toThrow(/windows of 5/);
    } finally {
      await data.close!();
    }
  });
});
