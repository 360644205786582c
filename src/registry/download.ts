/**
 * One file over HTTP, from a server that is not trusted: of a size that is known or bounded, resumed where it was cut, checked
 * against its hash, under its name only when it is whole. A key goes to the address it was given for and nowhere else.
 */
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { fromSystemError, OrreryError } from "../errors.ts";
import { throwIfCancelled } from "../progress.ts";

export interface Access {
  /** Sent as a bearer token, to the origin of the address that was asked for only. */
  token?: string | undefined;
  signal?: AbortSignal | undefined;
  /** Without a byte for so long the server is given up. Default 60 s. */
  stallMs?: number | undefined;
}

const mostRedirects = 5;

const failed = (message: string, cause?: unknown): OrreryError => new OrreryError("io_failed", message, { cause });

/** Whether a key, or a model, may come over it: HTTPS, or a server on this machine. */
export function checkedUrl(text: string, what: string): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    throw new OrreryError("bad_argument", `${what} is ${JSON.stringify(text)}, which is no URL; expected https://…`, { cause });
  }
  const local = ["127.0.0.1", "localhost", "[::1]"].includes(url.hostname);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && local)) throw new OrreryError("bad_argument", `${what} is ${url.protocol}//${url.host}; only https is taken, or http on this machine`);
  if (url.username !== "" || url.password !== "") throw new OrreryError("bad_argument", `${what} holds a user's name or password; give a token in HF_TOKEN instead`);
  return url;
}

interface Stalling {
  signal: AbortSignal;
  /** A byte has come. */
  alive(): void;
  end(): void;
}

/** Aborts when nothing has come for a while, or with the user's own signal. */
function stalling({ signal, stallMs = 60_000 }: Access): Stalling {
  const controller = new AbortController();
  const abort = (): void => controller.abort(signal?.reason);
  signal?.addEventListener("abort", abort);
  if (signal?.aborted) abort();
  let timer = setTimeout(() => controller.abort(new Error(`nothing came for ${stallMs / 1000} s`)), stallMs);
  return {
    signal: controller.signal,
    alive() {
      timer.refresh();
    },
    end() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    },
  };
}

/** GET, with redirects followed here so that the key stays with its origin and nobody is led from https to http. */
async function get(first: URL, headers: Readonly<Record<string, string>>, access: Access, stall: Stalling): Promise<Response> {
  let url = first;
  for (let i = 0; i <= mostRedirects; i++) {
    const key: Record<string, string> = access.token !== undefined && url.origin === first.origin ? { authorization: `Bearer ${access.token}` } : {};
    let response: Response;
    try {
      response = await fetch(url, { headers: { ...headers, ...key, "accept-encoding": "identity" }, redirect: "manual", signal: stall.signal });
    } catch (cause) {
      throwIfCancelled(access.signal, "the download");
      throw failed(`${url.host} did not answer: ${(cause as { cause?: Error }).cause?.message ?? (cause as Error).message}; run the same command again to go on`, cause);
    }
    const location = response.headers.get("location");
    if (response.status < 300 || response.status > 399 || response.status === 304 || location === null) return response;
    await response.body?.cancel();
    url = checkedUrl(new URL(location, url).href, `what ${url.host} leads to`);
  }
  throw failed(`${first.href} leads on more than ${mostRedirects} times`);
}

function complain(url: URL, response: Response): OrreryError {
  const why = response.status === 401 || response.status === 403 ? "; the model is for those who have asked for it: accept its terms on the hub, and give your token in HF_TOKEN" : response.status === 404 ? "; check the name and the revision" : "";
  return failed(`${url.origin}${url.pathname} answered ${response.status}${why}`);
}

/** A small document. @throws `io_failed` for an answer that is none, or is larger than `most` bytes; undefined where there is none and `optional` says so. */
export async function fetchSmall(address: URL, most: number, access: Access): Promise<Buffer> {
  const stall = stalling(access);
  try {
    const response = await get(address, {}, access, stall);
    if (!response.ok) throw complain(address, response);
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const part of response.body ?? []) {
      stall.alive();
      bytes += part.length;
      if (bytes > most) throw failed(`${address.href} is larger than the ${most} bytes that it may have`);
      parts.push(part);
    }
    return Buffer.concat(parts);
  } catch (error) {
    throwIfCancelled(access.signal, "the download");
    if (error instanceof OrreryError) throw error;
    throw failed(`${address.host} broke off: ${(error as Error).message}; run the same command again to go on`, error);
  } finally {
    stall.end();
  }
}

export interface Wanted {
  url: URL;
  /** Bytes, where they are known. */
  bytes?: number | undefined;
  /** Bytes at most. */
  most: number;
  /** What it must be: SHA-256, or the name that Git has for it (SHA-1 over its length and content), where one is known. */
  sha256?: string | undefined;
  gitOid?: string | undefined;
}

export interface Downloaded {
  sha256: string;
  bytes: number;
}

/**
 * Brings a file to `path`. What came before is kept in `path.part` and gone on from when the server still has the same file.
 * @throws `io_failed` for a server that fails or whose file is not the one wanted, `cancelled`, `disk_full`.
 */
