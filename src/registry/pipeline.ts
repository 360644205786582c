/**
 * A pipeline folder: components that generate together, as diffusers lays them out (`model_index.json`, a folder for each
 * component, `scheduler/scheduler_config.json`), and beside them `orrery.json` with what generation must know and diffusers
 * keeps in code: sizes, rate, how many frames may be given, the formulation, the sampler. A folder without `orrery.json` is an
 * official checkpoint, and gets what its class stands for.
 *
 * Not here: the networks. A component is opened by the room that knows its class.
 */
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { fromSystemError, OrreryError } from "../errors.ts";
import { readJson, writeJson, type Json } from "./model-folder.ts";

const count = z.int().positive();
const numbers = z.array(z.number());

const common = {
  /** Layout of this file. */
  version: z.literal(1).default(1),
  /** Pixels of a frame. */
  width: count,
  height: count,
  /** Pixel frames of one chunk: what is denoised, or spelled out, at once. */
  frames: count,
  fps: z.number().positive(),
  /** How many pixel frames may be given to continue, rising; 0 where it can begin from nothing. */
  conditionFrames: z.array(z.int().nonnegative()).min(1),
  /** What the text conditions with; null where the model reads no text. */
  text: z
    .strictObject({
      /** Name of the component that encodes it. */
      component: z.string(),
      /** Tokens that a prompt is cut or filled up to. */
      tokens: count,
      /** Width of an embedding. */
      width: count,
    })
    .nullable()
    .default(null),
  /** How the model came to be: steps, clips, final figures. Nothing depends on it. */
  training: z.record(z.string(), z.unknown()).optional(),
};

const diffusion = z.strictObject({
  family: z.literal("diffusion"),
  ...common,
  /**
   * "edm": Cosmos 1.0, noise levels sigma and Karras' preconditioning. "edm-velocity": Cosmos 2.0, the same levels, but the
   * network predicts a flow's velocity. "flow": Cosmos 2.5, levels are times in 0..1. "edm-x0": levels and inputs as in 2.0,
   * but the network predicts the data itself.
   */
  formulation: z.enum(["edm", "edm-velocity", "flow", "edm-x0"]),
  /** Standard deviation that latents are brought to. */
  sigmaData: z.number().positive(),
  /** The noise level that given frames are said to have (sigma, or the time of a flow). */
  conditionSigma: z.number().nonnegative(),
  sampler: z.strictObject({ name: z.string(), steps: count, sigmaMin: z.number().positive(), sigmaMax: z.number().positive() }),
  /** Scale of classifier-free guidance as Cosmos counts it: cond + g (cond - uncond); 0 is none. */
  guidance: z.number().nonnegative(),
  /** Mean and deviation of the tokenizer's latents, per channel or per channel and latent frame; absent: those of its configuration. */
  latents: z.strictObject({ mean: numbers, std: numbers }).optional(),
  /** Where given frames are continued, the network predicts the change against the last of them; this is its deviation per channel. */
  change: z.strictObject({ std: z.array(z.number().positive()).min(1) }).optional(),
});

const autoregressive = z.strictObject({
  family: z.literal("autoregressive"),
  ...common,
  sampling: z.strictObject({ temperature: z.number().nonnegative(), topP: z.number().positive().max(1).optional(), topK: count.optional() }),
});

const schema = z.discriminatedUnion("family", [diffusion, autoregressive]);

export type DiffusionGeneration = z.output<typeof diffusion>;
export type AutoregressiveGeneration = z.output<typeof autoregressive>;
/** What `orrery.json` says. */
export type Generation = z.output<typeof schema>;

export const autoregressivePipelineClass = "OrreryAutoregressivePipeline";

const cosmos = { version: 1, width: 1280, height: 704, text: { component: "text_encoder", tokens: 512, width: 1024 } } as const;
const levels = { sigmaMin: 0.002, sigmaMax: 80 };
const first = { family: "diffusion", ...cosmos, frames: 121, fps: 24, formulation: "edm", sigmaData: 0.5, conditionSigma: 0.001, sampler: { name: "res2ab", steps: 35, ...levels }, guidance: 7 } as const;
const second = { family: "diffusion", ...cosmos, frames: 93, fps: 16, formulation: "edm-velocity", sigmaData: 1, conditionSigma: 1e-4, sampler: { name: "euler", steps: 35, ...levels }, guidance: 7 } as const;

/** What the official pipelines stand for: the defaults of their diffusers classes. */
const officialClasses: Readonly<Record<string, Generation>> = {
  CosmosTextToWorldPipeline: { ...first, conditionFrames: [0] },
  CosmosVideoToWorldPipeline: { ...first, conditionFrames: [1, 9] },
  Cosmos2TextToImagePipeline: { ...second, frames: 1, conditionFrames: [0] },
  Cosmos2VideoToWorldPipeline: { ...second, conditionFrames: [1, 5] },
  Cosmos2_5_PredictBasePipeline: {
    ...second, conditionFrames: [0, 1, 5], formulation: "flow", sampler: { name: "unipc", steps: 36, sigmaMin: 0.01, sigmaMax: 200 }, text: { ...cosmos.text, width: 100_352 },
  },
  [autoregressivePipelineClass]: { family: "autoregressive", ...cosmos, width: 1024, height: 640, frames: 33, fps: 24, conditionFrames: [1, 9], text: null, sampling: { temperature: 1, topP: 0.8 } },
};

export interface PipelineComponent {
  /** As in `model_index.json`: the library that defines the class. */
  library: string;
  className: string;
  folder: string;
}

export interface Pipeline {
  folder: string;
  className: string;
  /** By name: `vae`, `transformer`, `scheduler`, ... */
  components: ReadonlyMap<string, PipelineComponent>;
  generation: Generation;
}

