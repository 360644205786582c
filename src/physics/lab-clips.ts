/**
 * The laboratory as training material, without a file: `lab:all?count=6000` or `lab:fall,ramp?count=500&camera=any` in the place of a
 * folder. Clips are rendered by threads when they are first asked for and kept as far as memory is given; captions come along.
 */
import type { ClipSet, DataSettings, TrainingData } from "../dataset/index.ts";
import { OrreryError } from "../errors.ts";
import { makeClip, type Clip } from "../video/index.ts";
import { clipName } from "./lab-layout.ts";
import { openLabPool, type LabPool } from "./lab-pool.ts";
import { checkSettings, clipKeys, labDefaults, type ClipKey, type LabSettings } from "./laboratory.ts";
import { scenarioNames, type ScenarioName } from "./scenarios/index.ts";
import { cameraMotions, type CameraMotion } from "./scene.ts";

/** Clips of the validation split that are shown as held back. */
const heldClips = 44;
const bytesPerMb = 2 ** 20;

interface LabSource {
  scenarios: readonly ScenarioName[];
  count: number;
  camera: CameraMotion | "any";
}

/** @throws `bad_argument` for what is not `lab:SCENARIOS?count=N&camera=MOTION`. */
export function parseLabSource(source: string): LabSource {
  const wrong = (what: string): never => {
    throw new OrreryError("bad_argument", `${source}: ${what}; expected such as lab:all?count=6000 or lab:fall,ramp?count=500&camera=any`);
  };
  const [names, query = ""] = source.slice("lab:".length).split("?", 2) as [string, string?];
  const chosen = names === "all" || names === "" ? scenarioNames : names.split(",").map((name) => scenarioNames.find((known) => known === name) ?? wrong(`there is no scenario "${name}" (there are ${scenarioNames.join(", ")})`));
  const asked = new URLSearchParams(query);
  for (const key of asked.keys()) if (key !== "count" && key !== "camera") wrong(`"${key}" is not known`);
  const count = Number(asked.get("count") ?? 1000);
  if (!Number.isInteger(count) || count < 1 || count > 1e7) wrong(`count is ${asked.get("count")}`);
  const camera = asked.get("camera") ?? labDefaults.camera;
  return { scenarios: chosen, count, camera: camera === "any" ? camera : (cameraMotions.find((known) => known === camera) ?? wrong(`there is no camera "${camera}" (any, ${cameraMotions.join(", ")})`)) };
}

/** Opens clips of the split `train`, and a few of `val` as held back. Each is a window long. @throws `bad_argument`. */
export function openLabData(source: string, { width, height, frames, fps = labDefaults.fps, memoryMb }: DataSettings): TrainingData {
  const { scenarios, count, camera } = parseLabSource(source);
  const settings = checkSettings({ width, height, frames, fps, camera });
  const pool = openLabPool();
  return {
    training: labSet(clipKeys(scenarios, "train", 0, count), settings, pool, memoryMb * bytesPerMb),
    held: labSet(clipKeys(scenarios, "val", 0, heldClips), settings, pool, Infinity),
    isHeld: true,
    close: () => pool.close(),
  };
}

function labSet(keys: readonly ClipKey[], settings: LabSettings, pool: LabPool, memoryBytes: number): ClipSet {
  const { width, height, frames, fps } = settings;
  const bytes = width * height * 3 * frames;
  const kept = new Map<number, Promise<Clip>>();
  // Words are small: they stay where pictures do not.
  const captions = new Map<number, string>();
  const render = async (index: number): Promise<Clip> => {
    const { clips } = await pool.run({ kind: "render", keys: [keys[index]!], settings });
    captions.set(index, clips[0]!.caption);
    return makeClip(clips[0]!.frames, width, height, fps);
  };
  const rendered = (index: number): Promise<Clip> => {
    const known = kept.get(index);
    if (known) return known;
    const made = render(index);
    if ((kept.size + 1) * bytes <= memoryBytes) kept.set(index, made);
    return made;
  };
  return {
    width, height, fps,
    entries: keys.map((key) => {
      const path = clipName(key, settings);
      return {
        path, startS: 0, frameCount: frames,
        info: {
          path, sizeBytes: bytes, container: "lab", streamIndex: 0, codec: "rawvideo", width, height, codedWidth: width, codedHeight: height, sampleAspectRatio: 1, rotation: 0, fps, nominalFps: fps,
          isVariableFrameRate: false, frameCount: frames, durationS: frames / fps, pixelFormat: "rgb24", bitDepth: 8, colorSpace: undefined, colorPrimaries: undefined, colorTransfer: undefined, colorRange: "pc",
          isHdr: false, hasAudio: false,
        },
      };
    }),
    rejected: [],
    async window(entry, first, count) {
      if (first !== 0 || count !== frames) throw new OrreryError("bad_argument", `frames ${first} to ${first + count - 1} of a laboratory clip were asked for; it is opened as windows of ${frames}`);
      return rendered(entry);
    },
    async caption(entry) {
      if (!captions.has(entry)) await rendered(entry);
      return captions.get(entry);
    },
  };
}
