/** `orrery shots`: where a video cuts. */
import { defineCommand } from "../command.ts";
import { one, text } from "../options.ts";

export const command = defineCommand({
  name: "shots",
  summary: "find the cuts, fades and dissolves of a video",
  description:
    "Decodes the file once at low resolution and finds its shot boundaries without a model. With --json, prints a list of { frame, ptsS, type, score, firstFrame, lastFrame }: `frame` is the first frame of the new shot, counted in decode order from 0 (no frame is repeated or dropped, so it differs from a player's count where the frame rate varies), `type` is hard, fade or dissolve, and firstFrame to lastFrame are the frames that belong to neither shot alone.",
  examples: [
    { type: "orrery shots movie.mp4", does: "list the boundaries with their times" },
    { type: "orrery shots movie.mp4 --json", does: "the same as JSON" },
    { type: "orrery shots movie.mp4 --picture shots.png", does: "also draw the frames before and behind each boundary" },
  ],
  args: { file: one("video file", "FILE") },
  options: { picture: text({ metavar: "FILE.png", help: "draw the last frame before and the first frame behind each boundary" }) },
  async run({ args: { file }, options, output, progress, signal }) {
    const { findShots, pictureOfShots } = await import("../../curator/index.ts");
    const found = await findShots(file, { progress, signal });
    if (options.picture !== undefined) await pictureOfShots(found, options.picture, { signal });
    const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`;
    output.text(`${file}: ${count(found.frameCount, "frame")}, ${count(found.shots.length, "shot")}`);
    if (found.transitions.length > 0)
      output.table([["frame", "time", "type", "score"], ...found.transitions.map(({ frame, ptsS, type, score }) => [frame, `${ptsS.toFixed(3)} s`, type, score.toFixed(2)])]);
    for (const warning of found.warnings) output.text(`note: ${warning}`);
    output.data(found.transitions.map(({ frame, ptsS, type, score, firstFrame, lastFrame }) => ({ frame, ptsS, type, score: +score.toFixed(4), firstFrame, lastFrame })));
  },
});
