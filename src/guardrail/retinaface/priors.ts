/** The boxes that RetinaFace's answers are relative to: squares around every place of the three levels (`layers/functions/prior_box.py`). */
import type { RetinaFaceConfig } from "./config.ts";

/** Centre x, centre y, width and height of each prior [P, 4], as parts of the picture; level, row, column, size in this order. */
export function priorBoxes(height: number, width: number, { minSizes, steps, clip }: Pick<RetinaFaceConfig, "minSizes" | "steps" | "clip">): Float32Array {
  const out: number[] = [];
  steps.forEach((step, level) => {
    for (let row = 0; row < Math.ceil(height / step); row++)
      for (let column = 0; column < Math.ceil(width / step); column++)
        for (const size of minSizes[level]!) out.push(((column + 0.5) * step) / width, ((row + 0.5) * step) / height, size / width, size / height);
  });
  return Float32Array.from(out, clip ? (v) => Math.min(1, Math.max(0, v)) : undefined);
}
