/**
 * The keys of an installation, under `ORRERY_HOME` (default `~/.orrery`), each made on first use:
 *
 *   keys/record.pem       Ed25519; signs safety records and registry entries; its public half is record.pub.pem
 *   keys/content.pem      the private key and certificate chain that sign content credentials (C2PA)
 *   keys/watermark.key    32 random bytes; the watermark's pattern follows from them
 *   anchors/*.pem         roots whose signatures are trusted: the own ones, and those a user puts there
 *
 * Files are readable by their owner alone, and appear whole or not at all, also when two processes make them at once: the
 * first one wins and the other uses what it made. A user's own keys take their place through the environment:
 * `ORRERY_SIGNING_KEY`, `ORRERY_C2PA_KEY` with `ORRERY_C2PA_CERT`, `ORRERY_WATERMARK_KEY` (paths) and `ORRERY_TSA_URL`.
 */
import { X509Certificate, createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign, verify, type KeyObject } from "node:crypto";
import { link, mkdir, open, readFile, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { OrreryError, fromSystemError } from "../errors.ts";
import { orreryHome, type HomeOptions } from "../home.ts";
import { certificatesOf, issueCertificate, pemOf } from "./certificate.ts";

export interface RecordKey {
  /** SHA-256 of the public key (SPKI, DER), hex: what a signed record names its signer by. */
  keyId: string;
  publicKeyPem: string;
  privateKey: KeyObject;
  /** Ed25519 signature, 64 bytes. */
  sign(data: Uint8Array): Buffer;
}

/**
 * The Ed25519 key that signs records.
 * @throws `bad_config` when a key file is no Ed25519 key or may be read by others, `io_failed`, `disk_full`.
 */
export async function openRecordKey(options: HomeOptions = {}): Promise<RecordKey> {
  const own = (options.env ?? process.env)["ORRERY_SIGNING_KEY"];
  const path = own || join(orreryHome(options), "keys/record.pem");
  const pem = own ? await readText(own) : await readOrMake(path, () => generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }) as string);
  const privateKey = parsePrivateKey(pem, path);
  if (privateKey.asymmetricKeyType !== "ed25519")
    throw new OrreryError("bad_config", `${path} holds a key of type ${privateKey.asymmetricKeyType}; records are signed with Ed25519 (openssl genpkey -algorithm ed25519)`);
  const publicKey = createPublicKey(privateKey);
  const publicKeyPem = publicKey.export({ type: "spki", format: "pem" }) as string;
  if (!own) await readOrMake(join(orreryHome(options), "keys/record.pub.pem"), () => publicKeyPem, 0o644);
  return { keyId: keyIdOf(publicKey), publicKeyPem, privateKey, sign: (data) => sign(null, data, privateKey) };
}

/** SHA-256 of a public key in SPKI form, hex. */
export function keyIdOf(publicKey: KeyObject): string {
  return createHash("sha256").update(publicKey.export({ type: "spki", format: "der" })).digest("hex");
}

/** Whether a signature is that of the key, given as PEM, over the data. */
export function verifySignature(publicKeyPem: string, data: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verify(null, data, createPublicKey(publicKeyPem), signature);
  } catch {
    return false;
  }
}

/** Names of signature algorithms as C2PA and COSE (RFC 9053) know them. */
export type SigningAlgorithm = "es256" | "es384" | "es512" | "ps256" | "ed25519";

export interface ContentCredential {
  /** DER, leaf first. */
  chain: Buffer[];
  privateKey: KeyObject;
  algorithm: SigningAlgorithm;
  /** Issued by this installation to itself, rather than given by the user. */
  selfIssued: boolean;
  /** RFC 3161 authority that time-stamps signatures; none by default, because it is reached over the network. */
  timestampUrl?: string;
}

/**
 * The certificate and key that sign content credentials.
 * @throws `bad_config` when the user's files do not belong together, cannot sign or have expired.
 */
export async function openContentCredential(options: HomeOptions = {}): Promise<ContentCredential> {
  const env = options.env ?? process.env;
  const [keyPath, certificatePath, timestampUrl] = [env["ORRERY_C2PA_KEY"], env["ORRERY_C2PA_CERT"], env["ORRERY_TSA_URL"]];
  const timestamp = timestampUrl ? { timestampUrl: checkUrl(timestampUrl) } : {};
  if (keyPath || certificatePath) {
    if (!keyPath || !certificatePath)
      throw new OrreryError("bad_config", `${keyPath ? "ORRERY_C2PA_KEY" : "ORRERY_C2PA_CERT"} is set alone; a credential is both, the key and its certificate chain (PEM, leaf first)`);
    const [key, chain] = await Promise.all([readText(keyPath), readText(certificatePath)]);
    return { ...credentialOf(key, chain, certificatePath), selfIssued: false, ...timestamp };
  }
  const path = join(orreryHome(options), "keys/content.pem");
  let pem = await readOrMake(path, makeCredential);
  if (hasExpired(pem)) {
    // The old root stays among the anchors, so that what it signed is still recognised.
    await rename(path, join(dirname(path), `content.${Date.now()}.expired.pem`)).catch(() => {});
    pem = await readOrMake(path, makeCredential);
  }
  const credential = credentialOf(pem, pem, path);
  const root = credential.chain.at(-1)!;
  const mark = createHash("sha256").update(root).digest("hex").slice(0, 16);
  await readOrMake(join(orreryHome(options), `anchors/own-${mark}.pem`), () => pemOf(root), 0o644);
  return { ...credential, selfIssued: true, ...timestamp };
}

