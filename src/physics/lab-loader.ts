/**
 * Batches for training, straight from the generator: no file, no end. What a step gets depends on the seed and the step
 * alone, so a resumed run sees what an uninterrupted one would; the next steps are rendered by other threads meanwhile.
 */
import { lookAhead, randomAt } from "../dataset/index.ts";
import { openLabPool } from "./lab-pool.ts";
import { checkSettings, splits, type ClipKey, type LabClip, type LabOptions, type Split } from "./laboratory.ts";
import { scenarioNames, type ScenarioName } from "./scenarios/index.ts";

export interface LabLoaderOptions extends LabOptions {
  batch: number;
  seed: number;
  /** Default all. */
  scenarios?: readonly ScenarioName[];
  /** Default train. */
  split?: Split;
  /** Draw from the first `clips` indices of each scenario only; default: any index, so that hardly a clip comes twice. */
  clips?: number;
  /** Steps rendered ahead. Default 4. */
  ahead?: number;
  threads?: number;
}

export interface LabLoader {
  /** The clips of one step, with captions and truth. @throws `bad_argument`. */
  at(step: number): Promise<LabClip[]>;
  close(): Promise<void>;
}

export function openLabLoader({ batch, seed, scenarios = scenarioNames, split = "train", clips = splits[split].count, ahead = 4, threads, ...options }: LabLoaderOptions): LabLoader {
  const settings = checkSettings(options);
  const pool = openLabPool(threads);
  const draw = async (step: number): Promise<LabClip[]> => {
    const random = randomAt(seed, step);
    const keys = Array.from({ length: batch }, (): ClipKey => ({ scenario: scenarios[random.randint(0, scenarios.length)]!, split, index: random.randint(0, clips) }));
    return (await pool.run({ kind: "render", keys, settings })).clips;
  };
  return { ...lookAhead(draw, ahead), close: () => pool.close() };
}
