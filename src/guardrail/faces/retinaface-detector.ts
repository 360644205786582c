/**
 * RetinaFace from a user's checkpoint, exactly as the reference's face blur runs it: the picture in its own size, BGR minus
 * (104, 117, 123), and the decoding of `../retinaface/decode.ts` with non-maximum suppression at 0.4 and the 5000 and 750 best.
 */
import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { OrreryError } from "../../errors.ts";
import { parameters } from "../../nn/index.ts";
import { bindWeights, readJson, type Bound } from "../../registry/index.ts";
import { cast, constant, flip, input, sub, transpose, type Tensor } from "../../tensor/index.ts";
import type { Runtime } from "../../tensor/runtime/node.ts";
import type { Picture } from "../../video/index.ts";
import { openCheckpoint, type Checkpoint } from "../../weights/index.ts";
import { detectFaces, parseRetinaFaceConfig, priorBoxes, retinaFace, retinaFaceClassName, type RetinaFaceConfig } from "../retinaface/index.ts";
import { pictureGraphs } from "./compiled.ts";
import type { FaceNetwork } from "./ssd/detector.ts";

/** Mean of blue, green and red over the reference's training pictures. */
const means = [104, 117, 123] as const;

/** Bytes [1, H, W, 3] (RGB) as the network takes them [1, 3, H, W]. */
export const retinaFaceInput = (pictures: Tensor): Tensor => sub(flip(cast(transpose(pictures, [0, 3, 1, 2]), "float32"), 1), constant(means, [1, 3, 1, 1]));

/**
 * Opens a folder with RetinaFace's weights (`config.json` is optional), or a checkpoint file. Without a configuration the
 * backbone is recognised by the names of the tensors.
 * @throws `file_not_found`, `bad_config`, `bad_checkpoint`, `unsafe_checkpoint`.
 */
export async function openRetinaFace(path: string, runtime: Runtime): Promise<FaceNetwork & { config: RetinaFaceConfig }> {
  const checkpoint = await openCheckpoint(path);
  let bound: Bound;
  let config: RetinaFaceConfig;
  let sha256: string;
  try {
    config = await configOf(path, checkpoint);
    const all = parameters();
    retinaFace(all.root, input("pictures", [1, 3, 64, 64]), config);
    bound = await bindWeights(checkpoint, all.all.values());
    const hash = createHash("sha256");
    for (const name of [...all.all.keys()].sort()) hash.update(name).update(await checkpoint.read(name));
    sha256 = hash.digest("hex");
  } finally {
    await checkpoint.close();
  }
  const graphs = pictureGraphs(runtime, bound.weights, bound.weightsFolder, (pictures) => ({ ...retinaFace(parameters().root, retinaFaceInput(pictures), config) }));
  const priors = new Map<string, Float32Array>();
  return {
    config,
    sha256,
    async look({ width, height, ...rest }: Picture, threshold) {
      const { loc, conf, landmarks } = await graphs.run({ width, height, ...rest });
      const key = `${width} ${height}`;
      if (!priors.has(key)) priors.set(key, priorBoxes(height, width, config));
      const answers = { loc: loc!.data as Float32Array, conf: conf!.data as Float32Array, landmarks: landmarks!.data as Float32Array, priors: priors.get(key)! };
      return detectFaces(answers, width, height, { variance: config.variance, confidence: threshold }).map(({ box, score }) => ({ box, score }));
    },
    release: () => graphs.release(),
  };
}

async function configOf(path: string, checkpoint: Checkpoint): Promise<RetinaFaceConfig> {
  const file = (await stat(path)).isDirectory() ? join(path, "config.json") : undefined;
  const given = file !== undefined && (await readFile(file).then(() => true, () => false)) ? await readJson(file) : undefined;
  if (given && given["_class_name"] !== undefined && given["_class_name"] !== retinaFaceClassName)
    throw new OrreryError("bad_config", `${path} holds a ${JSON.stringify(given["_class_name"])}; a face detector is a ${retinaFaceClassName}`);
  if (given && (given["backbone"] ?? given["name"]) !== undefined) return parseRetinaFaceConfig(given);
  const names = new Set(checkpoint.names());
  const backbone = names.has("body.layer4.2.conv3.weight") ? "resnet50" : names.has("body.stage1.0.0.weight") ? "mobilenet0.25" : undefined;
  if (!backbone) throw new OrreryError("bad_checkpoint", `${path} is not RetinaFace's checkpoint: it has neither ResNet-50's tensors (body.layer4.2.conv3.weight) nor MobileNet's (body.stage1.0.0.weight)`);
  return parseRetinaFaceConfig({ ...given, backbone });
}
