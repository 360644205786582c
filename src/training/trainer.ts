/**
 * The training loop. A `Task` says what is learned: a graph of loss and figures, and the feeds of a step. The loop does the
 * rest: one compiled step with the optimiser inside, schedule, checkpoints, resume, figures, sheets, Ctrl-C.
 *
 * On the CPU a run that was stopped and continued ends with the same bits as one that was not: batches and noise are drawn
 * from (seed, step), and the whole optimiser state is in the checkpoint.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { OrreryError } from "../errors.ts";
import { silent, type Progress } from "../progress.ts";
import { compile, grad, reachable, size, type Program, type Tensor, type Weight } from "../tensor/index.ts";
import { hostTensor, type Executable, type HostTensor, type Runtime } from "../tensor/runtime/node.ts";
import type { Parameter, Parameters } from "../nn/index.ts";
import { initialValue } from "./initialize.ts";
import { openMetrics } from "./metrics.ts";
import { adamw, countParameters, stepScalars, statePrefix, type AdamWOptions, type StateUpdate } from "./optimizer.ts";
import { claimRun, loadCheckpoint, saveCheckpoint, type SavedTensor } from "./run-folder.ts";
import { learningRate, type Schedule } from "./schedule.ts";

export interface Task {
  /** A few words for the progress bar: "training the tokenizer". */
  title: string;
  parameters: Parameters;
  loss: Tensor;
  /** Scalars to log besides the loss, by name without a prefix. */
  figures?: Readonly<Record<string, Tensor>>;
  /** Starting values other than the parameters' own initialisation: a model to fine-tune. */
  start?: ReadonlyMap<string, Float32Array>;
  /** What the loss depends on besides and does not learn, such as the weights that adapters are added to; left in their file where they can be. */
  frozen?: { weights: ReadonlyMap<string, Weight>; weightsFolder?: string | undefined };
  /** Feeds of a micro-batch, by global micro-batch number. */
  feeds(microBatch: number): Promise<Readonly<Record<string, HostTensor>>>;
  /** Called every `sampleEvery` steps and at the end with the weights to show (averaged when there are averages); may answer figures to log. */
  sample?(step: number, weights: ReadonlyMap<string, Float32Array>): Promise<Readonly<Record<string, number>> | void>;
}

export interface TrainOptions {
  out: string;
  seed: number;
  schedule: Schedule;
  optimizer: AdamWOptions;
  saveEvery: number;
  keepCheckpoints: number;
  logEvery: number;
  sampleEvery: number;
  /** Everything that makes the run what it is, written to `run.json` and compared on resume. */
  settings: Readonly<Record<string, unknown>>;
  /** Keys of `settings` that may change when a run continues. */
  freeSettings?: readonly string[];
  progress?: Progress;
  signal?: AbortSignal | undefined;
}

export interface TrainResult {
  /** Final weights by parameter name; the averages when there are any. */
  weights: Map<string, Float32Array>;
  step: number;
  parameters: number;
  /** Of the last step; absent when there was nothing left to do. */
  loss?: number;
}

/** One compiled training step and its state slots. */
export interface TrainingStep {
  program: Program;
  state: StateUpdate[];
}

/**
 * Builds loss, gradients and update as one program. Outputs: `loss`, `grad_norm`, the figures, and the next state. Parameters
 * that the loss does not depend on take no part: they stay as they start.
 */
export function buildStep({ parameters, loss, figures = {}, frozen }: Pick<Task, "parameters" | "loss" | "figures" | "frozen">, optimizer: AdamWOptions): TrainingStep {
  const needed = new Set(reachable([loss]));
  const all = [...parameters.all.values()].filter((p) => needed.has(p.tensor));
  const gradients = grad(loss, all.map((p) => p.tensor));
  const { state, gradNorm } = adamw(all, gradients, optimizer);
  const outputs: Record<string, Tensor> = { loss, grad_norm: gradNorm, ...figures };
  for (const s of state) outputs[nextName(s.name)] = s.next;
  return { program: compile({ outputs, succeeds: Object.fromEntries(state.map((s) => [nextName(s.name), s.name])), ...(frozen ? { weights: frozen.weights } : {}) }), state };
}

