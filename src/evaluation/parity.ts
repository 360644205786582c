/**
 * Does a network here answer as the reference did? A fixture folder holds a configuration, weights, an input and the
 * reference's answers (`golden.safetensors`); this runs ours on the same and compares tensor by tensor. One table, class by
 * class. The difference of two tensors is the largest absolute difference over the largest absolute reference value.
 */
import { join } from "node:path";
import { OrreryError } from "../errors.ts";
import { parseRetinaFaceConfig, priorBoxes, retinaFace, retinaFaceClassName } from "../guardrail/index.ts";
import { parameters, type Parameters } from "../nn/index.ts";
import { bindWeights, checkParameters, openComponent, readJson, type Json } from "../registry/index.ts";
import { compile, grad, input, mul, sum, type Tensor } from "../tensor/index.ts";
import { RandomState } from "../tensor/random.ts";
import { hostTensor, type HostTensor, type Runtime } from "../tensor/runtime/node.ts";
import { decode, decodeIndices, encode, encodeIndices, isDiscrete, parseTokenizerConfig, tokenizerClassNames } from "../tokenizer/index.ts";
import { openCheckpoint, withNaming, type Checkpoint } from "../weights/index.ts";
import { autoregressiveClassName, autoregressiveParameters, greedy, openDecoder, parseAutoregressiveConfig } from "../world/autoregressive/index.ts";
import { cosmosTransformer, parseTransformerConfig, samplerNamed, transformerClassName } from "../world/index.ts";

export interface ParityLine {
  name: string;
  difference: number;
  tolerance: number;
}

/** Everything a check may look at. */
interface Fixture {
  folder: string;
  config: Json;
  golden: Checkpoint;
  runtime: Runtime;
}

/** Answers by golden name. */
type Answers = Record<string, { data: ArrayLike<number | bigint>; shape: readonly number[] }>;

const toleranceOf = (name: string): number =>
  name === "indices" || name === "greedy_tokens" ? 0 : name === "noise" || name === "sigmas" ? 1e-6 : name.startsWith("grad.") ? 1e-3 : 1e-4;

/** What is fed rather than answered. */
const feedNames = new Set([
  "input", "timestep", "encoder_hidden_states", "padding_mask", "condition_mask", "img_context", "attention_mask", "probe", "tokens", "context",
]);

const fed = (golden: Checkpoint, name: string): Tensor | undefined => (golden.names().includes(name) ? input(name, golden.info(name).shape) : undefined);

function needed(golden: Checkpoint, name: string): Tensor {
  const tensor = fed(golden, name);
  if (!tensor) throw new OrreryError("bad_checkpoint", `${golden.path} has no tensor "${name}", which this network is fed; it holds ${golden.names().slice(0, 8).join(", ")}`);
  return tensor;
}

/** Runs a network: outputs, and gradients of sum(output * probe) for every `grad.` the fixture has. */
async function runNetwork({ folder, golden, runtime }: Fixture, all: Parameters, outputs: Record<string, Tensor>, naming?: "diffusers-tokenizer" | "cosmos-tokenizer" | "diffusers-transformer"): Promise<Answers> {
  const raw = await openCheckpoint(folder);
  const checkpoint = naming ? withNaming(raw, naming) : raw;
  try {
    const declared = [...all.all.values()];
    checkParameters(checkpoint, declared);
    const wanted = declared.filter((p) => golden.names().includes(`grad.${p.name}`));
    if (wanted.length > 0) {
      const gradients = grad(sum(mul(outputs["output"]!, needed(golden, "probe"))), wanted.map((p) => p.tensor));
      wanted.forEach((p, i) => (outputs[`grad.${p.name}`] = gradients[i]!));
    }
    const program = compile({ outputs, target: runtime.device });
    const feeds: Record<string, HostTensor> = {};
    for (const { name, shape, dtype } of program.inputs) {
      const source = all.all.has(name) ? checkpoint : golden;
      feeds[name] = hostTensor(dtype, shape, await source.readF32(name));
    }
    const executable = await runtime.load(program);
    try {
      return await executable.run(feeds);
    } finally {
      await executable.release();
    }
  } finally {
    await checkpoint.close();
  }
}

