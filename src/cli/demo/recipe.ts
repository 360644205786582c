/**
 * What the demo trains, and for how long: sizes that two cores finish in minutes. They are settings of `orrery train tokenizer`
 * and `orrery train diffusion`, so whoever wants more of it takes those commands and larger numbers.
 */

export interface Recipe {
  /** Pixels of a frame, about; the shape follows the footage. */
  area: number;
  /** Sides are multiples of this: the tokenizer's compression times the transformer's patch. */
  sideMultiple: number;
  /** Frames a second, at most. */
  fps: number;
  /** Frames of a window, and how many of them are given. */
  frames: number;
  given: number;
  /** Frames of a continuation, the given ones included. */
  shown: number;
  /** Clips that are continued, at most. */
  continued: number;
  /** Steps of the sampler, and from one preview to the next. */
  steps: number;
  previewEvery: number;
  tokenizer: Record<string, unknown>;
  world: Record<string, unknown>;
  /** Seconds that the stages take on two quiet cores, roughly: how the bar of the whole is shared out. */
  expectedS: { footage: number; tokenizer: number; world: number; continue: number; page: number };
}

/**
 * What was found by trying, with figures, in LOGBOOK.md: a tokenizer that starts as a linear autoencoder (only kinds that do not
 * resample can) is past 30 dB before its first step; frames this small let the transformer see its footage often enough; one
 * step of the sampler, which answers with the likely mean: a model this young loses more by the details that more steps add.
 */
export const standardRecipe: Recipe = {
  area: 64 * 48,
  sideMultiple: 8,
  fps: 12,
  frames: 17,
  given: 9,
  shown: 17,
  continued: 3,
  steps: 1,
  previewEvery: 1,
  tokenizer: {
    kind: "CV4x4x4", width: 40, multipliers: [1], blocks: 1, batch: 2, steps: 150, loss: { l1: 1, l2: 0, gradient: 0.5 }, optimizer: { lr: 5e-4, warmupSteps: 20, emaDecay: 0.98 }, saveEvery: 50, logEvery: 5, sampleEvery: 75,
  },
  world: {
    size: "nano", layers: 4, heads: 4, headDim: 48, adalnDim: 48, batch: 8, steps: 500, noise: { mean: 1, std: 1.4 }, sampler: { steps: 1 },
    optimizer: { lr: 2e-3, warmupSteps: 30, emaDecay: 0.99 }, saveEvery: 50, logEvery: 5, sampleEvery: 250,
  },
  expectedS: { footage: 8, tokenizer: 60, world: 270, continue: 20, page: 5 },
};

/** The sides near `area`, in multiples of the recipe's, that cut off least of the footage's shape. */
export function sizeFor({ area, sideMultiple }: Pick<Recipe, "area" | "sideMultiple">, shape: { width: number; height: number }): { width: number; height: number } {
  const aspect = Math.min(4, Math.max(0.25, shape.width / shape.height));
  const sides = Array.from({ length: 64 }, (_, i) => (i + 2) * sideMultiple);
  const all = sides.flatMap((width) => sides.map((height) => ({ width, height }))).filter(({ width, height }) => Math.abs(Math.log((width * height) / area)) < 0.35);
  const cost = ({ width, height }: { width: number; height: number }): number => 3 * Math.abs(Math.log(width / height / aspect)) + Math.abs(Math.log((width * height) / area));
  return all.reduce((best, one) => (cost(one) < cost(best) ? one : best));
}