const nextName = (name: string): string => `next/${name}`;
const scalar = (value: number): HostTensor => hostTensor("float32", [], Float32Array.of(value));

/** Trains, or goes on training, until the schedule's last step. Throws `cancelled` after a clean checkpoint, `diverged`. */
export async function train(task: Task, runtime: Runtime, options: TrainOptions): Promise<TrainResult> {
  const { out, seed, schedule, optimizer, saveEvery, keepCheckpoints, logEvery, sampleEvery, progress = silent, signal } = options;
  await claimRun(out, options.settings, ["steps", "saveEvery", "logEvery", "sampleEvery", "keepCheckpoints", ...(options.freeSettings ?? [])]);
  progress({ stage: `${task.title}: compiling`, done: 0 });
  const { program, state } = buildStep(task, optimizer);
  const resumed = await restore(task, out, seed, state);
  let step = resumed.step;
  const parameters = countParameters(task.parameters.all.values());
  if (step >= schedule.steps) {
    const weights = weightsOf(task, seed, state, resumed.values);
    // A process that was killed after its last checkpoint may not have come to this.
    await mkdir(join(out, "samples"), { recursive: true });
    await task.sample?.(step, weights);
    return { weights, step, parameters };
  }
  const executable = await runtime.load(program, { state: state.map((s) => ({ input: s.name, output: nextName(s.name), initial: resumed.values.get(s.name)! })), ...(task.frozen?.weightsFolder === undefined ? {} : { weightsFolder: task.frozen.weightsFolder }) });
  resumed.values.clear();
  try {
    const log = await openMetrics(out, step);
    const save = async (): Promise<void> => saveCheckpoint(out, { step, seed }, await snapshot(executable, state), keepCheckpoints);
    let lastSaved = step;
    let loss = Number.NaN;
    let tick = performance.now();
    for (; step < schedule.steps; ) {
      if (signal?.aborted) {
        if (step > lastSaved) await save();
        throw new OrreryError("cancelled", `${task.title} was stopped after ${step} of ${schedule.steps} steps; a checkpoint is in ${out}, run the same command again to continue`);
      }
      const lr = learningRate(schedule, step);
      const scalars = Object.entries(stepScalars(optimizer, lr, step)).map(([k, v]) => [k, scalar(v)] as const);
      const sums: Record<string, number> = {};
      let waited = 0;
      for (let k = 0; k < optimizer.accumulate; k++) {
        const apply: Record<string, HostTensor> = optimizer.accumulate > 1 ? { "opt.apply": scalar(k === optimizer.accumulate - 1 ? 1 : 0) } : {};
        const asked = performance.now();
        const feeds = await task.feeds(step * optimizer.accumulate + k);
        waited += performance.now() - asked;
        const results = await executable.run({ ...feeds, ...Object.fromEntries(scalars), ...apply });
        for (const [name, value] of Object.entries(results)) sums[name] = name === "grad_norm" ? Number(value.data[0]) : (sums[name] ?? 0) + Number(value.data[0]) / optimizer.accumulate;
      }
      loss = sums["loss"]!;
      if (!Number.isFinite(loss) || !Number.isFinite(sums["grad_norm"]))
        throw new OrreryError("diverged", `${task.title}: the loss is ${loss} at step ${step + 1}; the last good checkpoint in ${out} is of step ${lastSaved}. Try a smaller learning rate than ${schedule.lr}`);
      step++;
      const now = performance.now();
      if (step % logEvery === 0 || step === schedule.steps)
        await log.log(step, { ...Object.fromEntries(Object.entries(sums).map(([k, v]) => [`train/${k}`, v])), "train/lr": lr, "perf/step_ms": now - tick, "perf/data_ms": waited });
      tick = now;
      progress({ stage: task.title, done: step, total: schedule.steps, unit: "steps", note: `loss ${loss.toPrecision(4)}` });
      if (step % saveEvery === 0 || step === schedule.steps) {
        await save();
        lastSaved = step;
      }
      if (task.sample && (step % sampleEvery === 0 || step === schedule.steps)) {
        await mkdir(join(out, "samples"), { recursive: true });
        const seen = await task.sample(step, await shownWeights(task, seed, executable, state));
        if (seen) await log.log(step, Object.fromEntries(Object.entries(seen).map(([k, v]) => [`eval/${k}`, v])));
        tick = performance.now();
      }
    }
    return { weights: await shownWeights(task, seed, executable, state), step, parameters, loss };
  } finally {
    await executable.release();
  }
}

