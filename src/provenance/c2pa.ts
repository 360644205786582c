/**
 * Content credentials (C2PA 2.x) in mp4 files: a signed statement of how a video came to be, bound to its bytes. Signing
 * writes a new file; verifying says whether the statement holds and whether the signer is known here. A file that was
 * remuxed or re-encoded has lost its credential: that is what the watermark and the registry are for.
 *
 * The statement: actions with IPTC's digital source type (what article 50 of the EU AI Act wants machine-readable), model,
 * digest of the request, the safety record as its guards signed it, and the watermark's number as a soft binding. The prompt
 * is not in it. Hashing, JUMBF and validation are c2pa-rs's; certificates and signature are ours (cose.ts).
 */
import { createHash } from "node:crypto";
import { readFile, stat, writeFile } from "node:fs/promises";
import { basename, extname } from "node:path";
import { z } from "zod";
import { OrreryError, fromSystemError } from "../errors.ts";
import { PartialFile } from "../partial-file.ts";
import { throwIfCancelled } from "../progress.ts";
import { digestOfUnhashed } from "./boxes.ts";
import { blobOf, c2paLibrary, settings } from "./c2pa-library.ts";
import { reservedSize, signClaim } from "./cose.ts";
import type { HomeOptions } from "../home.ts";
import { openContentCredential, trustAnchors, type ContentCredential } from "./keys.ts";

