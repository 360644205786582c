/**
 * Brings a model here from a hub or a server that the user names. First what it consists of and its licence, and only when
 * that was accepted its weights; every file checked against the hash that the hub, or the model's lock file, promises. The model
 * appears under its name when it is whole; until then its files wait in a hidden folder beside, and the same command goes on.
 *
 * Two kinds of sources: `hf:OWNER/NAME[@REVISION]`, a hub that speaks like Hugging Face's (`api/models`, `resolve/`), at an
 * address that the user sets; and an https URL, of one file or of an `orrery.lock.json` with its model around it.
 */
import { createHash } from "node:crypto";
import { mkdir, open, readdir, rename, rm, statfs } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { fromSystemError, OrreryError } from "../errors.ts";
import { silent, type Progress } from "../progress.ts";
import { licenceFiles, licenceOfCard, parseCard, type Licence } from "./card.ts";
import { checkedUrl, downloadFile, fetchSmall, type Access } from "./download.ts";
import { isInside, lockFile, mostFiles, parseLock, readLock, writeLock, type ModelLock } from "./lock.ts";

export interface PullOptions {
  /** Folder that models are below (`modelHome`). */
  home: string;
  /** Address of the hub, for `hf:` sources. */
  endpoint?: string | undefined;
  token?: string | undefined;
  /** Name of the folder; default OWNER/NAME, or that of the file. */
  name?: string | undefined;
  /** Only files whose names match one of these, with `*` and `?`; a card, licence and configurations always come along. */
  include?: readonly string[];
  /** SHA-256 of a single file. */
  sha256?: string | undefined;
  /** Takes files that are pickles, which can hold programs. */
  allowPickle?: boolean;
  /** Whether the user accepts the licence, once it is known. */
  acceptLicence(licence: ShownLicence): boolean | Promise<boolean>;
  /** Bytes of all files together at most. Default 64 GiB. */
  mostBytes?: number;
  stallMs?: number;
  progress?: Progress;
  signal?: AbortSignal | undefined;
}

export interface ShownLicence extends Licence {
  /** The text, where the model brings it. */
  text?: string;
}

export interface Pulled {
  name: string;
  folder: string;
  source: string;
  bytes: number;
  files: number;
  licence: string;
  /** Files that were left out, and why. */
  leftOut: { path: string; reason: string }[];
  /** Whether it was here already, and nothing was done. */
  kept: boolean;
}

/** A file that a source promises. */
interface Promised {
  path: string;
  url: URL;
  bytes?: number | undefined;
  sha256?: string | undefined;
  gitOid?: string | undefined;
}

interface Listing {
  source: string;
  name: string;
  files: Promised[];
  licence?: Licence | undefined;
}

const mib = 2 ** 20;
const defaultMost = 64 * 2 ** 30;
/** Configurations and cards are small. */
const smallFile = 4 * mib;

/** Files that are, or hold, pickles, by their names; what they are is looked at when they have come. */
const pickleName = /\.(pt|pth|ckpt|bin|pkl|pickle|jit|npy|npz|joblib)$/i;

