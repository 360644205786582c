/** `orrery quality`: how well a video is made. */
import { defineCommand } from "../command.ts";
import { one } from "../options.ts";

export const command = defineCommand({
  name: "quality",
  summary: "score a video's technical quality, and name its worst defect",
  description:
    "Decodes the file once and scores each shot without a model: softness, codec blocks, noise, exposure and banding from one frame a second at full resolution (at most the middle 1280 x 720), repeated frames, black bars and overlaid text or logos at low resolution. The score is 1 without a defect; it orders clips of one resolution class, and has no meaning of its own across classes. It is not a learned judgement such as DOVER's.",
  examples: [
    { type: "orrery quality clip.mp4", does: "a line for each shot" },
    { type: "orrery quality clip.mp4 --json", does: "every defect of each shot, as JSON" },
  ],
  args: { file: one("video file", "FILE") },
  async run({ args: { file }, output, progress, signal }) {
    const { findQuality } = await import("../../curator/index.ts");
    const found = await findQuality(file, { progress, signal });
    output.table([
      ["shot", "score", "worst", "soft", "blocks", "noise", "exposure", "bands", "freeze", "bars", "overlay"],
      ...found.shots.map(({ startS, endS, score, worst, defects }) => [`${startS.toFixed(2)}-${endS.toFixed(2)} s`, score.toFixed(3), worst, ...Object.values(defects).map((v) => v.toFixed(2))]),
    ]);
    for (const warning of found.warnings) output.text(`note: ${warning}`);
    output.data({ file, shots: found.shots, warnings: found.warnings });
  },
});
