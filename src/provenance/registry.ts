/**
 * What this installation has made: a file of lines, one for each video, that is only ever appended to. It answers whose a
 * file is after its metadata has been stripped: by the digest of the whole file, of the coded pictures in it (which a remux
 * keeps), by the watermark's number, or by a fingerprint that stays nearly the same.
 *
 * A plain file and no database, because nothing in it ever changes, whole lines can be appended by several processes at once
 * without a lock, and a look-up reads it in one pass: about a second for 100,000 lines, with memory for one block at a time.
 * A line that a crash cut off is skipped, and the next one begins on a line of its own. Each line is signed, so that whoever
 * can write to the folder still cannot claim a video. The fingerprint stands first in its line, so that a search needs to
 * parse only the lines that it keeps.
 */
import { createReadStream } from "node:fs";
import { mkdir, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { fromSystemError } from "../errors.ts";
import { throwIfCancelled } from "../progress.ts";
import { fingerprintDistance, fingerprintFrames, wordsOf } from "./fingerprint.ts";
import { orreryHome, type HomeOptions } from "../home.ts";
import { openRecordKey, verifySignature } from "./keys.ts";

const digits = fingerprintFrames * 16;
const hex = (length: number) => z.string().regex(new RegExp(`^[0-9a-f]{${length}}$`));

const entrySchema = z.object({
  fingerprint: hex(digits),
  sha256: hex(64),
  /** Of the coded pictures, without their container. */
  packetsSha256: hex(64).optional(),
  watermarkId: hex(16).optional(),
  manifestId: z.string().max(200).optional(),
  requestSha256: hex(64).optional(),
  /** Where the generation's record is, as its maker named it. */
  recordPath: z.string().max(4096).optional(),
  /** Name that the file had. */
  name: z.string().max(1024),
  width: z.number().int().positive(),
  height: z.number().int().positive(),
  durationS: z.number().nonnegative(),
  /** ISO 8601. */
  at: z.string().max(40),
});

export type RegistryEntry = z.infer<typeof entrySchema>;

const lineSchema = entrySchema.extend({ keyId: hex(64), signature: z.string().max(120) });

export const registryPath = (options: HomeOptions = {}): string => join(orreryHome(options), "provenance/registry.jsonl");

/** Longer lines are no entries. */
const maxLine = 16_384;

function lineOf(entry: RegistryEntry): string {
  const { fingerprint, ...rest } = entrySchema.parse(entry);
  return JSON.stringify({ fingerprint, ...rest });
}

/**
 * Adds a video; the entry is on disk when this resolves.
 * @throws `io_failed`, `disk_full`, `bad_config` (signing key).
 */
export async function register(entry: RegistryEntry, options: HomeOptions = {}): Promise<void> {
  const key = await openRecordKey(options);
  const body = lineOf(entry);
  const line = `${body.slice(0, -1)},"keyId":"${key.keyId}","signature":"${key.sign(Buffer.from(body)).toString("base64")}"}\n`;
  const path = registryPath(options);
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const file = await open(path, "a+", 0o600);
    try {
      const { size } = await file.stat();
      // A line that a crash left unfinished must not swallow this one. Two newlines in a row are harmless.
      const last = size === 0 ? "\n" : (await file.read(Buffer.alloc(1), 0, 1, size - 1)).buffer.toString("latin1");
      await file.appendFile(last === "\n" ? line : `\n${line}`);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw fromSystemError(error, path);
  }
}

/** Lines that may be entries, oldest first. */
async function* rawLines(path: string, signal: AbortSignal | undefined): AsyncGenerator<Buffer, void, void> {
  let rest: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 }) as AsyncIterable<Buffer>) {
      throwIfCancelled(signal, "searching the registry");
      const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let start = 0;
      for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10, start)) {
        if (end - start > digits && end - start <= maxLine) yield data.subarray(start, end);
        start = end + 1;
      }
      rest = Buffer.from(data.subarray(start));
      if (rest.length > maxLine) rest = Buffer.alloc(0);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw fromSystemError(error, path);
  }
}

export interface SignedEntry extends RegistryEntry {
  /** Whether the line carries a valid signature of this installation's key. Entries without one prove nothing. */
  genuine: boolean;
}