/** Brings a model. @throws `bad_argument` (source, licence not accepted, a name in use), `io_failed`, `unsafe_checkpoint`, `disk_full`, `cancelled`. */
export async function pullModel(source: string, options: PullOptions): Promise<Pulled> {
  const { home, progress = silent, signal, allowPickle = false, mostBytes = defaultMost, stallMs } = options;
  // A hub's key is nobody else's business.
  const access: Access = { token: source.startsWith("hf:") ? options.token : undefined, signal, stallMs };
  progress({ stage: "asking what the model consists of", done: 0 });
  const listing = source.startsWith("hf:") ? await listHub(source, options, access) : await listUrl(source, options, access);
  const name = checkedName(options.name ?? listing.name);
  const folder = join(home, name);
  const here = await readLock(folder);
  if (here?.source === listing.source)
    return { name, folder, source: listing.source, bytes: sumOf(Object.values(here.files)), files: Object.keys(here.files).length, licence: here.licence?.name ?? "not said", leftOut: [], kept: true };
  if ((await readdir(folder).catch((): string[] => [])).length > 0) throw new OrreryError("bad_argument", `${folder} holds something else already${here?.source === undefined ? "" : ` (${here.source})`}; give the new model another name with --name, or remove the folder`);

  const { chosen, leftOut } = choose(listing.files, options.include ?? [], allowPickle);
  if (!chosen.some(({ path }) => !isSmallText(path)))
    throw new OrreryError("unsafe_checkpoint", `${listing.source} has no file to take${leftOut.length > 0 ? `: ${leftOut.slice(0, 3).map((f) => `${f.path} ${f.reason}`).join("; ")}` : ""}${leftOut.some((f) => f.reason === pickleReason) ? ". Ask for a version in safetensors, or take pickles with --allow-pickle (Orrery reads them without running them; other programs may not)" : ""}`);
  const total = sumOf(chosen);
  if (total > mostBytes) throw new OrreryError("bad_argument", `${listing.source} has ${total} bytes to take, more than the ${mostBytes} that are allowed; choose files with --include, or raise --max-size`);

  const stage = join(home, `.pull-${createHash("sha256").update(`${name}\n${listing.source}`).digest("hex").slice(0, 16)}`);
  try {
    await mkdir(stage, { recursive: true });
    const { bavail, bsize } = await statfs(stage);
    if (bavail * bsize < total) throw new OrreryError("disk_full", `${listing.source} needs ${total} bytes, and ${bavail * bsize} are free at ${home}`);
  } catch (error) {
    throw fromSystemError(error, stage);
  }
  const files: ModelLock["files"] = {};
  let done = 0;
  const take = async (file: Promised): Promise<void> => {
    const most = Math.min(file.bytes ?? mostBytes, mostBytes - done);
    const got = await downloadFile({ ...file, most }, join(stage, file.path), access, (n) => progress({ stage: "pulling", done: done + n, ...(total > 0 ? { total } : {}), unit: "bytes", note: file.path }));
    if (!allowPickle) await refusePickle(join(stage, file.path), file.path);
    files[file.path] = got;
    done += got.bytes;
  };
  // The licence before anything that it is about.
  const order = [...chosen.filter(({ path }) => isSmallText(path)), ...chosen.filter(({ path }) => !isSmallText(path))];
  const before = order.filter(({ path }) => path === "README.md" || licenceFiles.includes(path));
  for (const file of before) await take(file);
  const licence = await licenceIn(stage, listing.licence);
  if (!(await options.acceptLicence(licence)))
    throw new OrreryError("bad_argument", `${listing.source} is under the licence "${licence.name}"${licence.link === undefined ? "" : ` (${licence.link})`}${licence.text === undefined ? "" : "; its text is above"}. Run the same command with --accept-licence if you accept it; nothing but its card was taken so far`);
  for (const file of order) if (!before.includes(file)) await take(file);

  const now = new Date().toISOString();
  const { text, ...named } = licence;
  const lock: ModelLock = {
    version: 1, source: listing.source, at: now,
    licence: { ...named, ...(text === undefined ? {} : { sha256: createHash("sha256").update(text).digest("hex") }), accepted: now },
    files: Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1))),
  };
  await writeLock(stage, lock);
  try {
    await mkdir(dirname(folder), { recursive: true });
    await rm(folder, { recursive: true, force: true });
    await rename(stage, folder);
  } catch (error) {
    throw fromSystemError(error, folder);
  }
  return { name, folder, source: listing.source, bytes: done, files: order.length, licence: licence.name, leftOut, kept: false };
}

const sumOf = (files: readonly { bytes?: number | undefined }[]): number => files.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0);
const isSmallText = (path: string): boolean => /\.(json|md|txt|ya?ml)$/i.test(path) || licenceFiles.includes(path);

function checkedName(name: string): string {
  if (!isInside(name) || !/^[\w.-]+(\/[\w.-]+){0,2}$/.test(name)) throw new OrreryError("bad_argument", `--name is ${JSON.stringify(name)}; expected letters, digits, dots and dashes, such as owner/model`);
  return name;
}

const pickleReason = "is of a kind that is or holds a pickle, which can hold programs";

