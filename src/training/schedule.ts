/** Learning rate by step: linear warm-up, then half a cosine down to a floor (Loshchilov and Hutter, SGDR, 2017). */

export interface Schedule {
  /** Peak learning rate. */
  lr: number;
  /** Steps over which it rises from lr / warmupSteps. */
  warmupSteps: number;
  /** Steps in all; from here on the floor holds. */
  steps: number;
  /** Floor as a fraction of `lr`; 1 keeps the rate constant after the warm-up. */
  floor: number;
}

/** The rate of step `step`, counted from 0. */
export function learningRate({ lr, warmupSteps, steps, floor }: Schedule, step: number): number {
  if (step < warmupSteps) return (lr * (step + 1)) / warmupSteps;
  const progress = Math.min(1, (step - warmupSteps) / Math.max(1, steps - warmupSteps));
  return lr * (floor + (1 - floor) * 0.5 * (1 + Math.cos(Math.PI * progress)));
}
