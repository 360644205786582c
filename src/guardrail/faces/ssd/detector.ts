/**
 * The bundled detector at work: its weights from the file beside this one, and decoding. Looks once at a picture as it is;
 * scaling and tiling are `../views.ts`'s business.
 */
import { fileURLToPath } from "node:url";
import { parameters } from "../../../nn/index.ts";
import type { Runtime } from "../../../tensor/runtime/node.ts";
import type { Picture } from "../../../video/index.ts";
import { readQuantized } from "../../quantized.ts";
import { pictureGraphs } from "../compiled.ts";
import type { FaceBox } from "../face.ts";
import { suppress } from "../views.ts";
import { ssdFaces, ssdPriors } from "./network.ts";

const weightsFile = fileURLToPath(new URL("./weights.safetensors", import.meta.url));

export const readSsdWeights = (): ReturnType<typeof readQuantized> => readQuantized(weightsFile);

export interface FaceNetwork {
  sha256: string;
  /** Faces of a picture looked at in its own size, most certain first. */
  look(picture: Picture, threshold: number): Promise<FaceBox[]>;
  release(): Promise<void>;
}

export async function openSsd(runtime: Runtime): Promise<FaceNetwork> {
  const { weights, sha256 } = await readSsdWeights();
  const graphs = pictureGraphs(runtime, weights, undefined, (pictures) => ssdFaces(parameters().root, pictures));
  const priors = new Map<string, Float32Array>();
  return {
    sha256,
    async look(picture, threshold) {
      const { scores, boxes } = await graphs.run(picture);
      const key = `${picture.width} ${picture.height}`;
      if (!priors.has(key)) priors.set(key, ssdPriors(picture.height, picture.width));
      return decode(scores!.data as Float32Array, boxes!.data as Float32Array, priors.get(key)!, threshold);
    },
    release: () => graphs.release(),
  };
}

const mostFaces = 1000;

function decode(scores: Float32Array, offsets: Float32Array, priors: Float32Array, threshold: number): FaceBox[] {
  const found: FaceBox[] = [];
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i]!;
    if (!(score >= threshold)) continue;
    const [cy, cx, h, w] = priors.subarray(4 * i, 4 * i + 4) as unknown as [number, number, number, number];
    const [dy, dx, dh, dw] = offsets.subarray(4 * i, 4 * i + 4) as unknown as [number, number, number, number];
    const [y, x] = [cy + (dy / 10) * h, cx + (dx / 10) * w];
    const [halfHeight, halfWidth] = [(Math.exp(dh / 5) * h) / 2, (Math.exp(dw / 5) * w) / 2];
    found.push({ score, box: [x - halfWidth, y - halfHeight, x + halfWidth, y + halfHeight] });
  }
  return suppress(found, 0.5).slice(0, mostFaces);
}
