/** Measures of what models make, and of how well they agree with the reference implementations. */
export { psnr, ssim, ssimPerFrame } from "./metrics.ts";
export { reconstructionMeter, type Reconstruction, type ReconstructionMeter } from "./reconstruction.ts";
export { agrees, notRecognised, parityTolerance, relativeDifference, runParity, type ParityLine, type ParityOptions, type ParityReport } from "./parity.ts";
export { alignClip, type ClipAlignment, type FrameAlignment } from "./alignment.ts";
export { goOn, repeatLast } from "./baselines.ts";
export { evaluateLab, evaluateWords, type Contestant, type EvaluateOptions, type EvaluationReport, type Figures, type Trial } from "./evaluate.ts";
export { checkHallucination, hallucinationLimits, type Hallucination } from "./hallucination.ts";
export { detectObjects, trackObjects, type Detection, type Track } from "./lab-detector.ts";
export { reportPage } from "./lab-report.ts";
export { folderTrials, labTrials, madeVideo } from "./lab-trials.ts";
export { alignWords, motionOf, wordsFigures, type Motion, type SaidObject, type WordsAlignment, type WordsFigures } from "./words-alignment.ts";