function choose(files: readonly Promised[], include: readonly string[], allowPickle: boolean): { chosen: Promised[]; leftOut: Pulled["leftOut"] } {
  const leftOut: Pulled["leftOut"] = [];
  const patterns = include.map((p) => new RegExp(`^${p.replace(/[.+^${}()|[\]\\]/g, "\\$&").replace(/\*+/g, ".*").replaceAll("?", ".")}$`, "s"));
  const chosen = files.filter(({ path }) => {
    const reason = !isInside(path) ? (path.split("/").some((part) => /^\.[^.]/.test(part)) ? "is hidden" : "has a name that would lead out of the model's folder") : pickleName.test(path) && !allowPickle ? pickleReason
      : patterns.length > 0 && !isSmallText(path) && !patterns.some((p) => p.test(path)) ? "was not asked for" : undefined;
    if (reason !== undefined) leftOut.push({ path, reason });
    return reason === undefined;
  });
  const folded = new Map<string, string>();
  for (const { path } of chosen) {
    const other = folded.get(path.toLowerCase());
    if (other !== undefined) throw new OrreryError("io_failed", `the source has two files ${other} and ${path}, which are one on some systems`);
    folded.set(path.toLowerCase(), path);
  }
  return { chosen, leftOut };
}

/** Looks at what came: a name says little about what a file is. */
async function refusePickle(path: string, name: string): Promise<void> {
  const handle = await open(path, "r");
  let isPickle: boolean;
  try {
    const head = Buffer.alloc(10);
    await handle.read(head, 0, head.length, 0);
    const begins = (...bytes: number[]): boolean => bytes.every((b, i) => head[i] === b);
    // A pickle of protocol 2 and later, PyTorch's zip archives, its older format, and NumPy's arrays, which may hold objects.
    isPickle = (head[0] === 0x80 && head[1]! >= 2 && head[1]! <= 5) || begins(0x50, 0x4b, 3, 4) || begins(0x80, 2, 0x8a, 0x0a) || head.toString("latin1", 1, 6) === "NUMPY";
  } finally {
    await handle.close();
  }
  if (!isPickle) return;
  await rm(path, { force: true });
  throw new OrreryError("unsafe_checkpoint", `${name} is a pickle or an archive that holds one, whatever its name says, and was removed again; take such files with --allow-pickle`);
}

async function licenceIn(folder: string, listed: Licence | undefined): Promise<ShownLicence> {
  const read = (name: string): Promise<string | undefined> => open(join(folder, name), "r").then(
    async (handle) => {
      try {
        const { size } = await handle.stat();
        return size <= smallFile ? (await handle.readFile()).toString("utf8") : undefined;
      } finally {
        await handle.close();
      }
    },
    () => undefined,
  );
  const card = await read("README.md");
  const named = (card === undefined ? undefined : licenceOfCard(parseCard(card))) ?? listed;
  let text: string | undefined;
  for (const name of licenceFiles) text ??= await read(name);
  const name = named?.name ?? text?.split("\n").map((line) => line.trim()).find((line) => line !== "")?.slice(0, 100) ?? "none that the model names";
  return { name, ...(named?.link === undefined ? {} : { link: named.link }), ...(text === undefined ? {} : { text }) };
}

const hubModel = z.object({ sha: z.string().regex(/^[0-9a-f]{40,64}$/), cardData: z.object({ license: z.unknown(), license_name: z.unknown(), license_link: z.unknown() }).partial().nullish() });
const hubTree = z.array(z.object({ type: z.string(), path: z.string(), size: z.int().nonnegative(), oid: z.string().optional(), lfs: z.object({ oid: z.string(), size: z.int().nonnegative() }).nullish() }));

async function json<T>(schema: z.ZodType<T>, url: URL, access: Access): Promise<T> {
  const bytes = await fetchSmall(url, 4 * smallFile, access);
  try {
    return schema.parse(JSON.parse(bytes.toString("utf8")));
  } catch (cause) {
    throw new OrreryError("io_failed", `${url.origin}${url.pathname} did not answer as a hub of models does: ${(cause as Error).message.slice(0, 300)}`, { cause });
  }
}

