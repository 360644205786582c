/** The runtime for browsers: onnxruntime-web with WebAssembly, or WebGPU where the browser has it. */
import { ortRuntime, type OrtModule } from "./ort.ts";
import type { Runtime } from "./runtime.ts";

export { hostTensor, type Executable, type HostTensor, type Runtime } from "./runtime.ts";

/**
 * Wraps an already imported onnxruntime-web (so that the page decides which build it ships). Compile programs for the
 * target `wasm` or `webgpu` to match.
 */
export const webRuntime = (ort: OrtModule, { device = "cpu", threads = 1 }: { device?: "cpu" | "webgpu"; threads?: number } = {}): Runtime =>
  ortRuntime(ort, { device, threads, provider: device === "cpu" ? "wasm" : "webgpu", preallocate: false });