function makeCredential(): string {
  const { privateKey, chain } = issueCertificate("Orrery self-issued");
  return `${privateKey.export({ type: "pkcs8", format: "pem" }) as string}${chain.map(pemOf).join("")}`;
}

function hasExpired(pem: string): boolean {
  const leaf = certificatesOf(pem)[0];
  return leaf !== undefined && new Date(new X509Certificate(leaf).validTo) < new Date();
}

function credentialOf(keyPem: string, chainPem: string, path: string): Pick<ContentCredential, "chain" | "privateKey" | "algorithm"> {
  const privateKey = parsePrivateKey(keyPem, path);
  const chain = certificatesOf(chainPem);
  if (chain.length === 0) throw new OrreryError("bad_config", `${path} holds no certificate; give the chain as PEM, leaf first`);
  let leaf: X509Certificate;
  try {
    leaf = new X509Certificate(chain[0]!);
  } catch (error) {
    throw new OrreryError("bad_config", `${path}: its first certificate cannot be read; give the chain as PEM, leaf first`, { cause: error });
  }
  if (!leaf.checkPrivateKey(privateKey)) throw new OrreryError("bad_config", `${path}: its first certificate does not belong to the private key; put the leaf first, and give its own key`);
  if (new Date(leaf.validTo) < new Date()) throw new OrreryError("bad_config", `${path}: the certificate expired on ${leaf.validTo}; renew it`);
  return { privateKey, chain, algorithm: algorithmOf(privateKey, path) };
}

function algorithmOf(key: KeyObject, path: string): SigningAlgorithm {
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (key.asymmetricKeyType === "ed25519") return "ed25519";
  if (key.asymmetricKeyType === "rsa" || key.asymmetricKeyType === "rsa-pss") return "ps256";
  const curves: Readonly<Record<string, SigningAlgorithm>> = { prime256v1: "es256", secp384r1: "es384", secp521r1: "es512" };
  const algorithm = curve === undefined ? undefined : curves[curve];
  if (algorithm === undefined) throw new OrreryError("bad_config", `${path} holds a ${key.asymmetricKeyType} key${curve ? ` on ${curve}` : ""}; C2PA takes EC P-256, P-384, P-521, RSA and Ed25519`);
  return algorithm;
}

/** The secret that the watermark's pattern follows from. Who has it can read, write and erase marks: it is not for sharing. */
export async function openWatermarkKey(options: HomeOptions = {}): Promise<Uint8Array> {
  const own = (options.env ?? process.env)["ORRERY_WATERMARK_KEY"];
  const path = own || join(orreryHome(options), "keys/watermark.key");
  const hex = (own ? await readText(own) : await readOrMake(path, () => `${randomBytes(32).toString("hex")}\n`)).trim();
  if (!/^[0-9a-f]{64}$/i.test(hex)) throw new OrreryError("bad_config", `${path} must hold 64 hexadecimal digits (openssl rand -hex 32); it does not`);
  return Buffer.from(hex, "hex");
}

/** Every trusted root as PEM: the installation's own, and what users put into `anchors/`. Empty on a first use. */
export async function trustAnchors(options: HomeOptions = {}): Promise<string> {
  const folder = join(orreryHome(options), "anchors");
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw fromSystemError(error, folder);
  });
  const texts = await Promise.all(names.filter((name) => name.endsWith(".pem") && !name.startsWith(".")).toSorted().map((name) => readText(join(folder, name))));
  return texts.flatMap(certificatesOf).map(pemOf).join("");
}

function parsePrivateKey(pem: string, path: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw new OrreryError("bad_config", `${path} holds no private key that can be used (PEM without a passphrase, PKCS#8); make one with openssl genpkey`, { cause: error });
  }
}

function checkUrl(url: string): string {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) throw new OrreryError("bad_config", `ORRERY_TSA_URL is "${url}"; expected the http(s) address of an RFC 3161 time-stamp authority`);
  return url;
}

async function readText(path: string): Promise<string> {
  return readFile(path, "utf8").catch((error: unknown) => {
    throw fromSystemError(error, path);
  });
}

/**
 * Reads a file, or makes it when it is not there. It is written aside and linked into place: `link` fails when another
 * process was first, and then that one's content counts.
 */
async function readOrMake(path: string, make: () => string, mode = 0o600): Promise<string> {
  for (;;) {
    try {
      const text = await readFile(path, "utf8");
      if (mode === 0o600) await refuseWhenPublic(path);
      return text;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw fromSystemError(error, path);
    }
    const temporary = join(dirname(path), `.${basename(path)}.${process.pid}-${randomBytes(4).toString("hex")}.partial`);
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      const handle = await open(temporary, "wx", mode);
      try {
        await handle.writeFile(make());
        await handle.sync();
      } finally {
        await handle.close();
      }
      await link(temporary, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw fromSystemError(error, path);
    } finally {
      await rm(temporary, { force: true });
    }
  }
}

async function refuseWhenPublic(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const { mode } = await stat(path);
  if ((mode & 0o077) !== 0)
    throw new OrreryError("bad_config", `${path} is a secret and others may read it (mode ${(mode & 0o777).toString(8)}); run \`chmod 600 ${path}\`, or remove it to make a new one`);
}