/** What a hub's repository consists of, at one commit. */
async function listHub(source: string, { endpoint }: PullOptions, access: Access): Promise<Listing> {
  const match = /^hf:([A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9][\w.-]{0,95})(?:@([A-Za-z0-9][\w./-]{0,99}))?$/.exec(source);
  if (!match || source.includes("..")) throw new OrreryError("bad_argument", `${JSON.stringify(source)} names no model of a hub; expected hf:OWNER/NAME or hf:OWNER/NAME@REVISION`);
  if (endpoint === undefined) throw new OrreryError("bad_argument", `${source} is on a hub, and Orrery asks none that you have not named; give its address with --endpoint or in HF_ENDPOINT`);
  const base = checkedUrl(endpoint.replace(/\/+$/, ""), "the hub's address");
  const at = (path: string): URL => new URL(`${base.href.replace(/\/+$/, "")}/${path}`);
  const escaped = (path: string): string => path.split("/").map(encodeURIComponent).join("/");
  const [repository, revision] = [match[1]!, match[2] ?? "main"];
  const { sha, cardData } = await json(hubModel, at(`api/models/${repository}/revision/${encodeURIComponent(revision)}`), access);
  const tree = await json(hubTree, at(`api/models/${repository}/tree/${sha}?recursive=true`), access);
  if (tree.length > mostFiles) throw new OrreryError("io_failed", `${source} has more than ${mostFiles} files`);
  const files = tree.filter(({ type }) => type === "file").map(({ path, size, oid, lfs }): Promised => ({
    path, url: at(`${repository}/resolve/${sha}/${escaped(path)}`), bytes: lfs?.size ?? size,
    ...(lfs && /^[0-9a-f]{64}$/.test(lfs.oid) ? { sha256: lfs.oid } : oid !== undefined && /^[0-9a-f]{40}$/.test(oid) && !lfs ? { gitOid: oid } : {}),
  }));
  const unsure = files.find(({ sha256, gitOid }) => sha256 === undefined && gitOid === undefined);
  if (unsure) throw new OrreryError("io_failed", `the hub promises no hash for ${unsure.path}, so it could not be checked`);
  const licence = cardData ? licenceOfCard({ front: { ...cardData }, body: "" }) : undefined;
  return { source: `hf:${repository}@${sha}`, name: repository, files, licence };
}

/** One file, or what a lock file names around itself. */
async function listUrl(source: string, { sha256 }: PullOptions, access: Access): Promise<Listing> {
  if (!/^https?:\/\//.test(source)) throw new OrreryError("bad_argument", `${JSON.stringify(source)} is no source of models; expected hf:OWNER/NAME[@REVISION], or an https URL of a checkpoint or of an ${lockFile}`);
  const url = checkedUrl(source, "the source");
  const file = decodeURIComponent(basename(url.pathname));
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/.test(sha256)) throw new OrreryError("bad_argument", `--sha256 is ${JSON.stringify(sha256)}; expected 64 hexadecimal digits`);
  // What follows a question mark may be a secret that lets one in, and is not written down.
  const plain = `${url.origin}${url.pathname}`;
  if (file !== lockFile) return { source: plain, name: file.replace(/\.[^.]*$/, "").replace(/[^\w.-]+/g, "-") || "model", files: [{ path: file, url, ...(sha256 === undefined ? {} : { sha256 }) }] };
  const bytes = await fetchSmall(url, smallFile, access);
  const given = createHash("sha256").update(bytes).digest("hex");
  if (sha256 !== undefined && given !== sha256) throw new OrreryError("io_failed", `${url.href} has the SHA-256 ${given}, not ${sha256}`);
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    throw new OrreryError("bad_config", `${url.href} is not JSON`, { cause });
  }
  const lock = parseLock(value, url.href);
  const folder = new URL(".", url);
  const files = Object.entries(lock.files).map(([path, promised]): Promised => ({ path, url: new URL(path.split("/").map(encodeURIComponent).join("/"), folder), bytes: promised.bytes, sha256: promised.sha256 }));
  return { source: plain, name: basename(folder.pathname).replace(/[^\w.-]+/g, "-") || "model", files, ...(lock.licence ? { licence: { name: lock.licence.name, ...(lock.licence.link === undefined ? {} : { link: lock.licence.link }) } } : {}) };
}
