/** `orrery guard explain`: what did each guard see, and why did it say what it said? */
import { readFile, stat } from "node:fs/promises";
import { dirname, extname, join, basename } from "node:path";
import { fromSystemError, OrreryError } from "../../errors.ts";
import type { Explanation } from "../../guardrail/explain.ts";
import { defineCommand } from "../command.ts";
import { checkGiven, subjectOptions, writePage } from "../guard.ts";
import { optional, text } from "../options.ts";
import { givenKey } from "../record-key.ts";

export const command = defineCommand({
  name: "guard explain",
  summary: "show what each guard saw and why, of a prompt, a video or a record",
  description:
    "Of a prompt or a video: runs the guards and shows stage by stage what each found, with its evidence and threshold. Of a record (NAME.safety.json, or the video beside it): shows what was recorded, and whether the signature holds. The page of --html is one file without scripts that loads nothing. This is for reviewers: it quotes what was found. Ends with exit status 0 whatever was found.",
  examples: [
    { type: 'orrery guard explain --prompt "a knife fight in an alley"', does: "why a prompt is blocked" },
    { type: "orrery guard explain out.safety.json --html report.html", does: "a page about a generation, from its record" },
    { type: "orrery guard explain --video clip.mp4 --html report.html", does: "which frames a guard objects to" },
  ],
  args: { record: optional("a signed safety record, or the video that it stands beside", "RECORD") },
  options: {
    ...subjectOptions,
    html: text({ metavar: "FILE", help: "write a page as well" }),
    key: text({ metavar: "PEM", help: "the public key that should have signed the record (default: the one of this installation)" }),
  },
  async run({ args: { record }, options, output, progress, signal }) {
    const [{ explainChecks, explainText }, { explainPage }] = await Promise.all([import("../../guardrail/explain.ts"), import("../../guardrail/explain-page.ts")]);
    const asked = options.prompt !== undefined || options.negativePrompt !== undefined || options.video !== undefined;
    if (record !== undefined && asked) throw new OrreryError("bad_argument", "a record and something to check were given; explain one or the other");
    if (record === undefined && !asked) throw new OrreryError("bad_argument", "nothing to explain was given; give a record, --prompt TEXT or --video FILE");
    let explanation: Explanation;
    if (record === undefined) {
      const { verdicts, texts } = await checkGiven(options, { progress, signal });
      explanation = explainChecks(verdicts, texts);
    } else explanation = await explainFile(record, options.key);
    if (options.html !== undefined) await writePage(options.html, explainPage(explanation));
    for (const line of explainText(explanation, output.style)) output.text(line);
    if (options.html !== undefined) output.text(`\nwrote ${options.html}`);
    output.data({ ...explanation, ...(options.html === undefined ? {} : { html: options.html }) });
  },
});

async function explainFile(path: string, key: string | undefined): Promise<Explanation> {
  const { explainRecord } = await import("../../guardrail/explain.ts");
  const { maxRecordBytes, verifyRecord } = await import("../../guardrail/record.ts");
  const file = extname(path) === ".json" ? path : join(dirname(path), `${basename(path, extname(path))}.safety.json`);
  try {
    const { size } = await stat(file);
    if (size > maxRecordBytes) throw new OrreryError("bad_argument", `${file} has ${size} bytes; a safety record has at most ${maxRecordBytes}`);
    const verification = verifyRecord(await readFile(file, "utf8"), (await givenKey(key)).publicKey);
    if (!verification.record) throw new OrreryError("bad_argument", `${file} cannot be explained: ${verification.reason}`);
    return explainRecord(verification.record, verification);
  } catch (error) {
    throw fromSystemError(error, file);
  }
}
