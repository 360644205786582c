/** The classes of network that parity is known for: how each is built, fed and read. Adding one is a row of the table. */
import { parseRetinaFaceConfig, priorBoxes, retinaFace, retinaFaceClassName } from "../guardrail/retinaface/index.ts";
import { parameters, type Parameters } from "../nn/index.ts";
import { compile, grad, input, mul, sum, type DType, type Tensor } from "../tensor/index.ts";
import { hostTensor, type HostTensor } from "../tensor/runtime/node.ts";
import { decode, decodeIndices, encode, encodeIndices, isDiscrete, isImage, parseTokenizerConfig, tokenizerClassNames } from "../tokenizer/index.ts";
import { autoregressiveClassName, autoregressiveParameters, greedy, openDecoder, parseAutoregressiveConfig, prefill } from "../world/autoregressive/index.ts";
import { cosmosTransformer, parseTransformerConfig, transformerClassName } from "../world/index.ts";
import { isInteger, loadWeights, type Answer, type Answers, type Check, type CheckContext, type Weights } from "./parity-fixture.ts";
import { samplerCheck } from "./parity-samplers.ts";

/** Graph inputs that are fed with golden tensors, by name. */
type Feeds = Map<string, HostTensor>;

/** Declares an input for a golden tensor, which must be there. */
async function feed(feeds: Feeds, { fixture: { goldens } }: CheckContext, name: string, rank: number | undefined, as: DType = "float32"): Promise<Tensor> {
  const { shape } = goldens.describe(name, { ...(rank === undefined ? {} : { rank }), kind: as === "int64" ? "integer" : "float" });
  const { data } = await goldens.tensor(name);
  feeds.set(name, as === "int64" ? hostTensor("int64", shape, BigInt64Array.from(data, BigInt)) : hostTensor("float32", shape, Float32Array.from(data)));
  return input(name, shape, as);
}

/** A mask of ones and zeros says what counts, however it is stored; any other numbers are added to scores. */
async function feedMask(feeds: Feeds, { fixture: { goldens } }: CheckContext, name: string, rank?: number): Promise<Tensor | undefined> {
  if (!goldens.has(name)) return undefined;
  const { shape } = goldens.describe(name, rank === undefined ? {} : { rank });
  const { dtype, data } = await goldens.tensor(name);
  const bool = isInteger(dtype) || (data.every((v) => v === 0 || v === 1) && data.includes(1));
  feeds.set(name, bool ? hostTensor("bool", shape, Uint8Array.from(data, (v) => Number(v !== 0))) : hostTensor("float32", shape, Float32Array.from(data)));
  return input(name, shape, bool ? "bool" : "float32");
}

const optionally = (context: CheckContext, name: string, then: () => Promise<Tensor>): Promise<Tensor | undefined> => (context.fixture.goldens.has(name) ? then() : Promise.resolve(undefined));

/** Adds the gradient of sum(output * probe) for every `grad.<parameter>` of the goldens. */
async function gradients(context: CheckContext, feeds: Feeds, output: Tensor, { all }: Parameters, weights: Weights): Promise<Record<string, Tensor>> {
  const { goldens } = context.fixture;
  const wanted = goldens.names().filter((name) => name.startsWith("grad."));
  if (wanted.length === 0) return {};
  if (!goldens.has("probe")) throw goldens.wrong('has gradients but no "probe", the tensor that the output was multiplied with');
  goldens.describe("probe", { shape: output.shape });
  const found = wanted.flatMap((golden) => {
    const name = golden.slice("grad.".length);
    const parameter = all.get(name) ?? all.get(weights.stored.get(name) ?? "");
    return parameter ? [{ golden, parameter }] : [];
  });
  const loss = sum(mul(output, await feed(feeds, context, "probe", undefined)));
  const results = grad(loss, found.map(({ parameter }) => parameter.tensor));
  return Object.fromEntries(found.map(({ golden }, i) => [golden, results[i]!]));
}

