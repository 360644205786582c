/** Judging a video by its caption: motions by hand, and the true clips, another's clip and an empty room as contestants. */
import { beforeAll, describe, expect, test } from "vitest";
import { clipKeys, openLaboratory, scenarioNames, type LabClip } from "../physics/index.ts";
import { makeClip } from "../video/index.ts";
import { alignWords, motionOf, wordsFigures, type WordsAlignment } from "./words-alignment.ts";

describe("what a path does", () => {
  test.each([
    ["stays", [[0.5, 0.5], [0.52, 0.5], [0.51, 0.53]]],
    ["right", [[0.1, 0.5], [0.3, 0.55], [0.6, 0.5]]],
    ["left", [[0.9, 0.5], [0.3, 0.5]]],
    ["to and fro", [[0.3, 0.5], [0.7, 0.6], [0.35, 0.5]]],
    ["down", [[0.5, 0.1], [0.5, 0.8], [0.5, 0.6], [0.5, 0.8]]],
    ["down", [[0.5, 0.1], [0.5, 0.8], [0.5, 0.15]]],
    ["up", [[0.5, 0.8], [0.5, 0.3]]],
    ["stays", [[0.5, 0.5]]],
  ] as const)("%s", (expected, path) => expect(motionOf(path)).toBe(expected));
});

describe("clips judged by the words of a clip", () => {
  let clips: LabClip[];
  beforeAll(async () => {
    const laboratory = await openLaboratory();
    clips = clipKeys(scenarioNames, "val", 0, 33).map((key) => laboratory.render(key));
  });
  const judge = (made: (clip: LabClip, i: number) => Parameters<typeof alignWords>[0]): ReturnType<typeof wordsFigures> =>
    wordsFigures(clips.map((clip, i) => alignWords(made(clip, i), clip.truth)).filter((one): one is WordsAlignment => one !== undefined));

  test("the true clips nearly always show what is said, those of other captions rarely, an empty picture never", () => {
    const truth = judge((clip) => clip);
    expect(truth.clips).toBeGreaterThan(20);
    expect(truth.present).toBeGreaterThan(0.9);
    expect(truth.moves).toBeGreaterThan(0.75);
    expect(judge((_, i) => clips[(i + 7) % clips.length]!).allMove).toBeLessThan(0.2);
    expect(judge((clip) => makeClip(new Uint8Array(clip.frames.length).fill(150), clip.width, clip.height, clip.fps))).toMatchObject({ present: 0, moves: 0, allPresent: 0, allMove: 0 });
  });
});