/** Entries, oldest first; lines that are damaged are skipped. */
export async function* readRegistry(options: HomeOptions & { signal?: AbortSignal | undefined } = {}): AsyncGenerator<SignedEntry, void, void> {
  const { publicKeyPem } = await openRecordKey(options);
  for await (const line of rawLines(registryPath(options), options.signal)) {
    const entry = parseLine(line, publicKeyPem);
    if (entry !== undefined) yield entry;
  }
}

function parseLine(line: Buffer, publicKeyPem: string): SignedEntry | undefined {
  let json: unknown;
  try {
    json = JSON.parse(line.toString("utf8"));
  } catch {
    return undefined;
  }
  const parsed = lineSchema.safeParse(json);
  if (!parsed.success) return undefined;
  const { keyId: _key, signature, ...entry } = parsed.data;
  return { ...entry, genuine: verifySignature(publicKeyPem, Buffer.from(lineOf(entry)), Buffer.from(signature, "base64")) };
}

export interface RegistryQuery {
  sha256?: string | undefined;
  packetsSha256?: string | undefined;
  watermarkId?: string | undefined;
  manifestId?: string | undefined;
  /** Fingerprints of the video, plain and mirrored; the nearer counts. */
  fingerprints?: readonly string[];
}

/** How an entry was found, the surest first. */
export const matchKinds = ["sha256", "packetsSha256", "manifestId", "watermarkId", "fingerprint"] as const;
export type MatchKind = (typeof matchKinds)[number];

export interface RegistryMatch {
  entry: SignedEntry;
  by: MatchKind[];
  /** Mean bits of 64 by which the frames' hashes differ; absent when no fingerprint was asked for. */
  distance?: number;
}

/** Fingerprints that differ by less are called neighbours. Unrelated videos differ by 20 and more. */
export const neighbourDistance = 12;
const mostMatches = 20;

/** Looks up a video; the best matches first, at most 20. */
export async function searchRegistry(query: RegistryQuery, options: HomeOptions & { signal?: AbortSignal | undefined } = {}): Promise<RegistryMatch[]> {
  const { publicKeyPem } = await openRecordKey(options);
  const exact = (["sha256", "packetsSha256", "manifestId", "watermarkId"] as const).flatMap((kind) => {
    const value = query[kind];
    return value === undefined ? [] : [{ kind, needle: Buffer.from(`"${kind}":${JSON.stringify(value)}`) }];
  });
  const wanted = (query.fingerprints ?? []).map(wordsOf);
  const words = new Uint32Array(fingerprintFrames * 2);
  const opening = Buffer.byteLength('{"fingerprint":"');
  const matches: RegistryMatch[] = [];
  for await (const line of rawLines(registryPath(options), options.signal)) {
    const by: MatchKind[] = exact.filter(({ needle }) => line.includes(needle)).map(({ kind }) => kind);
    let distance = 64;
    if (wanted.length > 0) {
      readWords(line, opening, words);
      for (const one of wanted) distance = Math.min(distance, fingerprintDistance(one, words));
      if (distance < neighbourDistance) by.push("fingerprint");
    }
    if (by.length === 0) continue;
    const entry = parseLine(line, publicKeyPem);
    if (entry === undefined) continue;
    matches.push({ entry, by, ...(wanted.length > 0 ? { distance } : {}) });
    if (matches.length > 4 * mostMatches) matches.sort(better).splice(mostMatches);
  }
  return matches.sort(better).slice(0, mostMatches);
}

function better(a: RegistryMatch, b: RegistryMatch): number {
  const rank = ({ by }: RegistryMatch) => Math.min(...by.map((kind) => matchKinds.indexOf(kind)));
  return Number(b.entry.genuine) - Number(a.entry.genuine) || rank(a) - rank(b) || (a.distance ?? 64) - (b.distance ?? 64) || (a.entry.at < b.entry.at ? 1 : -1);
}

/** Hexadecimal digits of a line as words, without making a string. */
function readWords(line: Buffer, start: number, words: Uint32Array): void {
  for (let i = 0; i < words.length; i++) {
    let word = 0;
    for (let j = start + i * 8; j < start + i * 8 + 8; j++) {
      const code = line[j]!;
      word = (word << 4) | (code < 58 ? code - 48 : code - 87);
    }
    words[i] = word;
  }
}