/** Compiles, runs and releases. Outputs that the goldens lack are not computed. */
async function evaluate({ fixture, runtime }: CheckContext, outputs: Record<string, Tensor>, feeds: Feeds, weights: Weights): Promise<Answers> {
  const wanted = Object.fromEntries(Object.entries(outputs).filter(([name]) => fixture.goldens.has(name)));
  const values = new Map<string, Answer>();
  if (Object.keys(wanted).length > 0) {
    const program = compile({ outputs: wanted, weights: weights.weights, target: runtime.device });
    const executable = await runtime.load(program, weights.weightsFolder === undefined ? {} : { weightsFolder: weights.weightsFolder });
    try {
      const needed = program.inputs.map(({ name }): [string, HostTensor] => [name, feeds.get(name)!]);
      for (const [name, { shape, data }] of Object.entries(await executable.run(Object.fromEntries(needed)))) values.set(name, { shape, data: data as ArrayLike<number> });
    } finally {
      await executable.release();
    }
  }
  return { values, inputs: [...feeds.keys()], unused: weights.unused };
}

const tokenizer: Check = async (context) => {
  const config = parseTokenizerConfig(context.fixture.config, { uneven: true });
  const p = parameters();
  const feeds: Feeds = new Map();
  const x = await feed(feeds, context, "input", isImage(config) ? 4 : 5);
  const outputs: Record<string, Tensor> = {};
  const latent = encode(p.root, x, config);
  const output = (outputs["output"] = decode(p.root, latent, config));
  if (isDiscrete(config)) {
    const { indices, codes } = encodeIndices(p.root, x, config);
    Object.assign(outputs, { indices, codes, output_from_indices: decodeIndices(p.root, indices, config) });
  } else outputs["latent"] = latent;
  const weights = await loadWeights(context.fixture, p, context.fixture.className === "AutoencoderKLCosmos" ? "diffusers-tokenizer" : "cosmos-tokenizer");
  return evaluate(context, { ...outputs, ...(await gradients(context, feeds, output, p, weights)) }, feeds, weights);
};

const diffusion: Check = async (context) => {
  const { goldens } = context.fixture;
  const config = parseTransformerConfig(context.fixture.config);
  const p = parameters();
  const feeds: Feeds = new Map();
  const given = (name: string, rank: number): Promise<Tensor | undefined> => optionally(context, name, () => feed(feeds, context, name, rank));
  const controls = goldens.names().filter((name) => /^control\.\d+$/.test(name)).sort((a, b) => Number(a.slice(8)) - Number(b.slice(8)));
  const controlResiduals: Tensor[] = [];
  for (const name of controls) controlResiduals.push(await feed(feeds, context, name, 3));
  const fps = goldens.metadata.get("fps");
  if (fps !== undefined && fps !== "None" && !(Number(fps) > 0)) throw goldens.wrong(`has "${fps}" as fps in its metadata; expected a number above 0 or "None"`);
  const output = cosmosTransformer(
    p.root,
    {
      hiddenStates: await feed(feeds, context, "input", 5),
      timestep: await feed(feeds, context, "timestep", undefined),
      encoderHiddenStates: await feed(feeds, context, "encoder_hidden_states", 3),
      // Diffusers takes it as the second half of `encoder_hidden_states`, so it has no name of its own there.
      imageContext: await given(goldens.has("image_context") ? "image_context" : "img_context", 3),
      attentionMask: await feedMask(feeds, context, "attention_mask", 2),
      conditionMask: await given("condition_mask", 5),
      paddingMask: await given("padding_mask", 4),
      controlResiduals,
      fps: fps === undefined || fps === "None" ? undefined : Number(fps),
    },
    config,
  );
  const weights = await loadWeights(context.fixture, p, "diffusers-transformer");
  return evaluate(context, { output, ...(await gradients(context, feeds, output, p, weights)) }, feeds, weights);
};

