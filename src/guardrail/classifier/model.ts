/**
 * The trained classifier, opened: weights of 8 bits for the table, 32 for the rest, and the network's arithmetic written out,
 * since a session of the runtime would take longer to start than a thousand prompts take to classify. A test holds it to the
 * graph of `network.ts`.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { fromSystemError, OrreryError } from "../../errors.ts";
import { openCheckpoint } from "../../weights/index.ts";
import { categoryIds, type CategoryId } from "../taxonomy.ts";
import { buckets, windowsOf } from "./features.ts";
import { heads, hidden, outputs, width } from "./network.ts";

export const architecture = "OrreryPromptClassifier";

const configSchema = z.strictObject({
  _class_name: z.literal(architecture),
  version: z.string(),
  /** Logits are multiplied by this and `shift` is added to that of "any harm", so that 0.5 is the operating point. */
  scale: z.number().gt(0),
  shift: z.number(),
});

export interface Score {
  /** Probability that the text asks for or shows harm: the highest of its windows. */
  harm: number;
  /** Probability of each category, in that window. */
  categories: Readonly<Record<CategoryId, number>>;
  /** Where that window stands in the text: [start, end). */
  start: number;
  end: number;
}

export interface Classifier {
  readonly version: string;
  /** SHA-256 of the weights. */
  readonly sha256: string;
  score(text: string): Score;
  /** The network alone: logits of one window's features, before calibration. */
  logits(features: ArrayLike<number>): Float32Array;
}

/** The folder with the weights that are part of Orrery. */
export const standardFolder = fileURLToPath(new URL("./weights/", import.meta.url));

let standard: Promise<Classifier> | undefined;

/** The classifier that is part of Orrery, read once. */
export const openStandardClassifier = (): Promise<Classifier> => (standard ??= openClassifier(standardFolder));

/** Opens a folder with `config.json` and `model.safetensors`. Throws `bad_config` or `bad_checkpoint`. */
export async function openClassifier(folder: string): Promise<Classifier> {
  const config = configSchema.safeParse(await readJson(join(folder, "config.json")));
  if (!config.success) throw new OrreryError("bad_config", `${folder}/config.json is not a ${architecture}: ${config.error.issues[0]?.path.join(".")} ${config.error.issues[0]?.message}`, { cause: config.error });
  const path = join(folder, "model.safetensors");
  const sha256 = createHash("sha256").update(await readFile(path)).digest("hex");
  const checkpoint = await openCheckpoint(path);
  try {
    const columns = width + heads;
    const read = async (name: string, length: number): Promise<Float32Array> => {
      const data = await checkpoint.readF32(name);
      if (data.length !== length) throw new OrreryError("bad_checkpoint", `${path}: ${name} has ${data.length} values, and the network ${length}`);
      return data;
    };
    const bytes = await checkpoint.read("features.weight");
    if (bytes.length !== buckets * columns) throw new OrreryError("bad_checkpoint", `${path}: features.weight has ${bytes.length} bytes, and the network ${buckets * columns}`);
    const table = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    const scales = await read("features.scale", columns);
    const [inWeight, inBias] = [await read("in.weight", hidden * heads * width), await read("in.bias", hidden)];
    const [outWeight, outBias] = [await read("out.weight", outputs * hidden), await read("out.bias", outputs)];
    const logits = (features: ArrayLike<number>): Float32Array => {
      const pooled = new Float32Array(heads * width);
      for (let h = 0; h < heads; h++) {
        let most = -Infinity;
        for (let i = 0; i < features.length; i++) most = Math.max(most, table[features[i]! * columns + width + h]!);
        let total = 0;
        for (let i = 0; i < features.length; i++) {
          const row = features[i]! * columns;
          const weight = Math.exp((table[row + width + h]! - most) * scales[width + h]!);
          total += weight;
          for (let d = 0; d < width; d++) pooled[h * width + d]! += weight * table[row + d]!;
        }
        for (let d = 0; d < width; d++) pooled[h * width + d]! *= scales[d]! / total;
      }
      const middle = product(inWeight, inBias, pooled);
      for (let i = 0; i < hidden; i++) middle[i]! *= sigmoid(middle[i]!);
      return product(outWeight, outBias, middle);
    };
    const { scale, shift, version } = config.data;
    return {
      version, sha256, logits,
      score: (text) => {
        let best: Score = { harm: 0, categories: Object.fromEntries(categoryIds.map((id) => [id, 0])) as Record<CategoryId, number>, start: 0, end: 0 };
        for (const { features, start, end } of windowsOf(text)) {
          if (features.length === 0) continue;
          const given = logits(features);
          const harm = sigmoid(given[outputs - 1]! * scale + shift);
          if (harm > best.harm) best = { harm, start, end, categories: Object.fromEntries(categoryIds.map((id, i) => [id, sigmoid(given[i]! * scale)])) as Record<CategoryId, number> };
        }
        return best;
      },
    };
  } finally {
    await checkpoint.close();
  }
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    if (error instanceof SyntaxError) throw new OrreryError("bad_config", `${path} is not JSON`, { cause: error });
    throw fromSystemError(error, path);
  }
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** W x + b, W [b.length, x.length]. */
function product(weight: Float32Array, bias: Float32Array, x: Float32Array): Float32Array {
  return bias.map((b, row) => {
    let sum = b;
    for (let i = 0, at = row * x.length; i < x.length; i++) sum += weight[at + i]! * x[i]!;
    return sum;
  });
}
