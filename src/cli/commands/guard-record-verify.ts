/** `orrery guard record verify`: is this record what was signed, by whom, and does it belong to this video? */
import { readFile, stat } from "node:fs/promises";
import { fromSystemError, OrreryError } from "../../errors.ts";
import { fileSha256 } from "../../file-hash.ts";
import { defineCommand } from "../command.ts";
import { one, text } from "../options.ts";
import { givenKey } from "../record-key.ts";

export const command = defineCommand({
  name: "guard record verify",
  summary: "say whether a safety record is whole, and who signed it",
  description:
    "Checks the Ed25519 signature over the record's canonical JSON (RFC 8785), that its parts agree with each other (an allowed stage whose guards did not allow it is refused even when well signed), and with --video that it belongs to that very file. Exit status 0: valid and signed by the expected key. Otherwise 1, also when no key is known to compare with.",
  examples: [
    { type: "orrery guard record verify out.safety.json", does: "was it signed by this installation, and is it unchanged?" },
    { type: "orrery guard record verify out.safety.json --key their.pub.pem --video out.mp4", does: "by that key, and about that file?" },
  ],
  args: { record: one("a signed safety record", "RECORD") },
  options: {
    key: text({ metavar: "PEM", help: "the public key that should have signed it (default: the one of this installation)" }),
    video: text({ metavar: "FILE", help: "the file that it should be about" }),
  },
  async run({ args: { record: path }, options, output }) {
    const { maxRecordBytes, verifyRecord } = await import("../../guardrail/record.ts");
    const { publicKey, from } = await givenKey(options.key);
    const json = await stat(path).then(async ({ size }) => {
      if (size > maxRecordBytes) throw new OrreryError("bad_argument", `${path} has ${size} bytes; a safety record has at most ${maxRecordBytes}`);
      return readFile(path, "utf8");
    }).catch((error: unknown) => {
      throw fromSystemError(error, path);
    });
    const { valid, trusted, reason, keyId, record } = verifyRecord(json, publicKey);
    const wrongVideo = valid && options.video !== undefined ? await otherThan(options.video, record!.output?.sha256) : undefined;
    const { good, bad, warn } = output.style;
    output.text(`${path}: ${!valid || wrongVideo ? bad("NOT VALID") : trusted ? good("valid") : warn("whole, but signed by an unknown key")}`);
    for (const why of [reason, wrongVideo]) if (why !== undefined) output.text(`  ${why}`);
    if (keyId !== undefined) output.text(`  signed by key ${keyId}${trusted ? ` (${from})` : ""}`);
    if (valid && record) output.text(`  ${record.outcome} on ${record.createdAt} by ${record.software}, policy ${record.policy.name} ${record.policy.version}`);
    output.data({ valid: valid && !wrongVideo, trusted, ...(reason === undefined ? {} : { reason }), ...(wrongVideo ? { video: wrongVideo } : {}), ...(keyId ? { keyId } : {}), ...(record ? { outcome: record.outcome, id: record.id } : {}) });
    if (!valid || wrongVideo || !trusted) throw new OrreryError("bad_signature", `${path}: ${wrongVideo ?? reason}`);
  },
});

async function otherThan(path: string, expected: string | undefined): Promise<string | undefined> {
  if (expected === undefined) return "the record is of a generation that delivered no file";
  return (await fileSha256(path)) === expected ? undefined : `${path} is not the file that the record is about`;
}
