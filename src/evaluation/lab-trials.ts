/** Where trials come from: the laboratory itself, or a folder that `orrery lab render` has written. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { fromSystemError, OrreryError } from "../errors.ts";
import { clipKeys, clipPaths, checkSettings, openLaboratory, truthFormat, type LabOptions, type LabTruth, type ScenarioName, type Split } from "../physics/index.ts";
import { readClip, type Clip } from "../video/index.ts";
import type { Trial } from "./evaluate.ts";

/** Clips of the laboratory, made on the spot. Default split test, which nothing is trained on. */
export async function labTrials(scenarios: readonly ScenarioName[], count: number, options: LabOptions & { split?: Split; start?: number } = {}): Promise<Trial[]> {
  const { split = "test", start = 0, ...rest } = options;
  const settings = checkSettings(rest);
  const laboratory = await openLaboratory();
  return clipKeys(scenarios, split, start, count).map((key) => {
    const { truth, ...clip } = laboratory.render(key, settings);
    return { id: clipPaths(key, settings).uuid, clip, truth };
  });
}

/** A truth file may be long, but not without end. */
const mostTruthBytes = 64 * 2 ** 20;
const uuidName = /^[0-9a-f-]{36}\.json$/;

/** The first `count` clips of a rendered folder, by name. @throws `file_not_found`, `bad_video`, `bad_argument`. */
export async function folderTrials(folder: string, count = Infinity, signal?: AbortSignal): Promise<Trial[]> {
  const names = await readdir(join(folder, "truth")).catch((error: unknown) => {
    throw fromSystemError(error, join(folder, "truth"));
  });
  const trials: Trial[] = [];
  for (const name of names.filter((one) => uuidName.test(one)).sort().slice(0, count)) {
    const id = name.slice(0, -".json".length);
    const truth = await readTruth(join(folder, "truth", name));
    const read = await readClip(join(folder, "clips", `${id}.mp4`), { signal });
    trials.push({ id, truth, clip: cropped(read, truth.width, truth.height) });
  }
  if (trials.length === 0) throw new OrreryError("bad_argument", `${folder}/truth holds no truth of clips; render some with \`orrery lab render --out ${folder}\``);
  return trials;
}

async function readTruth(path: string): Promise<LabTruth> {
  if ((await stat(path)).size > mostTruthBytes) throw new OrreryError("bad_argument", `${path} is larger than ${mostTruthBytes / 2 ** 20} MiB and is no truth of a clip`);
  let truth: unknown;
  try {
    truth = JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    throw new OrreryError("bad_argument", `${path} is not JSON; expected what \`orrery lab render\` wrote`, { cause: error });
  }
  if ((truth as Partial<LabTruth> | null)?.format !== truthFormat) throw new OrreryError("bad_argument", `${path} is not of the format ${truthFormat}; expected what \`orrery lab render\` wrote`);
  return truth as LabTruth;
}

/** The video of a trial in a folder of made ones: `<id>.mp4`, `clips/<id>.mp4` or `<id>/vision.mp4`; undefined when there is none. */
export async function madeVideo(folder: string, { id, truth }: Trial, signal?: AbortSignal): Promise<Clip | undefined> {
  for (const name of [`${id}.mp4`, `clips/${id}.mp4`, `${id}/vision.mp4`]) {
    if (await stat(join(folder, name)).catch(() => undefined)) return cropped(await readClip(join(folder, name), { signal }), truth.width, truth.height);
  }
  return undefined;
}

/** mp4 has even sides only; the added column or row is taken off again. */
function cropped(clip: Clip, width: number, height: number): Clip {
  if (clip.width === width && clip.height === height) return clip;
  if (clip.width - width > 1 || clip.height - height > 1 || clip.width < width || clip.height < height) throw new OrreryError("bad_argument", `a video of ${clip.width} x ${clip.height} belongs to a truth of ${width} x ${height}; expected one of the same size`);
  const frames = new Uint8Array(clip.frameCount * width * height * 3);
  for (let row = 0; row < clip.frameCount * height; row++) {
    const from = (Math.floor(row / height) * clip.height + (row % height)) * clip.width * 3;
    frames.set(clip.frames.subarray(from, from + width * 3), row * width * 3);
  }
  return { ...clip, width, height, frames };
}
