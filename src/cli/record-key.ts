/** The public key that a safety record should have been signed with: one that is given, or that of this installation. */
import { createPublicKey, type KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fromSystemError, OrreryError } from "../errors.ts";

/** Reads; makes nothing. Without a key of its own an installation has signed nothing yet, and there is none. */
export async function givenKey(path: string | undefined): Promise<{ publicKey?: KeyObject; from?: string }> {
  const { orreryHome } = await import("../home.ts");
  const file = path ?? process.env["ORRERY_SIGNING_KEY"] ?? join(orreryHome(), "keys/record.pub.pem");
  let pem: string;
  try {
    pem = await readFile(file, "utf8");
  } catch (error) {
    if (path === undefined && (error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw fromSystemError(error, file);
  }
  try {
    // Of a private key this takes the public half.
    const publicKey = createPublicKey(pem);
    if (publicKey.asymmetricKeyType !== "ed25519") throw new OrreryError("bad_argument", `${file} holds a key of type ${publicKey.asymmetricKeyType}; safety records are signed with Ed25519`);
    return { publicKey, from: file };
  } catch (error) {
    if (error instanceof OrreryError) throw error;
    throw new OrreryError("bad_argument", `${file} holds no public key in PEM form (-----BEGIN PUBLIC KEY-----)`, { cause: error });
  }
}
