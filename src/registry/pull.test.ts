/** Pulling from a hub on this machine that breaks off, lies, leads astray and asks for a licence. */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { compareFiles, findModel, listModels, pullModel, readLock, writeLock, type PullOptions } from "./index.ts";

const sha256 = (data: string | Buffer): string => createHash("sha256").update(data).digest("hex");
const sha1 = (data: Buffer): string => createHash("sha1").update(`blob ${data.length}\0`).update(data).digest("hex");
const commit = "0123456789abcdef0123456789abcdef01234567";

const card = Buffer.from("---\nlicense: other\nlicense_name: example-licence\nlicense_link: https://example.org/licence\n---\n# A model\n");
const weights = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7919) % 251));
const pickle = Buffer.concat([Buffer.from([0x80, 2]), Buffer.alloc(40, 0x71)]);

interface Served {
  content: Buffer;
  lfs?: boolean;
  /** What the listing says instead of the truth. */
  promised?: { sha256?: string; size?: number };
}

let files: Record<string, Served>;
let seen: { method: string; url: string; range?: string; authorization?: string }[];
/** Bytes after which the connection is cut, once. */
let cutAfter: number | undefined;
let redirect: string | undefined;
let server: Server;
let other: Server;
let home: string;
const root = mkdtempSync(join(tmpdir(), "orrery-pull-"));

const listen = (handler: (request: IncomingMessage, response: ServerResponse) => void): Promise<Server> => new Promise((done) => {
  const made = createServer(handler).listen(0, "127.0.0.1", () => done(made));
});
const addressOf = (s: Server): string => `http://127.0.0.1:${(s.address() as AddressInfo).port}`;

function send(request: IncomingMessage, response: ServerResponse, content: Buffer): void {
  const match = /^bytes=(\d+)-$/.exec(request.headers.range ?? "");
  const from = match ? Number(match[1]) : 0;
  const body = content.subarray(from);
  response.writeHead(match ? 206 : 200, { etag: `"${sha256(content).slice(0, 16)}"`, "content-length": body.length, ...(match ? { "content-range": `bytes ${from}-${content.length - 1}/${content.length}` } : {}) });
  if (cutAfter !== undefined && body.length > cutAfter) {
    response.write(body.subarray(0, cutAfter), () => response.destroy());
    cutAfter = undefined;
  } else response.end(body);
}

beforeAll(async () => {
  server = await listen((request, response) => {
    const url = request.url!;
    seen.push({ method: request.method!, url, ...(request.headers.range ? { range: request.headers.range } : {}), ...(request.headers.authorization ? { authorization: request.headers.authorization } : {}) });
    const answer = (value: unknown): void => void response.setHeader("content-type", "application/json").end(JSON.stringify(value));
    if (url === "/api/models/owner/model/revision/main") answer({ sha: commit, cardData: { license: "other" } });
    else if (url === `/api/models/owner/model/tree/${commit}?recursive=true`)
      answer(Object.entries(files).map(([path, { content, lfs, promised }]) => ({ type: "file", path, size: promised?.size ?? content.length, oid: sha1(content), ...(lfs ? { lfs: { oid: promised?.sha256 ?? sha256(content), size: promised?.size ?? content.length } } : {}) })));
    else if (url.startsWith("/plain/")) {
      const found = files[url.slice(7).split("?")[0]!];
      if (found) send(request, response, found.content);
      else response.writeHead(404).end();
    } else {
      const found = files[decodeURIComponent(url.replace(`/owner/model/resolve/${commit}/`, ""))];
      if (!found) response.writeHead(404).end();
      else if (found.lfs && redirect !== undefined) response.writeHead(302, { location: redirect }).end();
      else send(request, response, found.content);
    }
  });
  other = await listen((request, response) => {
    seen.push({ method: "OTHER", url: request.url!, ...(request.headers.authorization ? { authorization: request.headers.authorization } : {}) });
    send(request, response, weights);
  });
});
afterAll(() => {
  server.close();
  other.close();
  rmSync(root, { recursive: true, force: true });
});
beforeEach(() => {
  home = mkdtempSync(join(root, "home-"));
  files = { "README.md": { content: card }, "config.json": { content: Buffer.from('{"_class_name":"Nothing"}') }, "transformer/model.safetensors": { content: weights, lfs: true }, ".gitattributes": { content: Buffer.from("*") } };
  seen = [];
});
afterEach(() => {
  cutAfter = undefined;
  redirect = undefined;
});

const pull = (options: Partial<PullOptions> = {}, source = "hf:owner/model"): ReturnType<typeof pullModel> =>
  pullModel(source, { home, endpoint: addressOf(server), acceptLicence: () => true, ...options });

