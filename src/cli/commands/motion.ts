/** `orrery motion`: how the camera and the things before it move. */
import { defineCommand } from "../command.ts";
import { one } from "../options.ts";

export const command = defineCommand({
  name: "motion",
  summary: "say how the camera of a video moves, and how much moves before it",
  description:
    "Decodes the file once at low resolution, finds its shots, and fits the camera's movement in each by block matching, about eight times a second. A tag is one of static, pan, tilt, roll, zoom/dolly, handheld, shaky and undetermined (fewer than two in five blocks agree); `directions` names every clear movement. One camera cannot tell a pan from a truck, nor a zoom from a dolly. Speeds are in widths of the picture a second (roll: radians). `objectSpeed` is what moves against the camera: a fixed camera before a running dog is static, and moves.",
  examples: [
    { type: "orrery motion drive.mp4", does: "a line for each shot" },
    { type: "orrery motion drive.mp4 --json", does: "every figure of each shot, as JSON" },
  ],
  args: { file: one("video file", "FILE") },
  async run({ args: { file }, output, progress, signal }) {
    const { findMotion } = await import("../../curator/index.ts");
    const found = await findMotion(file, { progress, signal });
    output.table([
      ["shot", "camera", "directions", "speed", "jitter", "objects", "agreement"],
      ...found.shots.map((shot) => [
        `${shot.startS.toFixed(2)}-${shot.endS.toFixed(2)} s`, shot.tag, shot.directions.join(" ") || "-",
        shot.cameraSpeed.toFixed(3), shot.jitter.toFixed(3), shot.objectSpeed.toFixed(3), shot.agreement.toFixed(2),
      ]),
    ]);
    for (const warning of found.warnings) output.text(`note: ${warning}`);
    output.data({ file, shots: found.shots, warnings: found.warnings });
  },
});
