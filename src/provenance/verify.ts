/**
 * Where does this file come from? Three witnesses are heard, each on its own: the content credential in the file, the
 * watermark in the pictures, and the registry of this installation (by digest, watermark number and fingerprint). The
 * conclusion says in plain words what follows, and never more than the witnesses said: that nothing was found proves nothing.
 */
import { fileSha256 } from "../file-hash.ts";
import { silent, throwIfCancelled, type Progress } from "../progress.ts";
import { hashPackets, probeVideo, type Picture, type VideoInfo } from "../video/index.ts";
import { verifyC2pa, type CredentialReport } from "./c2pa.ts";
import { fingerprintMeter } from "./fingerprint.ts";
import type { HomeOptions } from "../home.ts";
import { openWatermarkKey } from "./keys.ts";
import { searchRegistry, type RegistryMatch } from "./registry.ts";
import { changesOf, type PictureChanges } from "./watermark/changes.ts";
import { openWatermarkModel, type WatermarkModel } from "./watermark/onnx-model.ts";
import { detectWatermarkInFile, type WatermarkReport } from "./watermark/watermark.ts";

/**
 * `intact`: a trusted signer's, unchanged. `altered`: ours or a trusted signer's, changed since it was signed. `stripped`:
 * ours, but without its credential (copied into another container, or encoded again). `foreign`: a valid credential of a
 * signer that is not known here. `similar`: looks like a video of the registry. `unknown`: nothing found, which proves nothing.
 */
export const verdicts = ["intact", "altered", "stripped", "foreign", "similar", "unknown"] as const;
export type ProvenanceVerdict = (typeof verdicts)[number];

export interface Verification {
  path: string;
  sha256: string;
  verdict: ProvenanceVerdict;
  /** What follows, in sentences. */
  conclusion: string[];
  video: Pick<VideoInfo, "width" | "height" | "fps" | "durationS" | "codec">;
  credential: CredentialReport;
  watermark: WatermarkReport;
  /** What was done to the picture's size and place, as far as the watermark tells. */
  changes?: PictureChanges;
  registry: RegistryMatch[];
  /** A frame from the middle, at the size at which frames were looked at. */
  frame: Picture;
}

export interface VerifyOptions extends HomeOptions {
  /** Folder of a watermark model of the user's, to be asked as well. */
  watermarkModel?: string;
  progress?: Progress;
  signal?: AbortSignal | undefined;
}

/** Looks at a file from all sides. Errors as `probeVideo`. */
export async function verifyFile(path: string, options: VerifyOptions = {}): Promise<Verification> {
  const { signal, progress = silent } = options;
  const info = await probeVideo(path, { signal });
  const [sha256, packetsSha256, credential, key] = await Promise.all([fileSha256(path, signal), hashPackets(info, { signal }), verifyC2pa(path, options), openWatermarkKey(options)]);
  throwIfCancelled(signal, `verifying ${path}`);
  const meter = fingerprintMeter(info.durationS);
  let frame: Picture | undefined;
  const model = options.watermarkModel === undefined ? undefined : await openWatermarkModel(options.watermarkModel);
  let watermark: WatermarkReport;
  try {
    watermark = await detectWatermarkInFile(path, key, {
      info, progress, signal,
      async onFrame(picture, timeS) {
        meter.add(picture, timeS);
        if (frame === undefined || timeS <= info.durationS / 2) frame = picture;
        await model?.look(picture);
      },
    });
    if (model !== undefined && watermark.found !== "payload") watermark = withModel(watermark, model);
  } finally {
    await model?.close();
  }
  const { plain, mirrored } = meter.result();
  const watermarkId = watermark.id ?? credential.watermarkId;
  const registry = await searchRegistry({ sha256, packetsSha256, watermarkId, manifestId: credential.manifestId, fingerprints: [plain, mirrored] }, { ...options, signal });
  const original = registry.find((match) => match.entry.genuine && match.by.some((kind) => kind !== "fingerprint"))?.entry;
  const changes = watermark.found === "nothing" || watermark.model !== undefined ? undefined : changesOf(watermark, info, original);
  const { verdict, conclusion } = conclude(credential, watermark, registry, sha256, changes);
  const { width, height, fps, durationS, codec } = info;
  return { path, sha256, verdict, conclusion, video: { width, height, fps, durationS, codec }, credential, watermark, ...(changes === undefined ? {} : { changes }), registry, frame: frame! };
}

/** What a model of the user's read, where the built-in watermark was not found. */
function withModel(watermark: WatermarkReport, model: WatermarkModel): WatermarkReport {
  const { payload } = model.result();
  return payload === undefined ? watermark : { ...watermark, found: "payload", id: payload.toString(16).padStart(16, "0"), falseAlarm: 2 ** -24, model: model.name };
}