/** A buffer of the given pieces end to end. */
function joined(pieces: readonly Float32Array[]): Float32Array {
  if (pieces.length === 1) return pieces[0]!;
  const out = new Float32Array(pieces.reduce((n, piece) => n + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}

/** A buffer's values by the parameter that they belong to. */
function apart({ parts }: StateUpdate, values: Float32Array): { name: string; parameter: Parameter; data: Float32Array }[] {
  let at = 0;
  return parts.map(({ name, parameter }) => ({ name, parameter, data: values.subarray(at, (at += size(parameter.shape))) }));
}

/** Where to go on from: the latest checkpoint, else the start values. On disk every parameter has its own tensors. */
async function restore(task: Task, out: string, seed: number, state: readonly StateUpdate[]): Promise<{ step: number; values: Map<string, Float32Array> }> {
  const saved = await loadCheckpoint(out);
  const values = new Map<string, Float32Array>();
  if (saved) {
    try {
      for (const { name, parts } of state) {
        const pieces: Float32Array[] = [];
        for (const part of parts) pieces.push(await saved.read(part.name, part.parameter.shape));
        values.set(name, joined(pieces));
      }
    } finally {
      await saved.close();
    }
    return { step: saved.state.step, values };
  }
  for (const { name, shape, start, parts } of state)
    values.set(name, start === "zeros" ? new Float32Array(size(shape)) : joined(parts.map(({ parameter }) => task.start?.get(parameter.name) ?? initialValue(parameter, seed))));
  return { step: 0, values };
}

async function snapshot(executable: Executable, state: readonly StateUpdate[]): Promise<SavedTensor[]> {
  const values = await executable.readState();
  return state.flatMap((s) => apart(s, values[s.name]!.data as Float32Array).map(({ name, parameter, data }) => ({ name, shape: parameter.shape, data })));
}

/** Which buffers a user should see the weights of: averages where they exist. */
function shownState(state: readonly StateUpdate[]): StateUpdate[] {
  const averaged = state.filter((s) => s.name.startsWith(statePrefix.ema));
  return averaged.length ? averaged : state.filter((s) => s.name === s.parts[0]!.parameter.name);
}

/** The weights of all parameters; those that did not take part are as they started. */
function weightsOf(task: Task, seed: number, state: readonly StateUpdate[], values: ReadonlyMap<string, Float32Array>): Map<string, Float32Array> {
  const learned = new Map(shownState(state).flatMap((s) => apart(s, values.get(s.name)!).map(({ parameter, data }) => [parameter.name, data.slice()])));
  return new Map([...task.parameters.all.values()].map((p) => [p.name, learned.get(p.name) ?? task.start?.get(p.name) ?? initialValue(p, seed)]));
}

async function shownWeights(task: Task, seed: number, executable: Executable, state: readonly StateUpdate[]): Promise<Map<string, Float32Array>> {
  const values = await executable.readState(shownState(state).map((s) => s.name));
  return weightsOf(task, seed, state, new Map(Object.entries(values).map(([name, { data }]) => [name, data as Float32Array])));
}
