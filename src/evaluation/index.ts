/** Measures of what models make. */
export { psnr, ssim, ssimPerFrame } from "./metrics.ts";
export { agrees, checkParity, type ParityLine } from "./parity.ts";
