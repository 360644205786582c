/**
 * The reference's video filter from its own checkpoint files: SigLIP features of every frame, and a small classifier that
 * says Safe or one of six harms. Differences from the reference are deliberate: a frame that cannot be judged fails the check
 * (there it is skipped), no class is left out (there Violence was removed from the table and passes as "Unknown"), and whether
 * one frame blocks or a part of them must is the policy's to say.
 */
import { createHash } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { z } from "zod";
import { fromSystemError, OrreryError } from "../../../errors.ts";
import { parameters } from "../../../nn/index.ts";
import { bindWeights, readJson, readWeights } from "../../../registry/index.ts";
import { compile, input } from "../../../tensor/index.ts";
import { hostTensor, openRuntime, type Runtime } from "../../../tensor/runtime/node.ts";
import { resample, type Picture } from "../../../video/index.ts";
import { openCheckpoint } from "../../../weights/index.ts";
import type { PolicyEntry } from "../../policy.ts";
import type { Guard } from "../../verdict.ts";
import { classTable, frameGuard, parseOptions } from "../frames.ts";
import { parseSiglipConfig, type SiglipConfig } from "./config.ts";
import { safetyClasses, siglipFeatures, siglipPixels } from "./network.ts";

/** Classes of the published checkpoint, in its order. */
export const publishedClasses = ["Safe", "Sexual_Content", "Violence", "Drugs", "Child_Abuse", "Hate_and_Harassment", "Self-Harm"] as const;

const schema = z.strictObject({
  /** Folder with `safety_filter.pt` and SigLIP: in the same folder, in one of its own, or as the reference's cache lays it out. */
  model: z.string().min(1),
  /** SigLIP's folder, where it is elsewhere. */
  encoder: z.string().min(1).optional(),
  /** Names of the classes in the classifier's order, for one of one's own; "Safe" must be among them. */
  classes: z.array(z.string().min(1)).min(2).max(1000).default([...publishedClasses]),
  /** Our category of every other name; names of the published classes need none. */
  categories: z.record(z.string(), z.string()).default({}),
  device: z.enum(["cpu", "webgpu", "cuda"]).default("cpu"),
  threads: z.int().min(1).max(1024).optional(),
});

const exists = (path: string): Promise<boolean> => stat(path).then(() => true, () => false);

/** SigLIP's folder in or below the classifier's. */
async function findEncoder(folder: string): Promise<string> {
  const isEncoder = async (path: string): Promise<boolean> => (await exists(join(path, "config.json"))) && ((await exists(join(path, "model.safetensors"))) || (await exists(join(path, "model.safetensors.index.json"))) || (await exists(join(path, "pytorch_model.bin"))));
  const list = async (path: string): Promise<string[]> => (await readdir(path, { withFileTypes: true }).catch(() => [])).filter((e) => e.isDirectory()).map((e) => join(path, e.name)).sort();
  const below = await list(folder);
  // A cache of the hub keeps models as models--OWNER--NAME/snapshots/COMMIT.
  const cached = (await Promise.all(below.filter((path) => /models--.*siglip/i.test(path)).map((path) => list(join(path, "snapshots"))))).flat();
  const found: string[] = [];
  for (const path of [folder, ...below, ...cached]) if (await isEncoder(path)) found.push(path);
  if (found.length === 1) return found[0]!;
  if (found.length > 1) throw new OrreryError("bad_config", `${folder} holds several encoders (${found.slice(0, 3).join(", ")}); name one in "encoder"`);
  throw new OrreryError("file_not_found", `${folder} holds no SigLIP (config.json with model.safetensors), neither itself nor in a folder of it; name its folder in "encoder"`);
}

export interface SiglipClassifier {
  version: string;
  config: SiglipConfig;
  /** Probabilities of the classes for one picture of any size. */
  classify(picture: Picture): Promise<Float32Array>;
  release(): Promise<void>;
}

/** Opens both networks as one graph. @throws `file_not_found`, `bad_config`, `bad_checkpoint`, `unsafe_checkpoint`. */
export async function openSiglipClassifier(folder: string, encoderFolder: string | undefined, classes: number, runtime: Runtime): Promise<SiglipClassifier> {
  const filter = join(folder, "safety_filter.pt");
  await stat(filter).catch((error: unknown) => {
    throw fromSystemError(error, filter);
  });
  const encoder = encoderFolder ?? (await findEncoder(folder));
  const config = parseSiglipConfig(await readJson(join(encoder, "config.json")), join(encoder, "config.json"));
  const [head, vision] = [await openCheckpoint(filter), await openCheckpoint(encoder)];
  try {
    const [encoderParameters, headParameters] = [parameters(), parameters()];
    const side = config.imageSize;
    const features = siglipFeatures(encoderParameters.root, siglipPixels(input("pictures", [1, side, side, 3], "uint8")), config);
    const probabilities = safetyClasses(headParameters.root, features, classes);
    const bound = await bindWeights(vision, encoderParameters.all.values());
    const weights = new Map([...bound.weights, ...(await readWeights(head, headParameters.all.values()))]);
    const hash = createHash("sha256");
    for (const [checkpoint, all] of [[vision, encoderParameters], [head, headParameters]] as const) for (const name of [...all.all.keys()].sort()) hash.update(name).update(await checkpoint.read(name));
    const program = compile({ outputs: { probabilities }, weights, target: runtime.device });
    const executable = await runtime.load(program, bound.weightsFolder === undefined ? {} : { weightsFolder: bound.weightsFolder });
    return {
      version: hash.digest("hex"),
      config,
      classify: async (picture) => {
        const { pixels } = resample(picture, side, side, { filter: "bicubic" });
        return (await executable.run({ pictures: hostTensor("uint8", [1, side, side, 3], pixels) }))["probabilities"]!.data as Float32Array;
      },
      release: () => executable.release(),
    };
  } finally {
    await head.close();
    await vision.close();
  }
}

/** A guard of kind `video-classifier`: `options: { model: DIR }`. */
export async function openVideoClassifier(entry: PolicyEntry): Promise<Guard> {
  const { model, encoder, classes, categories, device, threads } = parseOptions(schema, entry);
  const table = classTable(classes, { categories, vocabulary: "cosmos-video", harmless: ["Safe"], where: entry.name });
  const runtime = await openRuntime({ device, ...(threads === undefined ? {} : { threads }) });
  try {
    const classifier = await openSiglipClassifier(resolve(entry.folder, model), encoder === undefined ? undefined : resolve(entry.folder, encoder), classes.length, runtime);
    return frameGuard({
      model: `SigLIP (${classifier.config.layers} layers, ${classifier.config.imageSize} px) with safety_filter`,
      version: classifier.version, table, classify: classifier.classify, against: "harmless",
      close: async () => {
        await classifier.release();
        await runtime.close();
      },
    });
  } catch (error) {
    await runtime.close();
    throw error;
  }
}
