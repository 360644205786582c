/** Runs in the browser: trains and leaves the losses where the test finds them. */
import * as ort from "onnxruntime-web/wasm";
import { webRuntime } from "../../src/tensor/runtime/web.ts";
import { tinyTraining } from "./tiny.ts";

ort.env.wasm.wasmPaths = "/wasm/";
ort.env.wasm.numThreads = 1;
declare global {
  // oxlint-disable-next-line no-var -- a global of the page
  var result: { losses?: number[]; error?: string } | undefined;
}
tinyTraining(webRuntime(ort), "wasm").then(
  (losses) => (globalThis.result = { losses }),
  (error: unknown) => (globalThis.result = { error: String(error) }),
);
