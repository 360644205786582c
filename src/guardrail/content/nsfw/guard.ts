/**
 * The bundled classifier of frames: nsfwjs' model, for sexual content and nothing else. It was trained on still pictures of
 * the web, tells pornography from other photographs well, and is known to take clothed people, women above all, for "Sexy";
 * that class therefore never makes it surer than 0.4, below the usual threshold: it is recorded for people to look at. So is
 * what it says of very small pictures: enlarged to its 224 pixels they are smooth and blurred, and it took soft balls in a room
 * of 64 x 48 for pornography with 0.98.
 */
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { parameters } from "../../../nn/index.ts";
import { compile, input } from "../../../tensor/index.ts";
import { hostTensor, openRuntime } from "../../../tensor/runtime/node.ts";
import { resample } from "../../../video/index.ts";
import type { PolicyEntry } from "../../policy.ts";
import { readQuantized } from "../../quantized.ts";
import type { Guard } from "../../verdict.ts";
import { classTable, frameGuard, parseOptions } from "../frames.ts";
import { nsfwClasses, nsfwProbabilities, nsfwSide } from "./network.ts";

export const nsfwWeightsFile: string = fileURLToPath(new URL("./weights.safetensors", import.meta.url));

const schema = z.strictObject({
  device: z.enum(["cpu", "webgpu", "cuda"]).default("cpu"),
  threads: z.int().min(1).max(1024).optional(),
});

const sexyCeiling = 0.4;
const small = { side: 128, ceiling: 0.4 };

/** A guard of kind `nsfw`. */
export async function openNsfw(entry: Pick<PolicyEntry, "name" | "options">): Promise<Guard> {
  const { device, threads } = parseOptions(schema, entry);
  const { weights, sha256 } = await readQuantized(nsfwWeightsFile);
  const runtime = await openRuntime({ device, ...(threads === undefined ? {} : { threads }) });
  try {
    const pictures = input("pictures", [1, nsfwSide, nsfwSide, 3], "uint8");
    const executable = await runtime.load(compile({ outputs: { probabilities: nsfwProbabilities(parameters().root, pictures) }, weights, target: device }));
    return frameGuard({
      model: "nsfwjs MobileNetV2 (bundled, sexual content only)",
      version: sha256,
      table: classTable(nsfwClasses, { categories: { Porn: "O2", Hentai: "O2", Sexy: "O2" }, harmless: ["Drawing", "Neutral"], where: entry.name }),
      ceilings: { Sexy: sexyCeiling },
      small,
      against: "all",
      classify: async (picture) => {
        const { pixels } = resample(picture, nsfwSide, nsfwSide);
        return (await executable.run({ pictures: hostTensor("uint8", pictures.shape, pixels) }))["probabilities"]!.data as Float32Array;
      },
      close: () => runtime.close(),
    });
  } catch (error) {
    await runtime.close();
    throw error;
  }
}
