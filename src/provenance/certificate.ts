/**
 * The certificate that an installation issues to itself, so that it can sign content credentials before anybody has bought
 * one: a root of its own and, issued by it, a leaf that may sign C2PA claims (X.509 v3, RFC 5280; the profile of C2PA 2.1
 * section 14.5: not self-signed, digitalSignature, an extended key usage). It proves that two files come from the same
 * installation and have not been changed since; who that installation is, it cannot prove.
 *
 * The root's private key is thrown away after the one signature, so nobody can issue another leaf under it.
 */
import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from "node:crypto";
import { bits, boolean, explicit, implicit, integer, octets, oid, sequence, set, time, utf8 } from "./der.ts";

export interface IssuedCertificate {
  /** Of the leaf; EC P-256. */
  privateKey: KeyObject;
  /** DER, leaf first. */
  chain: [leaf: Buffer, root: Buffer];
}

const ecdsaWithSha256 = sequence(oid("1.2.840.10045.4.3.2"));
const usage = { claimSigning: "1.3.6.1.4.1.62558.2.1", emailProtection: "1.3.6.1.5.5.7.3.4" };
const yearMs = 365.25 * 24 * 3600 * 1000;

/** Makes a root and a leaf. `name` is the organisation that readers of the credential will show. */
export function issueCertificate(name: string, options: { now?: Date; years?: number } = {}): IssuedCertificate {
  const { now = new Date(), years = 10 } = options;
  // A little in the past, or a reader whose clock is late would call it not yet valid.
  const from = new Date(now.getTime() - 3600_000);
  const root = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const leaf = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const mark = keyIdentifier(root.publicKey).toString("hex").slice(0, 8);
  const rootName = distinguishedName(name, `${name} root ${mark}`);
  const leafName = distinguishedName(name, `${name} ${mark}`);
  const rootCertificate = certify({
    issuer: rootName, subject: rootName, subjectKey: root.publicKey, issuerKey: root, from, to: new Date(now.getTime() + (years + 1) * yearMs),
    extensions: [
      extension("2.5.29.19", true, sequence(boolean(true), integer(0))),
      extension("2.5.29.15", true, bits(Buffer.from([0b0000_0110]), 1)), // keyCertSign, cRLSign
    ],
  });
  const leafCertificate = certify({
    issuer: rootName, subject: leafName, subjectKey: leaf.publicKey, issuerKey: root, from, to: new Date(now.getTime() + years * yearMs),
    extensions: [
      extension("2.5.29.19", true, sequence()),
      extension("2.5.29.15", true, bits(Buffer.from([0b1000_0000]), 7)), // digitalSignature
      extension("2.5.29.37", true, sequence(oid(usage.claimSigning), oid(usage.emailProtection))),
    ],
  });
  return { privateKey: leaf.privateKey, chain: [leafCertificate, rootCertificate] };
}

interface Certificate {
  issuer: Buffer;
  subject: Buffer;
  subjectKey: KeyObject;
  issuerKey: { privateKey: KeyObject; publicKey: KeyObject };
  from: Date;
  to: Date;
  extensions: Buffer[];
}

function certify({ issuer, subject, subjectKey, issuerKey, from, to, extensions }: Certificate): Buffer {
  const serial = randomBytes(16);
  serial[0] = (serial[0]! & 0x7f) | 1;
  const body = sequence(
    explicit(0, integer(2)), // version 3
    integer(serial),
    ecdsaWithSha256,
    issuer,
    sequence(time(from), time(to)),
    subject,
    subjectKey.export({ type: "spki", format: "der" }),
    explicit(3, sequence(
      ...extensions,
      extension("2.5.29.14", false, octets(keyIdentifier(subjectKey))),
      extension("2.5.29.35", false, sequence(implicit(0, keyIdentifier(issuerKey.publicKey)))),
    )),
  );
  return sequence(body, ecdsaWithSha256, bits(sign("sha256", body, issuerKey.privateKey)));
}

function extension(id: string, critical: boolean, value: Uint8Array): Buffer {
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), octets(value));
}

function distinguishedName(organisation: string, commonName: string): Buffer {
  const part = (id: string, text: string) => set(sequence(oid(id), utf8(text)));
  return sequence(part("2.5.4.10", organisation), part("2.5.4.3", commonName));
}

function keyIdentifier(key: KeyObject): Buffer {
  return createHash("sha1").update(key.export({ type: "spki", format: "der" })).digest();
}

/** DER to PEM. */
export function pemOf(certificate: Uint8Array): string {
  const lines = Buffer.from(certificate).toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

/** The certificates of a PEM text as DER, in their order. */
export function certificatesOf(pem: string): Buffer[] {
  return [...pem.matchAll(/-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/g)].map((match) => Buffer.from(match[1]!, "base64"));
}