/** Checks what an `orrery.json` says. @throws `bad_config`. */
export function parseGeneration(value: unknown, path = "orrery.json"): Generation {
  const result = schema.safeParse(value);
  if (!result.success) throw new OrreryError("bad_config", `${path} is not valid: ${result.error.issues.map((i) => `${i.path.join(".") || "fields"}: ${i.message}`).join("; ")}`);
  const { conditionFrames, frames } = result.data;
  if (conditionFrames.some((n, i) => n >= frames && frames > 1 || (i > 0 && n <= conditionFrames[i - 1]!)))
    throw new OrreryError("bad_config", `${path}: conditionFrames is [${conditionFrames.join(", ")}]; expected rising numbers below the ${frames} frames of a chunk`);
  return result.data;
}

const exists = (path: string): Promise<boolean> => stat(path).then(() => true, () => false);

/** Whether a folder is a pipeline's. */
export const isPipeline = (folder: string): Promise<boolean> => exists(join(folder, "model_index.json"));

/**
 * Reads a pipeline folder; opens none of its components.
 * @throws `file_not_found` without `model_index.json`, `bad_config` when it or `orrery.json` is not valid, or when there is no
 * `orrery.json` and the class is not an official one.
 */
export async function openPipeline(folder: string): Promise<Pipeline> {
  const path = join(folder, "model_index.json");
  const index = await readJson(path);
  const className = index["_class_name"];
  if (typeof className !== "string") throw new OrreryError("bad_config", `${path} has no "_class_name", so it is not clear what kind of pipeline it is`);
  const components = new Map<string, PipelineComponent>();
  for (const [name, value] of Object.entries(index)) {
    // [null, null] is a component that the pipeline goes without. Names become part of a path.
    if (!Array.isArray(value) || typeof value[0] !== "string" || typeof value[1] !== "string" || !/^\w[\w.-]*$/.test(name)) continue;
    components.set(name, { library: value[0], className: value[1], folder: join(folder, name) });
  }
  const own = join(folder, "orrery.json");
  if (await exists(own)) return { folder, className, components, generation: parseGeneration(await readJson(own), own) };
  if (!Object.hasOwn(officialClasses, className))
    throw new OrreryError("bad_config", `${folder} is a pipeline of class ${className} without an orrery.json, so its sizes and sampler are not known; known without one are ${Object.keys(officialClasses).join(", ")}`);
  return { folder, className, components, generation: officialClasses[className]! };
}

/** The component of that name. @throws `bad_config` when the pipeline has none. */
export function componentOf(pipeline: Pipeline, name: string): PipelineComponent {
  const found = pipeline.components.get(name);
  if (!found) throw new OrreryError("bad_config", `${join(pipeline.folder, "model_index.json")} names no ${name}; it has ${[...pipeline.components.keys()].join(", ") || "no component"}`);
  return found;
}

/** diffusers' scheduler for a formulation, with the levels of the sampler. */
function schedulerOf({ formulation, sigmaData, sampler }: DiffusionGeneration): Json {
  const { sigmaMin, sigmaMax } = sampler;
  const levelsOf = { sigma_min: sigmaMin, sigma_max: sigmaMax, sigma_data: sigmaData, final_sigmas_type: "sigma_min" };
  if (formulation === "edm")
    return { _class_name: "EDMEulerScheduler", ...levelsOf, sigma_schedule: "karras", num_train_timesteps: 1000, prediction_type: "epsilon", rho: 7 };
  if (formulation !== "flow") return { _class_name: "FlowMatchEulerDiscreteScheduler", ...levelsOf, use_karras_sigmas: true, num_train_timesteps: 1000, shift: 1 };
  return { _class_name: "UniPCMultistepScheduler", sigma_min: sigmaMin, sigma_max: sigmaMax, use_karras_sigmas: true, use_flow_sigmas: true, prediction_type: "flow_prediction" };
}

/** The pipeline class of diffusers whose behaviour a formulation is. */
const classOf: Readonly<Record<DiffusionGeneration["formulation"], string>> = {
  edm: "CosmosVideoToWorldPipeline",
  "edm-velocity": "Cosmos2VideoToWorldPipeline",
  "edm-x0": "OrreryDiffusionPipeline",
  flow: "Cosmos2_5_PredictBasePipeline",
};

/** The class in `model_index.json`: diffusers' only where its pipeline would make the same of the components. */
const pipelineClassOf = ({ formulation, change }: DiffusionGeneration): string => (change ? "OrreryDiffusionPipeline" : classOf[formulation]);

/**
 * Writes `model_index.json`, `orrery.json` and the scheduler's configuration. `components` are the classes of the folders
 * that the caller writes (`saveComponent`), by name; write those first, because a folder with an index is a whole pipeline.
 */
export async function savePipeline(folder: string, components: Readonly<Record<string, readonly [library: string, className: string]>>, generation: Generation): Promise<void> {
  const checked = parseGeneration(generation);
  const all: Json = { ...components };
  try {
    await mkdir(folder, { recursive: true });
    if (checked.family === "diffusion") {
      const scheduler = schedulerOf(checked);
      await mkdir(join(folder, "scheduler"), { recursive: true });
      await writeJson(join(folder, "scheduler", "scheduler_config.json"), scheduler);
      all["scheduler"] = ["diffusers", scheduler["_class_name"]];
    }
    await writeJson(join(folder, "orrery.json"), checked);
    await writeJson(join(folder, "model_index.json"), { _class_name: checked.family === "diffusion" ? pipelineClassOf(checked) : autoregressivePipelineClass, ...all });
  } catch (error) {
    throw fromSystemError(error, folder);
  }
}
