/** Opens a face detector: the bundled one, or RetinaFace from a user's folder. */
import { openRuntime, type Runtime, type RuntimeOptions } from "../../tensor/runtime/node.ts";
import type { Picture } from "../../video/index.ts";
import type { FaceDetector } from "./face.ts";
import { openRetinaFace } from "./retinaface-detector.ts";
import { openSsd, type FaceNetwork } from "./ssd/detector.ts";
import { lookThrough, planViews, type View } from "./views.ts";

export interface DetectorOptions {
  /** "bundled", or a folder or file with RetinaFace's weights. Default "bundled". */
  detector?: string;
  /** Also look for faces of 20 to 40 pixels, in enlarged tiles: several times the work. Default false. */
  tile?: boolean;
  device?: RuntimeOptions["device"];
  threads?: number | undefined;
}

/** Shorter sides of the faces that are looked for without and with tiling, in pixels of the picture. */
export const smallestFace = { whole: 40, tiled: 20 } as const;

/**
 * Opens a detector with a runtime of its own.
 * @throws `file_not_found`, `bad_config`, `bad_checkpoint`, `unsafe_checkpoint`, `missing_dependency`.
 */
export async function openFaceDetector({ detector = "bundled", tile = false, device = "cpu", threads }: DetectorOptions = {}): Promise<FaceDetector> {
  const runtime = await openRuntime({ device, ...(threads === undefined ? {} : { threads }) });
  try {
    return await (detector === "bundled" ? bundled(runtime, tile) : retinaFaceDetector(detector, runtime, tile));
  } catch (error) {
    await runtime.close();
    throw error;
  }
}

/** Measured in benchmarks/guardrail: faces narrower than `sees` pixels are found too seldom. */
const bundledViews = { sees: 24, coarse: 512, tile: 1024, multiple: 32, trusted: 160 } as const;

async function bundled(runtime: Runtime, tile: boolean): Promise<FaceDetector> {
  const network = await openSsd(runtime);
  return detectorOf(network, runtime, "SSD MobileNetV1 (bundled)", 0.5, ({ width, height }) => planViews(width, height, { ...bundledViews, smallest: tile ? smallestFace.tiled : smallestFace.whole }));
}

/** The picture as it is, which is what the published detector sees; tiled, also at twice its size. */
async function retinaFaceDetector(path: string, runtime: Runtime, tile: boolean): Promise<FaceDetector> {
  const network = await openRetinaFace(path, runtime);
  const asItIs = ({ width, height }: Picture): View => ({ region: { left: 0, top: 0, width, height }, width, height, largest: Infinity });
  const enlarged = ({ width, height }: Picture): View[] => planViews(width, height, { smallest: 1, sees: 2, coarse: 1, tile: 1024, multiple: 32, trusted: 128 }).slice(1);
  return detectorOf(network, runtime, `RetinaFace ${network.config.backbone}`, 0.7, (picture) => (tile ? [asItIs(picture), ...enlarged(picture)] : [asItIs(picture)]));
}

function detectorOf(network: FaceNetwork, runtime: Runtime, model: string, threshold: number, viewsOf: (picture: Picture) => View[]): FaceDetector {
  return {
    model,
    version: network.sha256,
    threshold,
    // One whole view is the network's own answer, with nothing to bring together.
    detect: (picture, least) => {
      const views = viewsOf(picture);
      const only = views.length === 1 ? views[0]! : undefined;
      if (only && only.width === picture.width && only.height === picture.height) return network.look(picture, least);
      return lookThrough(picture, views, least, network.look);
    },
    async close() {
      await network.release();
      await runtime.close();
    },
  };
}