async function tokenizer(fixture: Fixture): Promise<Answers> {
  const config = parseTokenizerConfig(fixture.config);
  const all = parameters();
  const x = needed(fixture.golden, "input");
  const outputs: Record<string, Tensor> = {};
  if (isDiscrete(config)) {
    const { indices, codes } = encodeIndices(all.root, x, config);
    Object.assign(outputs, { indices, codes, output: decode(all.root, codes, config), output_from_indices: decodeIndices(all.root, indices, config) });
  } else {
    outputs["latent"] = encode(all.root, x, config);
    outputs["output"] = decode(all.root, outputs["latent"], config);
  }
  return runNetwork(fixture, all, outputs, fixture.config["_class_name"] === "AutoencoderKLCosmos" ? "diffusers-tokenizer" : "cosmos-tokenizer");
}

async function transformer(fixture: Fixture): Promise<Answers> {
  const { golden } = fixture;
  const config = parseTransformerConfig(fixture.config);
  const all = parameters();
  const fps = golden.metadata.get("fps");
  const output = cosmosTransformer(
    all.root,
    {
      hiddenStates: needed(golden, "input"),
      timestep: needed(golden, "timestep"),
      encoderHiddenStates: needed(golden, "encoder_hidden_states"),
      imageContext: fed(golden, "img_context"),
      attentionMask: fed(golden, "attention_mask"),
      conditionMask: fed(golden, "condition_mask"),
      paddingMask: fed(golden, "padding_mask"),
      fps: fps === undefined || fps === "None" ? undefined : Number(fps),
    },
    config,
  );
  return runNetwork(fixture, all, { output }, "diffusers-transformer");
}

async function faces(fixture: Fixture): Promise<Answers> {
  const config = parseRetinaFaceConfig(fixture.config);
  const all = parameters();
  const x = needed(fixture.golden, "input");
  const answers = await runNetwork(fixture, all, { ...retinaFace(all.root, x, config) });
  const priors = priorBoxes(x.shape[2]!, x.shape[3]!, config);
  return { ...answers, priors: { data: priors, shape: [priors.length / 4, 4] } };
}

/** Reads the prompt, then goes on greedily with the cache as far as the fixture does. */
async function autoregressive({ folder, config: json, golden, runtime }: Fixture): Promise<Answers> {
  const config = parseAutoregressiveConfig(json);
  needed(golden, "tokens");
  const [batch, length] = golden.info("tokens").shape as [number, number];
  const prompt = await golden.readF32("tokens");
  const total = golden.names().includes("greedy_tokens") ? golden.info("greedy_tokens").shape[1]! : length;
  const context = golden.names().includes("context") ? { context: hostTensor("float32", golden.info("context").shape, await golden.readF32("context")) } : undefined;
  const checkpoint = await openCheckpoint(folder);
  try {
    const weights = await bindWeights(checkpoint, autoregressiveParameters(config).all.values());
    const { decoder, logits } = await openDecoder(prompt, [batch, length], { config, weights, runtime, context, allLogits: true });
    try {
      const vocabulary = config.vocab_size;
      const rows = Array.from({ length: batch }, (_, b) => [...prompt.subarray(b * length, (b + 1) * length)]);
      const steps: Float32Array[] = [];
      let last = Array.from({ length: batch }, (_, b) => logits.subarray((b * length + length - 1) * vocabulary, (b + 1) * length * vocabulary));
      while (rows[0]!.length < total) {
        const next = last.map((row) => greedy(row));
        next.forEach((token, b) => rows[b]!.push(token));
        const answer = await decoder.step(next);
        steps.push(answer);
        last = next.map((_, b) => answer.subarray(b * vocabulary, (b + 1) * vocabulary));
      }
      const stepLogits = Array.from({ length: batch }, (_, b) => steps.flatMap((s) => [...s.subarray(b * vocabulary, (b + 1) * vocabulary)])).flat();
      return {
        prefill_logits: { data: logits, shape: [batch, length, vocabulary] },
        greedy_tokens: { data: rows.flat(), shape: [batch, total] },
        step_logits: { data: stepLogits, shape: [batch, steps.length, vocabulary] },
      };
    } finally {
      await decoder.release();
    }
  } finally {
    await checkpoint.close();
  }
}

