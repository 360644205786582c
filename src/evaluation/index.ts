/** Measures of what models make, and of how well they agree with the reference implementations. */
export { psnr, ssim, ssimPerFrame } from "./metrics.ts";
export { reconstructionMeter, type Reconstruction, type ReconstructionMeter } from "./reconstruction.ts";
export { agrees, notRecognised, parityTolerance, relativeDifference, runParity, type ParityLine, type ParityOptions, type ParityReport } from "./parity.ts";
