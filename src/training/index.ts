/** Training: optimiser, schedule, loop, and a run's folder on disk. */
export { adamw, countParameters, defaultAdamW, stepScalars, type AdamWOptions } from "./optimizer.ts";
export { initialize, initialValue } from "./initialize.ts";
export { learningRate, type Schedule } from "./schedule.ts";
export { buildStep, train, type Task, type TrainOptions, type TrainResult } from "./trainer.ts";
export { loopOptions, loopSettings, type LoopDefaults, type LoopSettings } from "./settings.ts";
