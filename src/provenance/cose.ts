/**
 * The signature of a content credential: COSE_Sign1 (RFC 9052) over the claim, with the certificate chain in its protected
 * header and, where a time-stamp authority is configured, its RFC 3161 token in the unprotected one (C2PA 2.1, section 14).
 * The claim itself and its place in the file are the C2PA library's business.
 */
import { constants, createHash, randomBytes, sign } from "node:crypto";
import { OrreryError } from "../errors.ts";
import { readDer, boolean, integer, octets, oid, sequence } from "./der.ts";
import type { ContentCredential, SigningAlgorithm } from "./keys.ts";

/** What CBOR (RFC 8949) is written from; an array of pairs is a map, whose order is kept. */
type Cbor = number | string | null | Uint8Array | { list: Cbor[] } | { map: [Cbor, Cbor][] } | { tag: number; value: Cbor };

export function cbor(value: Cbor): Buffer {
  if (value === null) return Buffer.from([0xf6]);
  if (typeof value === "number") return value < 0 ? head(1, -1 - value) : head(0, value);
  if (typeof value === "string") return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value, "utf8")]);
  if (value instanceof Uint8Array) return Buffer.concat([head(2, value.length), value]);
  if ("list" in value) return Buffer.concat([head(4, value.list.length), ...value.list.map(cbor)]);
  if ("map" in value) return Buffer.concat([head(5, value.map.length), ...value.map.flat().map(cbor)]);
  return Buffer.concat([head(6, value.tag), cbor(value.value)]);
}

function head(major: number, count: number): Buffer {
  const type = major << 5;
  if (count < 24) return Buffer.from([type | count]);
  if (count < 0x100) return Buffer.from([type | 24, count]);
  if (count < 0x10000) return Buffer.from([type | 25, count >> 8, count & 0xff]);
  const bytes = Buffer.alloc(5, type | 26);
  bytes.writeUInt32BE(count, 1);
  return bytes;
}

/** COSE's number of each algorithm, and the hash that belongs to it (RFC 9053, RFC 8230). */
const algorithms: Readonly<Record<SigningAlgorithm, { cose: number; hash: string | null }>> = {
  es256: { cose: -7, hash: "sha256" },
  es384: { cose: -35, hash: "sha384" },
  es512: { cose: -36, hash: "sha512" },
  ps256: { cose: -37, hash: "sha256" },
  ed25519: { cose: -8, hash: null },
};
const x5chain = 33;

/** Bytes to reserve in the file: certificates, signature, headers, and a time stamp with the authority's certificates. */
export function reservedSize({ chain, timestampUrl }: ContentCredential): number {
  return 2048 + chain.reduce((sum, one) => sum + one.length, 0) + (timestampUrl === undefined ? 0 : 12_288);
}

/** Signs the bytes of a claim: a COSE_Sign1 of exactly `size` bytes. @throws `io_failed` when a time stamp cannot be had. */
export async function signClaim(claim: Uint8Array, credential: ContentCredential, size: number, signal?: AbortSignal): Promise<Buffer> {
  const { cose, hash } = algorithms[credential.algorithm];
  // A root is known to whoever trusts it and is left out, as RFC 9360 advises. One certificate stands alone, several as a list.
  const sent = credential.selfIssued ? credential.chain.slice(0, 1) : credential.chain;
  const chain = sent.length === 1 ? sent[0]! : { list: sent };
  const protectedHeader = cbor({ map: [[1, cose], [x5chain, chain]] });
  const toSign = cbor({ list: ["Signature1", protectedHeader, Buffer.alloc(0), claim] });
  const pss = credential.algorithm === "ps256" ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } : {};
  const signature = sign(hash, toSign, { key: credential.privateKey, dsaEncoding: "ieee-p1363", ...pss });
  // What is stamped is the signature, as a countersignature (RFC 9338), so that the time proves when the signature was there.
  const toStamp = cbor({ list: ["CounterSignature", protectedHeader, Buffer.alloc(0), cbor(signature)] });
  const stamp: [Cbor, Cbor][] = credential.timestampUrl === undefined
    ? []
    : [["sigTst2", { map: [["tstTokens", { list: [{ map: [["val", await requestTimestamp(credential.timestampUrl, toStamp, signal)]] }] }]] }]];
  const whole = (...padding: [Cbor, Cbor][]) => cbor({ tag: 18, value: { list: [protectedHeader, { map: [...stamp, ...padding] }, null, signature] } });
  // A second, short padding makes up for the bytes by which the length field of the first one grows.
  const pads = (long: number, short: number): [Cbor, Cbor][] => [["pad", Buffer.alloc(long)], ["pad2", Buffer.alloc(short)]];
  const room = size - whole(...pads(0, 0)).length;
  if (room < 4) throw new OrreryError("bad_config", `the certificate chain and time stamp need ${-room + 4} bytes more than the ${size} that were reserved; leave the root out of the chain`);
  const long = Math.max(0, room - 4);
  const short = size - whole(...pads(long, 0)).length;
  return whole(...pads(long, short));
}

const sha256Id = sequence(oid("2.16.840.1.101.3.4.2.1"), Buffer.from([5, 0]));

/**
 * Asks an RFC 3161 authority to stamp the SHA-256 of `data`; gives the token (a CMS ContentInfo, DER). The token's own
 * signature is checked by whoever verifies the credential.
 * @throws `io_failed` when the authority cannot be reached in 20 seconds, refuses, or answers about something else.
 */
export async function requestTimestamp(url: string, data: Uint8Array, signal?: AbortSignal): Promise<Buffer> {
  const digest = createHash("sha256").update(data).digest();
  const nonce = randomBytes(8);
  nonce[0]! &= 0x7f;
  const request = sequence(integer(1), sequence(sha256Id, octets(digest)), integer(nonce), boolean(true));
  const failed = (why: string, cause?: unknown) =>
    new OrreryError("io_failed", `the time-stamp authority ${url} ${why}; check ORRERY_TSA_URL, or unset it to sign without a time stamp`, { cause });
  let reply: Buffer;
  try {
    const timeout = AbortSignal.timeout(20_000);
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/timestamp-query", accept: "application/timestamp-reply" },
      body: new Uint8Array(request),
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    });
    if (!response.ok) throw failed(`answered ${response.status}`);
    reply = Buffer.from(await response.arrayBuffer());
  } catch (error) {
    if (error instanceof OrreryError) throw error;
    throw failed(`cannot be reached (${(error as Error).message})`, error);
  }
  if (reply.length > 65_536) throw failed(`answered with ${reply.length} bytes`);
  const [status, token] = readDer(readDer(reply)[0]?.content ?? new Uint8Array());
  const granted = status === undefined ? undefined : readDer(status.content)[0]?.content[0];
  if (token === undefined || granted === undefined || granted > 1) throw failed(`refused (status ${granted ?? "none"})`);
  if (!Buffer.from(token.whole).includes(digest)) throw failed("stamped something else than what it was given");
  return Buffer.from(token.whole);
}
