/** What `--data` may name: video files and folders, or the laboratory. */
import { openTrainingData, type OpenData } from "../dataset/index.ts";
import { OrreryError } from "../errors.ts";

export const openData: OpenData = async (paths, settings, options) => {
  if (!paths.some((path) => path.startsWith("lab:"))) return openTrainingData(paths, settings, options);
  if (paths.length > 1) throw new OrreryError("bad_argument", `--data names ${paths.join(" ")}; the laboratory is opened by itself, not together with other sources`);
  const { openLabData } = await import("../physics/index.ts");
  return openLabData(paths[0]!, settings);
};
