/** `orrery guard faces`: a video to one without recognisable faces. */
import type { FacePlan } from "../../guardrail/faces/index.ts";
import { defineCommand } from "../command.ts";
import { choice, integer, number, one, shared, text, toggle } from "../options.ts";

export const command = defineCommand({
  name: "guard faces",
  summary: "hide the faces in a video",
  description:
    "Finds faces, follows them from frame to frame so that none shows where the detector blinks, and writes over each that is at least 20 pixels wide and high: as 5 x 5 blocks, as Cosmos does, blurred, or as a plain rectangle. Works on videos of any length and size; the result has the same size, frame rate and sound (copied, or as AAC where mp4 cannot hold its codec) and is upright, 8-bit and SDR. A stopped run continues where it was. No detector finds every face: look at the sheet that --report writes before you pass a video on. 5 x 5 blocks of a large face can be matched by someone who has a picture of it; use --method solid against that.",
  examples: [
    { type: "orrery guard faces clip.mp4 -o anonymous.mp4", does: "pixelate every face" },
    { type: "orrery guard faces street.mp4 -o out.mp4 --tile --report", does: "also find faces of 20 to 40 pixels, and write out.faces.json and out.faces.html for review" },
    { type: "orrery guard faces clip.mp4 -o out.mp4 --method solid --margin 0.3 --no-sound", does: "leave nothing of the faces, their outlines or the voices" },
    { type: "orrery guard faces clip.mp4 -o out.mp4 --detector checkpoints/retinaface", does: "use RetinaFace (mobilenet0.25 or ResNet-50) from your own checkpoint" },
  ],
  args: { video: one("video file", "VIDEO") },
  options: {
    out: text({ short: "o", required: true, metavar: "FILE", help: "video to write (NAME.mp4)" }),
    method: choice(["pixelate", "blur", "solid"], { default: "pixelate", help: "how a face is hidden" }),
    detector: text({ default: "bundled", metavar: "bundled|DIR", help: "what finds faces: the bundled detector, or a folder or file with RetinaFace's weights" }),
    tile: toggle({ help: "look for small faces too, in enlarged tiles; several times slower" }),
    minSize: integer({ min: 1, max: 16_384, default: 20, help: "faces narrower or lower than this many pixels stay" }),
    margin: number({ min: 0, max: 4, default: 0.1, help: "how much around a face is hidden with it, as a part of its size" }),
    threshold: number({ min: 0.01, max: 1, help: "how sure the detector must be, 0 to 1 (default: 0.5 bundled, 0.7 RetinaFace)" }),
    every: integer({ min: 1, max: 32, default: 4, help: "look at one of so many frames, and at more where faces come, go or move fast; 1 is every frame" }),
    gap: number({ min: 0, max: 60, default: 0.5, help: "seconds for which a face may be lost and is still hidden in between" }),
    hold: number({ min: 0, max: 60, default: 0.2, help: "seconds for which a face is hidden before it is first and after it is last found" }),
    sound: toggle({ default: true, help: "keep the sound" }),
    crf: integer({ min: 0, max: 51, help: "quality of the result, lower is better (default: 18)" }),
    report: toggle({ help: "write NAME.faces.json (every box) and NAME.faces.html (pictures for review) beside the result" }),
    device: shared.device,
    threads: shared.threads,
  },
  async run({ args: { video }, options, output, progress, signal }) {
    const [{ hideFacesInVideo, openFaceDetector }, { faceReview }] = await Promise.all([import("../../guardrail/faces/index.ts"), import("../../guardrail/faces/review.ts")]);
    const { out, method, tile, minSize, margin, threshold, every, gap, hold, sound, crf, device, threads } = options;
    const detector = await openFaceDetector({ detector: options.detector, tile, device, threads });
    try {
      const warnings: string[] = [];
      const review = options.report ? faceReview() : undefined;
      const hidden = await hideFacesInVideo(video, out, detector, {
        method, minSize, margin, threshold, every, gapS: gap, holdS: hold, sound, progress, signal,
        ...(crf === undefined ? {} : { crf }),
        ...(review ? { onFrame: (frame, index: number, plan: FacePlan) => review.add(frame, index, plan) } : {}),
        onWarning: (message) => warnings.push(message),
      });
      const { report } = hidden;
      const written = review ? await review.write(out, video, hidden) : undefined;
      const faces = report.tracks.filter((track) => track.hidden).length;
      const small = report.tracks.length - faces;
      output.text(`${out}: ${count(faces, "face")} hidden in ${report.framesHidden} of ${count(report.frames, "frame")} (${report.framesOnlyFilled} of them where the detector saw none or was not asked; it looked at ${report.framesLookedAt})`);
      if (small > 0) output.text(`  ${count(small, "face")} below ${minSize} pixels left as ${small === 1 ? "it is" : "they are"}`);
      output.text(`  found by ${report.detector.model}; sound: ${hidden.sound}`);
      for (const warning of warnings) output.text(`  note: ${warning}`);
      if (written) output.text(`  for review: ${written.page} and ${written.data}`);
      output.data({ output: out, sound: hidden.sound, warnings, ...(written ? { review: written } : {}), ...report, boxes: undefined });
    } finally {
      await detector.close();
    }
  },
});

const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? "" : "s"}`;