/** The toy denoiser that sampler fixtures are made with, in single precision. */
const toyDenoiser = (x: Float32Array, sigma: number): Float32Array => {
  const s = Math.fround(sigma);
  return x.map((v) => Math.fround((v * 0.25) / (s * s + 0.25)) + Math.fround((0.1 * Math.sin(3 * v) * s) / (1 + s)));
};

const sampler = (name: "res2ab" | "euler" | "unipc") => async ({ config, golden }: Fixture): Promise<Answers> => {
  const number = (key: string): number | undefined => (typeof config[key] === "number" ? config[key] : undefined);
  if (name === "res2ab" && config["solver"] !== undefined && config["solver"] !== "2ab") throw new OrreryError("bad_config", `solver ${JSON.stringify(config["solver"])} is not known; the RES sampler here is "2ab"`);
  const options = { steps: number("num_steps"), sigmaMin: number("sigma_min"), sigmaMax: number("sigma_max"), rho: number("rho") };
  const { shape } = golden.info(golden.names().includes("noise") ? "noise" : "output");
  const noise = new RandomState(number("seed") ?? 1).standardNormalFloat32(shape.reduce((a, b) => a * b, 1));
  const chosen = samplerNamed(name);
  const sigmas = chosen.sigmas(options);
  const output = await chosen.sample(toyDenoiser, noise, options);
  return { noise: { data: noise, shape }, sigmas: { data: sigmas, shape: [sigmas.length] }, output: { data: output, shape } };
};

const checks: Readonly<Record<string, (fixture: Fixture) => Promise<Answers>>> = {
  ...Object.fromEntries(tokenizerClassNames.map((name) => [name, tokenizer])),
  [transformerClassName]: transformer,
  [retinaFaceClassName]: faces,
  [autoregressiveClassName]: autoregressive,
  ResSampler: sampler("res2ab"),
  EulerEDMSampler: sampler("euler"),
  UniPCSampler: sampler("unipc"),
};

/**
 * Gradients that are zero but for rounding (of a key's bias, which softmax cancels) have no scale of their own: they are
 * compared on at least this part of the largest gradient in the fixture.
 */
const gradientFloor = 1e-5;

const largest = (values: Float32Array): number => values.reduce((m, v) => Math.max(m, Math.abs(v)), 0);

function largestDifference(name: string, got: Answers[string], want: Float32Array, floor: number): number {
  if (got.data.length !== want.length) throw new OrreryError("parity_failed", `${name} has ${got.data.length} values, the reference ${want.length}`);
  let difference = 0;
  for (let i = 0; i < want.length; i++) {
    const d = Math.abs(Number(got.data[i]) - want[i]!);
    if (!(d <= difference)) difference = d;
  }
  return difference / (Math.max(largest(want), floor) || 1);
}

/**
 * Checks a fixture folder. Throws `bad_config` for a class that is not known, `bad_checkpoint` for weights that do not fit,
 * `parity_failed` for a golden tensor that nothing answers.
 */
export async function checkParity(folder: string, runtime: Runtime): Promise<ParityLine[]> {
  const config = await readJson(join(folder, "config.json"));
  const { className } = await openComponent(folder);
  const check = checks[className];
  if (!check) throw new OrreryError("bad_config", `${join(folder, "config.json")}: no check for ${JSON.stringify(className)}; known are ${Object.keys(checks).join(", ")}`);
  const golden = await openCheckpoint(join(folder, "golden.safetensors"));
  try {
    const answers = await check({ folder, config, golden, runtime });
    const lines: ParityLine[] = [];
    const wanted = golden.names().filter((n) => !feedNames.has(n));
    let floor = 0;
    for (const name of wanted.filter((n) => n.startsWith("grad."))) floor = Math.max(floor, gradientFloor * largest(await golden.readF32(name)));
    for (const name of wanted) {
      const answer = answers[name];
      if (!answer) throw new OrreryError("parity_failed", `${join(folder, "golden.safetensors")} holds "${name}", which ${className} here does not answer`);
      lines.push({ name, difference: largestDifference(name, answer, await golden.readF32(name), name.startsWith("grad.") ? floor : 0), tolerance: toleranceOf(name) });
    }
    return lines;
  } finally {
    await golden.close();
  }
}

/** Whether a line is within its tolerance; a difference that is not a number is not. */
export const agrees = ({ difference, tolerance }: ParityLine): boolean => difference <= tolerance;