test("a model comes whole, with its source, licence and hashes written down, and is not asked for twice", async () => {
  const result = await pull({ token: "secret" });
  expect(result).toMatchObject({ name: "owner/model", source: `hf:owner/model@${commit}`, licence: "example-licence", files: 3, kept: false });
  const folder = join(home, "owner/model");
  expect(readFileSync(join(folder, "transformer/model.safetensors")).equals(weights)).toBe(true);
  const lock = (await readLock(folder))!;
  expect(lock).toMatchObject({ source: `hf:owner/model@${commit}`, licence: { name: "example-licence", link: "https://example.org/licence", accepted: expect.any(String) as string }, files: { "transformer/model.safetensors": { sha256: sha256(weights), bytes: weights.length } } });
  expect(readdirSync(home)).toEqual(["owner"]);
  expect(new Set(seen.map((s) => s.authorization))).toEqual(new Set(["Bearer secret"]));
  expect(await pull()).toMatchObject({ kept: true });
  const roots = [{ folder: home, source: "made here" }];
  expect(await listModels(roots)).toMatchObject([{ name: "owner/model", kind: "component", family: "Nothing", source: `hf:owner/model@${commit}`, licence: { name: "example-licence" } }]);
  expect(await findModel("owner/model", roots)).toBe(folder);
  await expect(findModel("owner/../../x", roots)).rejects.toMatchObject({ code: "file_not_found", message: expect.stringContaining("owner/model") as string });
});

test("what was cut off goes on where it was", async () => {
  cutAfter = 100_000;
  await expect(pull()).rejects.toMatchObject({ code: "io_failed", message: expect.stringContaining("run the same command again") as string });
  expect(existsSync(join(home, "owner/model"))).toBe(false);
  seen = [];
  await pull();
  const [asked] = seen.filter((s) => s.url.endsWith("model.safetensors"));
  expect(Number(/bytes=(\d+)-/.exec(asked!.range!)![1])).toBeGreaterThan(0);
  // The card came before, and is not asked for again.
  expect(seen.filter((s) => s.url.endsWith("README.md"))).toEqual([]);
  expect(readFileSync(join(home, "owner/model/transformer/model.safetensors")).equals(weights)).toBe(true);
});

test("a file that changed while it was cut off is taken from the beginning", async () => {
  cutAfter = 100_000;
  await expect(pull()).rejects.toMatchObject({ code: "io_failed" });
  const stage = readdirSync(home).find((name) => name.startsWith(".pull-"))!;
  const part = join(home, stage, "transformer/model.safetensors.part");
  writeFileSync(part, Buffer.alloc(readFileSync(part).length, 1));
  await pull();
  expect(readFileSync(join(home, "owner/model/transformer/model.safetensors")).equals(weights)).toBe(true);
});

test("nothing but the card comes before the licence is accepted", async () => {
  let shown: unknown;
  files["LICENSE"] = { content: Buffer.from("You may.\n") };
  await expect(pull({ acceptLicence: (licence) => ((shown = licence), false) })).rejects.toMatchObject({ code: "bad_argument", message: expect.stringMatching(/example-licence.*--accept-licence/) as string });
  expect(shown).toEqual({ name: "example-licence", link: "https://example.org/licence", text: "You may.\n" });
  expect(new Set(seen.filter((s) => s.url.includes("/resolve/")).map((s) => s.url.split("/").at(-1)))).toEqual(new Set(["LICENSE", "README.md"]));
  await pull();
  expect((await readLock(join(home, "owner/model")))!.licence!.sha256).toBe(sha256("You may.\n"));
});

test("a key is not sent where the hub leads to, and nobody is led to plain http elsewhere", async () => {
  redirect = `${addressOf(other)}/blob`;
  await pull({ token: "secret" });
  expect(seen.filter((s) => s.method === "OTHER")).toEqual([{ method: "OTHER", url: "/blob" }]);
  redirect = "http://example.org/blob";
  await expect(pull({ name: "again" })).rejects.toMatchObject({ code: "bad_argument", message: expect.stringContaining("only https") as string });
});