const sources: Readonly<Record<string, string>> = {
  trainedAlgorithmicMedia: "It was made by a trained model (AI-generated).",
  compositeWithTrainedAlgorithmicMedia: "It was made by a trained model from recorded material (partly AI-generated).",
  algorithmicMedia: "It was made by a program that is not a trained model.",
  digitalCapture: "It was recorded by a camera, says the signer.",
};

function conclude(credential: CredentialReport, watermark: WatermarkReport, registry: RegistryMatch[], sha256: string, changes: PictureChanges | undefined): Pick<Verification, "verdict" | "conclusion"> {
  const genuine = registry.filter(({ entry }) => entry.genuine);
  const by = (kind: RegistryMatch["by"][number]) => genuine.find((match) => match.by.includes(kind))?.entry;
  const made = (entry: { name: string; at: string }) => `"${entry.name}", made here on ${entry.at.slice(0, 10)}`;
  const [same, packets, marked, claimed] = [by("sha256"), by("packetsSha256"), watermark.id === undefined ? undefined : by("watermarkId"), by("manifestId")];
  const sentences: string[] = [];
  const say = (sentence: string | undefined): void => void (sentence !== undefined && sentences.push(sentence));
  const source = credential.digitalSource === undefined ? undefined : sources[credential.digitalSource];
  const who = credential.signer?.organisation ?? credential.signer?.name ?? "an unnamed signer";
  const mark = watermark.found === "payload" ? `its pictures carry this installation's watermark ${watermark.id}` : watermark.found === "presence" ? "its pictures carry a watermark of this installation, whose number cannot be read any more" : undefined;
  const handling = changes === undefined || changes.words.length === 0 ? undefined : `The picture was ${changes.words.join(", ")}.`;

  if (same !== undefined || (credential.state === "trusted" && (claimed === undefined || claimed.sha256 === sha256))) {
    say(same === undefined ? `The file carries a content credential of ${who}, whom this installation trusts, and has not been changed since it was signed.` : `The file is, byte for byte, ${made(same)}.`);
    say(source);
    if (credential.watermarkId !== undefined && watermark.id !== credential.watermarkId)
      say(watermark.id === undefined ? `Its credential names watermark ${credential.watermarkId}, which this installation's key does not find in the pictures.` : `Its credential names watermark ${credential.watermarkId}, but the pictures carry ${watermark.id}.`);
    return { verdict: "intact", conclusion: sentences };
  }
  if (credential.state === "trusted" || credential.state === "tampered") {
    say(credential.state === "trusted"
      ? `The file's content credential holds, but bytes that it does not protect have been changed: it is not the file that was registered (${made(claimed!)}).`
      : `The file carries a content credential of ${who}, and has been changed since it was signed (${credential.failures.join(", ")}).`);
    if (mark !== undefined) say(`Still, ${mark}${marked === undefined ? "" : `: it goes back to ${made(marked)}`}.`);
    say(handling);
    return { verdict: "altered", conclusion: sentences };
  }
  const origin = packets ?? marked;
  if (origin !== undefined || mark !== undefined) {
    const lost = credential.state === "valid" ? `It carries a content credential of ${who}, whom this installation does not know` : "It has lost its content credential";
    say(packets === undefined
      ? `${lost} and was encoded again, but ${mark}${marked === undefined ? "" : `: it goes back to ${made(marked)}`}.`
      : `${lost}, but the coded pictures are, bit for bit, those of ${made(packets)}: it was copied into another container.`);
    if (packets !== undefined && mark !== undefined) say(`Also, ${mark}.`);
    if (packets === undefined && marked === undefined && watermark.id !== undefined) say("The registry has no entry with that number; it may have been made with the same key elsewhere.");
    say(handling);
    return { verdict: "stripped", conclusion: sentences };
  }
  if (credential.state === "valid") {
    say(`The file carries a content credential of ${who} that holds; this installation does not know that signer (put its root certificate into anchors/ to trust it).`);
    say(source);
    return { verdict: "foreign", conclusion: sentences };
  }
  if (credential.state === "unreadable") say(`Something in the file looks like a content credential but cannot be read (${credential.failures.join(", ")}).`);
  const neighbour = genuine.find((match) => match.by.includes("fingerprint"));
  if (neighbour !== undefined) {
    say(`No credential and no watermark of this installation, but the pictures look like ${made(neighbour.entry)} (${neighbour.distance!.toFixed(1)} of 64 bits differ). Compare them by eye.`);
    return { verdict: "similar", conclusion: sentences };
  }
  say("No content credential, no watermark of this installation, nothing like it in the registry. That proves nothing: marks can be removed, and others mark otherwise.");
  return { verdict: "unknown", conclusion: sentences };
}