export async function downloadFile(wanted: Wanted, path: string, access: Access, report: (bytes: number) => void = () => {}): Promise<Downloaded> {
  const done = await hashed(path).catch(() => undefined);
  if (done && isWanted(done, wanted)) {
    report(done.bytes);
    return { sha256: done.sha256, bytes: done.bytes };
  }
  try {
    await mkdir(dirname(path), { recursive: true });
    // A second try from the beginning: what lay there may have been of another file.
    return (await attempt(wanted, path, access, report)) ?? (await attempt(wanted, path, access, report)) ?? fail(wanted);
  } catch (error) {
    throw fromSystemError(error, path);
  }
}

const fail = ({ url, sha256, gitOid }: Wanted): never => {
  throw failed(`${url.href} is not the file that was promised (${sha256 === undefined ? `Git's ${gitOid}` : `SHA-256 ${sha256}`}); it was changed or damaged on the way, and is not kept`);
};

const isWanted = (found: Downloaded & { gitOid: string }, { bytes, sha256, gitOid }: Wanted): boolean =>
  (sha256 !== undefined || gitOid !== undefined) && (bytes === undefined || bytes === found.bytes) && (sha256 === undefined || sha256 === found.sha256) && (gitOid === undefined || gitOid === found.gitOid);

async function hashed(path: string): Promise<Downloaded & { gitOid: string }> {
  const { size } = await stat(path);
  const [sha256, git] = [createHash("sha256"), gitHash(size)];
  for await (const part of createReadStream(path) as AsyncIterable<Buffer>) {
    sha256.update(part);
    git.update(part);
  }
  return { sha256: sha256.digest("hex"), gitOid: git.digest("hex"), bytes: size };
}

const gitHash = (bytes: number): Hash => createHash("sha1").update(`blob ${bytes}\0`);

/** One try; nothing when what came is not what was wanted. */
async function attempt(wanted: Wanted, path: string, access: Access, report: (bytes: number) => void): Promise<Downloaded | undefined> {
  const { url, most } = wanted;
  const [part, tag] = [`${path}.part`, `${path}.etag`];
  const etag = await readFile(tag, "utf8").catch(() => undefined);
  // Without a mark of the server's version, or a hash to check by, nobody could say that the rest belongs to the beginning.
  const canResume = etag !== undefined || wanted.sha256 !== undefined || wanted.gitOid !== undefined;
  const there = canResume ? ((await stat(part).catch(() => undefined))?.size ?? 0) : 0;
  const stall = stalling(access);
  let begin = there;
  try {
    const complete = there > 0 && there === wanted.bytes;
    if (!complete) {
      const range: Record<string, string> = there > 0 ? { range: `bytes=${there}-`, ...(etag === undefined ? {} : { "if-range": etag }) } : {};
      const response = await get(url, range, access, stall);
      if (response.status === 416) {
        await response.body?.cancel();
        await rm(part, { force: true });
        return undefined;
      }
      if (!response.ok) throw complain(url, response);
      if (response.status === 206 && !(response.headers.get("content-range") ?? "").startsWith(`bytes ${there}-`)) throw failed(`${url.host} sent another part of ${url.pathname} than the one asked for`);
      if (response.status !== 206) begin = 0;
      const announced = begin + Number(response.headers.get("content-length") ?? 0);
      if (announced > most) throw failed(`${url.pathname} has ${announced} bytes, more than the ${most} that were allowed`);
      const mark = response.headers.get("etag");
      if (mark !== null && !mark.startsWith("W/")) await writeFile(tag, mark);
      else await rm(tag, { force: true });
      const handle = await open(part, begin > 0 ? "r+" : "w");
      try {
        let at = begin;
        for await (const piece of response.body ?? []) {
          stall.alive();
          throwIfCancelled(access.signal, "the download");
          if (at + piece.length > most) throw failed(`${url.pathname} is longer than the ${most} bytes that were allowed`);
          await handle.write(piece, 0, piece.length, at);
          at += piece.length;
          report(at);
        }
        await handle.truncate(at);
        await handle.sync();
      } finally {
        await handle.close();
      }
    }
  } catch (error) {
    throwIfCancelled(access.signal, "the download");
    const system = fromSystemError(error, part);
    if (system instanceof OrreryError) throw system;
    throw failed(`${url.host} broke off: ${(error as Error).message}; run the same command again to go on`, error);
  } finally {
    stall.end();
  }
  const found = await hashed(part);
  const isRight = wanted.sha256 === undefined && wanted.gitOid === undefined ? wanted.bytes === undefined || wanted.bytes === found.bytes : isWanted(found, wanted);
  if (!isRight) {
    if (wanted.bytes !== undefined && found.bytes < wanted.bytes) throw failed(`${url.host} broke off after ${found.bytes} of ${wanted.bytes} bytes of ${url.pathname}; run the same command again to go on`);
    await rm(part, { force: true });
    if (begin > 0) return undefined;
    return fail(wanted);
  }
  await rename(part, path);
  await rm(tag, { force: true });
  return { sha256: found.sha256, bytes: found.bytes };
}