describe("is refused:", () => {
  test.each<[string, () => Partial<PullOptions> | void, string, RegExp, string?]>([
    ["a file with another hash", () => void (files["transformer/model.safetensors"]!.promised = { sha256: "0".repeat(64) }), "io_failed", /not the file that was promised/],
    ["a small file with another hash", () => void (files["config.json"] = { content: Buffer.from("{}"), promised: { size: 3 } }), "io_failed", /broke off after 2 of 3 bytes/],
    ["a file that is longer than promised", () => void (files["transformer/model.safetensors"]!.promised = { size: 1000 }), "io_failed", /more than the 1000|longer than the 1000/],
    ["more than is allowed", () => ({ mostBytes: 1000 }), "bad_argument", /more than the 1000/],
    ["only pickles", () => void (files = { "README.md": files["README.md"]!, "model.pt": { content: pickle, lfs: true } }), "unsafe_checkpoint", /model\.pt is of a kind.*--allow-pickle/],
    ["a pickle under another name", () => void (files["transformer/model.safetensors"] = { content: pickle, lfs: true }), "unsafe_checkpoint", /whatever its name says/],
    ["two files that are one on some systems", () => void (files["Config.json"] = files["config.json"]!), "io_failed", /one on some systems/],
    ["a name that leads out of the folder", () => ({ name: "../x" }), "bad_argument", /--name/],
    ["a source that is none", () => ({}), "bad_argument", /no source of models/, "owner/model"],
    ["a hub that was not named", () => ({ endpoint: undefined }), "bad_argument", /--endpoint/],
    ["a hub over plain http", () => ({ endpoint: "http://example.org" }), "bad_argument", /only https/],
    ["a hub that is none", () => ({ endpoint: `${addressOf(server)}/plain` }), "io_failed", /answered 404/],
  ])("%s", async (_, prepare, code, message, source = "hf:owner/model") => {
    const options = prepare() ?? {};
    await expect(pull(options, source)).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
    expect(readdirSync(home).filter((name) => !name.startsWith("."))).toEqual([]);
  });
});

test("pickles come along when they are allowed, files that lead out of the folder never do", async () => {
  files["model.pt"] = { content: pickle, lfs: true };
  files["../../escape.json"] = { content: card };
  expect((await pull({ name: "plain" })).leftOut.map(({ path }) => path).sort()).toEqual(["../../escape.json", ".gitattributes", "model.pt"]);
  await pull({ allowPickle: true, include: ["*.pt"] });
  expect(readdirSync(join(home, "owner/model")).sort()).toEqual(["README.md", "config.json", "model.pt", "orrery.lock.json"]);
  expect(existsSync(join(root, "escape.json"))).toBe(false);
});

test("a model that somebody serves as files comes by its lock, and one file by its hash", async () => {
  const entry = (path: string): { sha256: string; bytes: number } => ({ sha256: sha256(files[path]!.content), bytes: files[path]!.content.length });
  const lock = { version: 1, at: "2026-01-01", files: { "README.md": entry("README.md"), "transformer/model.safetensors": entry("transformer/model.safetensors") } };
  files["orrery.lock.json"] = { content: Buffer.from(JSON.stringify(lock)) };
  const url = `${addressOf(server)}/plain/`;
  expect(await pull({ name: "served" }, `${url}orrery.lock.json?token=secret`)).toMatchObject({ files: 2, source: `${url}orrery.lock.json` });
  expect(await compareFiles(join(home, "served"), (await readLock(join(home, "served")))!)).toEqual({ same: 2, changed: [], missing: [], extra: [] });
  expect(await pull({ sha256: sha256(weights) }, `${url}transformer/model.safetensors`)).toMatchObject({ name: "model", files: 1 });
  await expect(pull({ name: "x", sha256: "1".repeat(64) }, `${url}transformer/model.safetensors`)).rejects.toMatchObject({ code: "io_failed" });
  // Refused by its name, before anything is asked for.
  lock.files = { "../out": entry("README.md") } as unknown as typeof lock.files;
  files["orrery.lock.json"] = { content: Buffer.from(JSON.stringify(lock)) };
  await expect(pull({ name: "y" }, `${url}orrery.lock.json`)).rejects.toMatchObject({ code: "bad_config" });
});

test("what has changed, is missing or came since is told apart", async () => {
  await pull();
  const folder = join(home, "owner/model");
  writeFileSync(join(folder, "config.json"), "{}");
  rmSync(join(folder, "README.md"));
  writeFileSync(join(folder, "new.txt"), "");
  expect(await compareFiles(folder, (await readLock(folder))!)).toEqual({ same: 1, changed: ["config.json"], missing: ["README.md"], extra: ["new.txt"] });
  await expect(writeLock(folder, { version: 1, at: "", files: { "a/../b": { sha256: "0".repeat(64), bytes: 1 } } })).rejects.toMatchObject({ code: "bad_config" });
});

test("stopping is safe", async () => {
  await expect(pull({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "cancelled" });
});
