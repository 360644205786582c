/** `orrery provenance export`: what others need to check this installation's signatures. Nothing secret is in it. */
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fromSystemError } from "../../errors.ts";
import { writeFileAtomic } from "../../partial-file.ts";
import { defineCommand } from "../command.ts";
import { text, toggle } from "../options.ts";

export const command = defineCommand({
  name: "provenance export",
  summary: "write the public keys, and the registry, for others",
  description:
    "Writes into a folder: anchor.pem (the root of this installation's content credentials: whoever puts it into anchors/ under their ORRERY_HOME, or gives it to another C2PA reader, trusts them) and record.pub.pem (the Ed25519 key of safety records and registry entries). The watermark's key stays here: who has it can remove marks.",
  examples: [
    { type: "orrery provenance export -o public", does: "write what others need to trust this installation" },
    { type: "orrery provenance export -o backup --registry", does: "and a copy of the registry" },
  ],
  options: {
    out: text({ short: "o", required: true, metavar: "DIR", help: "folder to write into; made when it is not there" }),
    registry: toggle({ help: "also copy the registry (names and digests of everything that was made)" }),
  },
  async run({ options: { out, registry }, output }) {
    const { openContentCredential, openRecordKey, pemOf, registryPath } = await import("../../provenance/index.ts");
    const [credential, key] = await Promise.all([openContentCredential(), openRecordKey()]);
    await mkdir(out, { recursive: true }).catch((error: unknown) => {
      throw fromSystemError(error, out);
    });
    const written = [join(out, "anchor.pem"), join(out, "record.pub.pem")];
    await writeFileAtomic(written[0]!, pemOf(credential.chain.at(-1)!));
    await writeFileAtomic(written[1]!, key.publicKeyPem);
    if (registry) {
      const copy = join(out, "registry.jsonl");
      await copyFile(registryPath(), copy).catch((error: unknown) => {
        throw fromSystemError(error, registryPath());
      });
      written.push(copy);
    }
    for (const path of written) output.text(path);
    output.data({ files: written, keyId: key.keyId, selfIssued: credential.selfIssued });
  },
});
