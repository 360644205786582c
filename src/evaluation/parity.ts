/**
 * Parity: the same weights and inputs must give the same answers as the reference implementation's. Each golden tensor is
 * compared by its largest absolute difference over the largest absolute golden value. Tolerances are those of
 * `shared/parity`: float32 arithmetic in another order agrees to about 1e-6, a wrong formula does not.
 */
import { OrreryError } from "../errors.ts";
import { silent, throwIfCancelled, type Progress } from "../progress.ts";
import { ShapeError } from "../tensor/index.ts";
import type { Runtime } from "../tensor/runtime/node.ts";
import { parityChecks } from "./parity-checks.ts";
import { isInteger, openFixture, type Answer, type Answers, type Fixture, type Goldens, type GoldenTensor } from "./parity-fixture.ts";

export interface ParityLine {
  name: string;
  /** Largest absolute difference over the largest absolute golden value (the difference itself where that is 0). */
  difference: number;
  tolerance: number;
  /** The golden gradient is rounding itself, so the difference is relative to the fixture's largest gradient (see `rounding`). */
  noise?: true;
}

/** Whether a line is within its tolerance; a difference that is not a number is not. */
export const agrees = ({ difference, tolerance }: ParityLine): boolean => difference <= tolerance;

export interface ParityReport {
  folder: string;
  className: string;
  ok: boolean;
  /** In the order of the golden file. */
  lines: ParityLine[];
  /** Golden tensors that are neither an input nor an answer of this class. */
  unknown: string[];
  /** Tensors of the checkpoint that the network has no use for. */
  unused: string[];
}

/** By how much a golden tensor may be missed. */
export function parityTolerance(name: string): number {
  if (name.startsWith("grad.")) return 1e-3;
  if (name === "indices" || name === "greedy_tokens") return 0;
  return name === "noise" || name === "sigmas" ? 1e-6 : 1e-4;
}

/** NaN where either side holds one. The scale is the largest absolute expected value, but at least `floor`. */
export function relativeDifference(actual: ArrayLike<number | bigint>, expected: ArrayLike<number>, floor = 0): number {
  let [worst, largest] = [0, floor];
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [Number(actual[i]), expected[i]!];
    const miss = a === e ? 0 : Math.abs(a - e);
    if (Number.isNaN(miss)) return NaN;
    worst = Math.max(worst, miss);
    largest = Math.max(largest, Math.abs(e));
  }
  return largest === 0 ? worst : worst / largest;
}

export interface ParityOptions {
  progress?: Progress | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Runs a fixture folder. Thlines `file_not_found`, `bad_config` or `bad_checkpoint` where the fixture itself is wrong;
 * a difference is not thrown but reported.
 */
export async function runParity(folder: string, runtime: Runtime, { progress = silent, signal }: ParityOptions = {}): Promise<ParityReport> {
  const fixture = await openFixture(folder);
  try {
    const check = Object.hasOwn(parityChecks, fixture.className) ? parityChecks[fixture.className] : undefined;
    if (!check) throw new OrreryError("bad_config", `${folder} is of class ${JSON.stringify(fixture.className)}; parity is known for ${Object.keys(parityChecks).join(", ")}`);
    throwIfCancelled(signal, "the parity check");
    progress({ stage: `running ${fixture.className}`, done: 0, total: 1 });
    const answers = await check({ fixture, runtime, signal }).catch((error: unknown) => {
      throw explained(error, fixture);
    });
    throwIfCancelled(signal, "the parity check");
    progress({ stage: `running ${fixture.className}`, done: 1, total: 1 });
    return await compare(fixture, answers);
  } finally {
    await fixture.close();
  }
}

/** A graph that cannot be built means golden inputs that do not fit the configuration. */
function explained(error: unknown, { folder, goldens }: Fixture): unknown {
  if (error instanceof ShapeError) return new OrreryError("bad_checkpoint", `${goldens.path} does not fit ${folder}/config.json: ${error.message}`, { cause: error });
  if (error instanceof OrreryError && error.code === "bad_argument") return new OrreryError("bad_checkpoint", `${goldens.path} does not fit ${folder}/config.json: ${error.message}`, { cause: error });
  return error;
}

async function compare({ folder, className, goldens }: Fixture, { values, inputs, unused }: Answers): Promise<ParityReport> {
  const steepest = await largestGradient(goldens);
  const lines: ParityLine[] = [];
  const unknown: string[] = [];
  for (const name of goldens.names()) {
    const answer = values.get(name);
    if (answer) lines.push(lineOf(name, answer, await goldens.tensor(name), steepest, (what) => goldens.wrong(what)));
    else if (!inputs.includes(name)) unknown.push(name);
  }
  if (lines.length === 0 && unknown.length === 0) throw goldens.wrong(`holds inputs (${inputs.join(", ") || "none"}) but no answer to compare with`);
  return { folder, className, ok: unknown.length === 0 && lines.every(agrees), lines, unknown, unused: [...unused] };
}

/**
 * Gradients that are zero but for rounding (of a key's bias, which softmax cancels; of queries and keys where there is one
 * key) have no scale of their own: in the reference they differ from run to run by more than their size. Those below
 * `rounding` of the fixture's largest gradient are measured on `floor` of it instead. In every fixture seen, what is rounding
 * lies below 2e-7 of the largest gradient and most that is not above 1e-5.
 */
const rounding = 1e-5;
const floor = 1e-3;

const largestOf = (values: Float64Array): number => values.reduce((m, v) => Math.max(m, Math.abs(v)), 0);

async function largestGradient(goldens: Goldens): Promise<number> {
  let largest = 0;
  for (const name of goldens.names()) if (name.startsWith("grad.")) largest = Math.max(largest, largestOf((await goldens.tensor(name)).data));
  return largest;
}

/** Answers that are stored as integers. */
const integerAnswers = new Set(["indices", "greedy_tokens"]);

function lineOf(name: string, { shape, data }: Answer, golden: GoldenTensor, steepest: number, wrong: (what: string) => OrreryError): ParityLine {
  const show = (s: readonly number[]): string => `[${s.join(", ")}]`;
  if (show(shape) !== show(golden.shape)) throw wrong(`has "${name}" of the wrong shape: expected ${show(shape)}, found ${show(golden.shape)}`);
  // Time steps are whole numbers for some schedulers.
  if (name !== "timesteps" && integerAnswers.has(name) !== isInteger(golden.dtype)) throw wrong(`has "${name}" of the wrong type: expected ${integerAnswers.has(name) ? "integers (I32 or I64)" : "F32"}, found ${golden.dtype}`);
  const noise = name.startsWith("grad.") && largestOf(golden.data) < rounding * steepest;
  return { name, difference: relativeDifference(data, golden.data, noise ? floor * steepest : 0), tolerance: parityTolerance(name), ...(noise ? { noise } : {}) };
}

/** What to say of golden tensors that nothing answers. */
export const notRecognised = (names: readonly string[], className: string): string =>
  `golden ${names.length === 1 ? "tensor" : "tensors"} ${names.join(", ")} not recognised as an input or an answer of ${className}`;