const autoregressive: Check = async (context) => {
  const { fixture, runtime, signal } = context;
  const { goldens } = fixture;
  // Joined or apart, the projections compute the same; the file decides.
  const fused = (await fixture.checkpoint()).names().some((name) => name.endsWith(".attention.wqkv.weight"));
  const config = { ...parseAutoregressiveConfig(fixture.config), fuse_qkv: fused };
  const p = autoregressiveParameters(config);
  const weights = await loadWeights(fixture, p);
  const feeds: Feeds = new Map();
  const tokens = await feed(feeds, context, "tokens", 2, "int64");
  const ids = Array.from(feeds.get("tokens")!.data, Number);
  const strange = ids.find((id) => !(id >= 0 && id < config.vocab_size));
  if (strange !== undefined) throw goldens.wrong(`has token ${strange}; the vocabulary is 0 to ${config.vocab_size - 1}`);
  const attended = await optionally(context, "context", () => feed(feeds, context, "context", 3));
  const contextMask = attended && (await feedMask(feeds, context, "context_mask"));
  if (contextMask && contextMask.dtype !== "bool") throw goldens.wrong('has a "context_mask" of other numbers than 0 and 1');
  const { logits } = prefill(p.root, tokens, config, { context: attended, contextMask });
  const answers = await evaluate(context, { prefill_logits: logits, ...(await gradients(context, feeds, logits, p, weights)) }, feeds, weights);

  const [batch, length] = tokens.shape as [number, number];
  const steps = stepCount(context, batch, length);
  if (steps === 0) return answers;
  const { decoder, logits: first } = await openDecoder(ids, [batch, length], {
    config, weights, runtime, allLogits: false, capacity: Math.min(config.max_seq_len, length + steps),
    ...(attended ? { context: { context: feeds.get("context")!, mask: feeds.get("context_mask") } } : {}),
  });
  try {
    const rows = Array.from({ length: batch }, (_, b) => ids.slice(b * length, (b + 1) * length));
    const all = new Float32Array(batch * steps * config.vocab_size);
    let last = first;
    for (let step = 0; step < steps; step++) {
      signal?.throwIfAborted();
      const chosen = rows.map((_, b) => greedy(last.subarray(b * config.vocab_size, (b + 1) * config.vocab_size)));
      chosen.forEach((token, b) => rows[b]!.push(token));
      last = await decoder.step(chosen);
      for (let b = 0; b < batch; b++) all.set(last.subarray(b * config.vocab_size, (b + 1) * config.vocab_size), (b * steps + step) * config.vocab_size);
    }
    const values = new Map(answers.values);
    values.set("step_logits", { shape: [batch, steps, config.vocab_size], data: all });
    values.set("greedy_tokens", { shape: [batch, length + steps], data: rows.flat() });
    return { ...answers, values };
  } finally {
    await decoder.release();
  }
};

/** How many tokens the reference drew after the prompt. */
function stepCount({ fixture: { goldens } }: CheckContext, batch: number, length: number): number {
  const steps = goldens.has("step_logits") ? goldens.describe("step_logits", { rank: 3 }).shape[1]! : undefined;
  if (!goldens.has("greedy_tokens")) return steps ?? 0;
  const { shape } = goldens.describe("greedy_tokens", { rank: 2, kind: "integer", ...(steps === undefined ? {} : { shape: [batch, length + steps] }) });
  if (shape[1]! < length) throw goldens.wrong(`has greedy_tokens of shape [${shape.join(", ")}]; expected [${batch}, ${length} or more], the prompt and what follows it`);
  return steps ?? shape[1]! - length;
}

const faceDetector: Check = async (context) => {
  const config = parseRetinaFaceConfig(context.fixture.config);
  const p = parameters();
  const feeds: Feeds = new Map();
  const x = await feed(feeds, context, "input", 4);
  context.fixture.goldens.describe("input", { shape: [x.shape[0]!, 3, x.shape[2]!, x.shape[3]!] });
  const { loc, conf, landmarks } = retinaFace(p.root, x, config);
  const answers = await evaluate(context, { loc, conf, landmarks }, feeds, await loadWeights(context.fixture, p));
  const priors = priorBoxes(x.shape[2]!, x.shape[3]!, config);
  return { ...answers, values: new Map([...answers.values, ["priors", { shape: [priors.length / 4, 4], data: priors }]]) };
};

/** By `_class_name`. Samplers also under the names of diffusers' schedulers that they are. */
export const parityChecks: Readonly<Record<string, Check>> = {
  ...Object.fromEntries(tokenizerClassNames.map((name) => [name, tokenizer])),
  [transformerClassName]: diffusion,
  [autoregressiveClassName]: autoregressive,
  [retinaFaceClassName]: faceDetector,
  ResSampler: samplerCheck("res2ab"),
  EulerEDMSampler: samplerCheck("euler"),
  EDMEulerScheduler: samplerCheck("euler"),
  UniPCSampler: samplerCheck("unipc"),
  UniPCMultistepScheduler: samplerCheck("unipc"),
};
