/**
 * The configuration of RetinaFace (Deng et al. 2020) in the names of biubug6/Pytorch_Retinaface `data/config.py`. Cosmos'
 * face blur uses the ResNet-50 weights (`Resnet50_Final.pth`).
 */
import { z } from "zod";
import { OrreryError } from "../../errors.ts";

export const retinaFaceClassName = "RetinaFace";

const positive = z.number().positive();

/** Other spellings of the two backbones: the reference's command line, torchvision, and how people write them. */
const backboneNames: Readonly<Record<string, Backbone>> = { "mobilenet0.25": "mobilenet0.25", "mobile0.25": "mobilenet0.25", resnet50: "resnet50" };

export type Backbone = "mobilenet0.25" | "resnet50";

/** Channels of the backbone's second stage, and of every feature that heads read. */
const widths: Readonly<Record<Backbone, { in: number; out: number }>> = { "mobilenet0.25": { in: 32, out: 64 }, resnet50: { in: 256, out: 256 } };

const schema = z.looseObject({
  backbone: z.string().optional(),
  name: z.string().optional(),
  /** Side lengths of the square priors of each feature map, in pixels. */
  min_sizes: z.array(z.array(positive).min(1)).length(3).default([[16, 32], [64, 128], [256, 512]]),
  /** Pixels from one place of each feature map to the next. */
  steps: z.array(z.int().positive()).length(3).default([8, 16, 32]),
  /** What centres and sizes are scaled with. */
  variance: z.tuple([positive, positive]).default([0.1, 0.2]),
  /** Cuts priors off at the picture's edge. */
  clip: z.boolean().default(false),
  /** "train" leaves confidences as logits. */
  phase: z.enum(["train", "test"]).default("test"),
  in_channel: z.int().positive().optional(),
  out_channel: z.int().positive().multipleOf(4).optional(),
});

export interface RetinaFaceConfig {
  backbone: Backbone;
  minSizes: readonly (readonly number[])[];
  steps: readonly number[];
  variance: readonly [number, number];
  clip: boolean;
  phase: "train" | "test";
  outChannels: number;
}

/** Checks a configuration and fills in what it leaves out. Settings of the reference's training are ignored. */
export function parseRetinaFaceConfig(json: unknown = {}): RetinaFaceConfig {
  const fail = (what: string): never => {
    throw new OrreryError("bad_config", `this is not a valid configuration of ${retinaFaceClassName}: ${what}`);
  };
  const result = schema.safeParse(json);
  if (!result.success) return fail(result.error.issues.map((i) => `${i.path.join(".") || "fields"}: ${i.message}`).join("; "));
  const { backbone: given, name, min_sizes: minSizes, steps, variance, clip, phase, in_channel, out_channel } = result.data;
  const backbone = backboneNames[(given ?? name ?? "resnet50").toLowerCase()];
  if (!backbone) return fail(`backbone is "${given ?? name}"; it must be mobilenet0.25 or Resnet50`);
  if (in_channel !== undefined && in_channel !== widths[backbone].in) return fail(`in_channel is ${in_channel}, but ${backbone} has ${widths[backbone].in}`);
  if (new Set(minSizes.map((s) => s.length)).size > 1 || minSizes[0]!.length !== 2) return fail("min_sizes must have two sizes per feature map: the heads answer for two priors at each place");
  return { backbone, minSizes, steps, variance, clip, phase, outChannels: out_channel ?? widths[backbone].out };
}
