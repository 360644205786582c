/** `orrery provenance verify`: where does this file come from, and is it as it was made? */
import { OrreryError } from "../../errors.ts";
import type { Verification } from "../../provenance/index.ts";
import { defineCommand } from "../command.ts";
import { one, text } from "../options.ts";

export const command = defineCommand({
  name: "provenance verify",
  summary: "say where a video comes from and whether it was changed",
  description:
    "Hears three witnesses: the content credential (C2PA) in the file, the invisible watermark in its pictures, and the registry of what was made here. Ends with exit status 0 when a signer who is trusted here made the file and it is unchanged, with 1 otherwise: altered, stripped of its credential, of a signer unknown here, or nothing found (which proves nothing). Trusted are this installation's own signatures and the roots in anchors/ under ORRERY_HOME. Sends nothing anywhere.",
  examples: [
    { type: "orrery provenance verify clip.mp4", does: "ask all three, and say what follows" },
    { type: "orrery provenance verify clip.mp4 --picture found.png", does: "also draw where the watermark was found" },
    { type: "orrery provenance verify clip.mp4 --json", does: "every finding as JSON" },
  ],
  args: { file: one("video file", "FILE") },
  options: {
    picture: text({ metavar: "FILE.png", help: "draw what was found where" }),
    watermarkModel: text({ metavar: "DIR", help: "also ask a watermark model of your own: watermark.json, encoder and decoder as ONNX" }),
  },
  async run({ args: { file }, options: { picture, watermarkModel }, output, progress, signal }) {
    const { evidencePicture, openWatermarkKey, verifyFile, watermarkWords } = await import("../../provenance/index.ts");
    const result = await verifyFile(file, { ...(watermarkModel === undefined ? {} : { watermarkModel }), progress, signal });
    if (picture !== undefined) {
      const { writePng } = await import("../../video/index.ts");
      await writePng(picture, evidencePicture(result, await openWatermarkKey()));
    }
    const { good, bad, warn, bold } = output.style;
    const paint = result.verdict === "intact" ? good : result.verdict === "altered" ? bad : warn;
    output.text(`${bold(file)}: ${paint(result.verdict)}`);
    for (const sentence of result.conclusion) output.text(`  ${sentence}`);
    const { credential, watermark } = result;
    output.text();
    output.table([
      ["credential", credential.state, [credential.signer?.organisation, credential.signer?.name, credential.signedAt === undefined ? undefined : `signed ${credential.signedAt}${credential.timeTrusted === true ? "" : " by a clock that is not trusted here"}`].filter(Boolean).join(", ")],
      ["watermark", watermark.found, watermarkWords(watermark)],
      ...(result.registry.length === 0 ? [["registry", "nothing", ""]] : result.registry.slice(0, 5).map(({ entry, by, distance }) => ["registry", entry.genuine ? by.join(", ") : `${by.join(", ")} (NOT SIGNED by this installation)`, `${entry.name}, ${entry.at}${distance === undefined ? "" : `, ${distance.toFixed(1)} of 64 bits apart`}`])),
    ]);
    if (picture !== undefined) output.text(`picture: ${picture}`);
    output.data(asData(result));
    if (result.verdict !== "intact") throw new OrreryError("not_verified", `${file} is ${words[result.verdict]}; see above`);
  },
});

const words = {
  intact: "intact",
  altered: "not as it was signed",
  stripped: "from here but has lost its credential",
  foreign: "signed by somebody who is not known here",
  similar: "without a mark, but looks like a video made here",
  unknown: "without any mark that is known here",
} as const;

/** Everything that was found, without the pixels. */
function asData({ frame: _frame, watermark: { residual: _residual, ...watermark }, ...rest }: Verification): unknown {
  return { ...rest, watermark };
}