/** IPTC's terms for how the pixels came to be that apply here. */
export const digitalSources = ["trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "algorithmicMedia", "digitalCapture"] as const;
export type DigitalSource = (typeof digitalSources)[number];

const sourceUrl = (source: DigitalSource) => `http://cv.iptc.org/newscodes/digitalsourcetype/${source}`;

export interface ContentStatement {
  /** Default: the file's name. */
  title?: string;
  /** How the video was made; without it the statement says that an existing video was opened and marked. */
  source?: DigitalSource;
  model?: { name: string; sha256?: string };
  /** SHA-256 of the request, hex. */
  requestSha256?: string;
  /** Record of the guards that ran, as they signed it; plain JSON. */
  safety?: unknown;
  /** Number of the invisible watermark, 16 hexadecimal digits. */
  watermarkId?: string;
  /** Other steps, in order: `{ action: "c2pa.redacted", description: "faces were made unrecognisable" }`. */
  actions?: readonly { action: string; description?: string; parameters?: Readonly<Record<string, unknown>> }[];
  /** File that this was made from. A credential in it is kept inside the new one. */
  parent?: string;
}

export interface SignOptions extends HomeOptions {
  /** Default: the installation's, or the user's from the environment. */
  credential?: ContentCredential;
  signal?: AbortSignal | undefined;
}

export interface SignedFile {
  /** Name of the manifest: "urn:c2pa:…". */
  manifestId: string;
  /** Of the signed file, hex. */
  sha256: string;
  sizeBytes: number;
}

/** The library works in memory with about five times the file. */
const maxBytes = 512 * 2 ** 20;
const softBinding = "org.orrery.watermark.1";
const version = "0.1.0";

/**
 * Writes `outPath`: `inPath` (an mp4 or mov) with a content credential.
 * @throws `bad_video` (not an mp4, or too large), `bad_config` (certificate), `io_failed` (time stamp), `file_not_found`, `cancelled`.
 */
export async function signC2pa(inPath: string, outPath: string, statement: ContentStatement, options: SignOptions = {}): Promise<SignedFile> {
  throwIfCancelled(options.signal, `signing ${inPath}`);
  const [input, credential, library] = await Promise.all([readWhole(inPath), options.credential ?? openContentCredential(options), c2paLibrary()]);
  const unhashed = digestOfUnhashed(input);
  if (unhashed === undefined) throw new OrreryError("bad_video", `${inPath} is not an mp4; content credentials are written into mp4 and mov files`);
  const builder = library.WasmBuilder.fromJson(JSON.stringify(manifestOf(statement, outPath, unhashed)), settings(""));
  let signed: Uint8Array;
  try {
    if (statement.parent !== undefined) await addParent(builder, statement.parent);
    const reserveSize = reservedSize(credential);
    const sign = async (claim: Uint8Array): Promise<Uint8Array<ArrayBuffer>> => new Uint8Array(await signClaim(claim, credential, reserveSize, options.signal));
    const algorithm = credential.algorithm;
    signed = await builder.sign({ alg: algorithm[0]!.toUpperCase() + algorithm.slice(1), reserveSize, sign }, [], mediaType(inPath), blobOf(input));
  } catch (error) {
    throwIfCancelled(options.signal, `signing ${inPath}`);
    if (error instanceof OrreryError) throw error;
    throw new OrreryError("bad_video", `${inPath} could not be given a content credential: ${reasonOf(error)}`, { cause: error });
  } finally {
    builder.free();
  }
  const reader = await library.WasmReader.fromBytes(mediaType(inPath), signed, settings(""));
  const manifestId = reader.activeLabel();
  reader.free();
  if (manifestId === undefined) throw new OrreryError("internal", `${inPath} was signed but no credential is in the result`);
  const file = await PartialFile.open(outPath);
  try {
    await writeFile(file.temporary, signed);
  } catch (error) {
    await file.discard();
    throw fromSystemError(error, outPath);
  }
  await file.commit();
  return { manifestId, sha256: createHash("sha256").update(signed).digest("hex"), sizeBytes: signed.length };
}

function manifestOf(statement: ContentStatement, outPath: string, unhashed: string): unknown {
  const { title = basename(outPath), source, model, requestSha256, safety, watermarkId, actions = [], parent } = statement;
  const softwareAgent = { name: "Orrery", version };
  const first = source === undefined
    ? { action: "c2pa.opened", softwareAgent, parameters: { ingredientIds: ["parent"] } }
    : { action: "c2pa.created", softwareAgent, digitalSourceType: sourceUrl(source), ...(parent === undefined ? {} : { parameters: { ingredientIds: ["parent"] } }) };
  const marked = watermarkId === undefined ? [] : [{ action: "c2pa.watermarked.bound", softwareAgent }];
  const assertions: unknown[] = [
    { label: "c2pa.actions.v2", data: { actions: [first, ...actions.map((one) => ({ softwareAgent, ...one })), ...marked] } },
    { label: "org.orrery.generation", data: { orrery: version, ...(model === undefined ? {} : { model }), ...(requestSha256 === undefined ? {} : { requestSha256 }), unhashedBoxesSha256: unhashed } },
  ];
  if (safety !== undefined) assertions.push({ label: "org.orrery.safety", data: safety });
  if (watermarkId !== undefined) assertions.push({ label: "c2pa.soft-binding", data: { alg: softBinding, blocks: [{ scope: {}, value: watermarkId }] } });
  return { claim_generator_info: [softwareAgent], title, format: "video/mp4", assertions };
}

async function addParent(builder: { addIngredientFromBlob(json: string, format: string, blob: Blob): Promise<void>; addIngredient(json: string): void }, path: string): Promise<void> {
  const description = { title: basename(path), relationship: "parentOf", instance_id: "parent", label: "parent" };
  const content = await readWhole(path);
  try {
    await builder.addIngredientFromBlob(JSON.stringify(description), mediaType(path), blobOf(content));
  } catch {
    // A format that cannot hold a credential (webm, mkv): it is named, with its digest.
    builder.addIngredient(JSON.stringify({ ...description, format: mediaType(path), hash: createHash("sha256").update(content).digest("hex") }));
  }
}

/**
 * `trusted`: the statement holds, signed by a root that is an anchor here. `valid`: it holds, but the signer is not known
 * here. `tampered`: it does not hold. `absent`: there is none. `unreadable`: something that looks like one cannot be read.
 */
export type CredentialState = "trusted" | "valid" | "tampered" | "absent" | "unreadable";

export interface CredentialReport {
  state: CredentialState;
  /** Why, in C2PA's own codes: "assertion.bmffHash.mismatch". Empty when nothing is wrong. */
  failures: string[];
  manifestId?: string;
  signer?: { organisation?: string; name?: string; algorithm?: string };
  /** When it was signed, by the time stamp of an authority; absent without one. */
  signedAt?: string;
  /** Whether that authority's root is an anchor here. */
  timeTrusted?: boolean;
  /** What wrote it. */
  generator?: string;
  /** IPTC term of the first action that has one. */
  digitalSource?: string;
  actions: string[];
  model?: { name: string; sha256?: string };
  requestSha256?: string;
  safety?: unknown;
  watermarkId?: string;
  /** Titles of the files it was made from. */
  ingredients: string[];
}

const manifestSchema = z.object({
  claim_generator_info: z.array(z.object({ name: z.string(), version: z.string().optional() })).optional(),
  assertions: z.array(z.object({ label: z.string(), data: z.unknown() })).default([]),
  ingredients: z.array(z.object({ title: z.string().optional() })).default([]),
  signature_info: z.object({ issuer: z.string().optional(), common_name: z.string().optional(), alg: z.string().optional(), time: z.string().optional() }).optional(),
});
const storeSchema = z.object({
  active_manifest: z.string().optional(),
  manifests: z.record(z.string(), manifestSchema).default({}),
  validation_status: z.array(z.object({ code: z.string() })).default([]),
  validation_results: z.object({ activeManifest: z.object({ success: z.array(z.object({ code: z.string() })).default([]) }).optional() }).optional(),
  validation_state: z.string().optional(),
});
const actionsSchema = z.object({ actions: z.array(z.object({ action: z.string(), digitalSourceType: z.string().optional() })) });
const generationSchema = z.object({ model: z.object({ name: z.string(), sha256: z.string().optional() }).optional(), requestSha256: z.string().optional(), unhashedBoxesSha256: z.string().optional() });
const bindingSchema = z.object({ alg: z.string(), blocks: z.array(z.object({ value: z.string() })) });

/**
 * Reads and checks the content credential of a file, whoever wrote it. Sends nothing anywhere.
 * @throws `file_not_found`, `io_failed`, `bad_video` when it is larger than 512 MiB.
 */
export async function verifyC2pa(path: string, options: HomeOptions = {}): Promise<CredentialReport> {
  const [file, anchors, library] = await Promise.all([readWhole(path), trustAnchors(options), c2paLibrary()]);
  let json: string;
  try {
    const reader = await library.WasmReader.fromBytes(mediaType(path), file, settings(anchors));
    json = reader.json();
    reader.free();
  } catch (error) {
    const reason = reasonOf(error);
    const none = /no JUMBF|JumbfNotFound|not found|unsupported type|UnsupportedType/i.test(reason);
    return { state: none ? "absent" : "unreadable", failures: none ? [] : [reason], actions: [], ingredients: [] };
  }
  const store = storeSchema.parse(JSON.parse(json));
  const manifest = store.active_manifest === undefined ? undefined : store.manifests[store.active_manifest];
  if (manifest === undefined) return { state: "unreadable", failures: ["no active manifest"], actions: [], ingredients: [] };
  const statement = readStatement(manifest);
  const failures = [...new Set(store.validation_status.map(({ code }) => code))].filter((code) => code !== "signingCredential.untrusted");
  const { unhashed, ...report } = statement;
  if (unhashed !== undefined && unhashed !== digestOfUnhashed(file)) failures.push("org.orrery.unhashedBoxes.mismatch");
  const untrusted = store.validation_status.some(({ code }) => code === "signingCredential.untrusted");
  const holds = failures.length === 0 && (store.validation_state === "Trusted" || store.validation_state === "Valid");
  const state = !holds ? "tampered" : store.validation_state === "Trusted" && !untrusted ? "trusted" : "valid";
  const timeTrusted = store.validation_results?.activeManifest?.success.some(({ code }) => code === "timeStamp.trusted") === true;
  return { state, failures, manifestId: store.active_manifest!, ...report, ...(report.signedAt === undefined ? {} : { timeTrusted }) };
}

function readStatement(manifest: z.infer<typeof manifestSchema>): Omit<CredentialReport, "state" | "failures" | "manifestId"> & { unhashed?: string } {
  const data = (pattern: RegExp) => manifest.assertions.filter(({ label }) => pattern.test(label)).map((one) => one.data);
  const actions = data(/^c2pa\.actions/).flatMap((one) => actionsSchema.safeParse(one).data?.actions ?? []);
  const digitalSource = actions.find((one) => one.digitalSourceType !== undefined)?.digitalSourceType?.split("/").at(-1);
  const generation = data(/^org\.orrery\.generation$/).map((one) => generationSchema.safeParse(one).data)[0];
  const binding = data(/^c2pa\.soft-binding/).map((one) => bindingSchema.safeParse(one).data).find((one) => one?.alg === softBinding);
  const watermarkId = binding?.blocks[0]?.value;
  const [safety] = data(/^org\.orrery\.safety$/);
  const info = manifest.signature_info;
  const generator = manifest.claim_generator_info?.[0];
  return {
    actions: actions.map((one) => one.action),
    ingredients: manifest.ingredients.map((one) => one.title ?? "untitled"),
    ...(info === undefined ? {} : { signer: { ...(info.issuer === undefined ? {} : { organisation: info.issuer }), ...(info.common_name === undefined ? {} : { name: info.common_name }), ...(info.alg === undefined ? {} : { algorithm: info.alg }) } }),
    ...(info?.time === undefined ? {} : { signedAt: info.time }),
    ...(generator === undefined ? {} : { generator: [generator.name, generator.version].filter(Boolean).join(" ") }),
    ...(digitalSource === undefined ? {} : { digitalSource }),
    ...(generation?.model === undefined ? {} : { model: generation.model as { name: string; sha256?: string } }),
    ...(generation?.requestSha256 === undefined ? {} : { requestSha256: generation.requestSha256 }),
    ...(generation?.unhashedBoxesSha256 === undefined ? {} : { unhashed: generation.unhashedBoxesSha256 }),
    ...(safety === undefined ? {} : { safety }),
    ...(watermarkId === undefined ? {} : { watermarkId }),
  };
}

async function readWhole(path: string): Promise<Buffer> {
  try {
    const { size } = await stat(path);
    if (size > maxBytes) throw new OrreryError("bad_video", `${path} has ${size} bytes; content credentials are read and written for files of at most ${maxBytes} (512 MiB)`);
    return await readFile(path);
  } catch (error) {
    throw fromSystemError(error, path);
  }
}

const types: Readonly<Record<string, string>> = { ".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".webm": "video/webm", ".mkv": "video/x-matroska", ".avi": "video/avi", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp" };
const mediaType = (path: string) => types[extname(path).toLowerCase()] ?? "video/mp4";

function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s+/g, " ").slice(0, 300);
}
